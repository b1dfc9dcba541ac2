"""What is noted beside the data at a start. First: with an empty rows table every relation's edges are there.

Later mappings find the item and wait for `nearview rebuild` where they follow foreign keys that it does not name.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from worker.log import Log
from worker.patience import Patience
from worker.projection.generations import GENERATIONS_PK, GENERATIONS_SK, Generations
from worker.projection.operations import text
from worker.projection.plan import make_plan
from worker.rebuild.stored_format import claim_patiently
from worker.rebuild.token_key import hold_to
from worker.settings import Settings
from worker.source_settings import read_mapping, source
from worker.store.dynamodb import dynamodb_client

ATTEMPTS = 5


def note_first_start(settings: Settings, log: Log) -> None:
    """Store what is ready and the stored format, unless they are. Raises FatalError, TransientError, SettingsError.

    The format comes second, for with it the table is not empty any more; where a newer one stands, so does the first.
    """
    mapping = read_mapping(Path(settings.mappings))
    client = dynamodb_client(settings.region, settings.endpoint_url)
    relations = make_plan(mapping).relations
    patience = Patience("the rows table", log, attempts=ATTEMPTS)
    patience.all(lambda table: _note(client, table, relations), [settings.rows_table])
    claim_patiently(client, settings.rows_table, log, ATTEMPTS)
    key = source(settings, mapping).protection.key
    if key is not None:
        patience.all(lambda table: hold_to(client, table, key), [settings.rows_table])


def _note(client: Any, table: str, relations: dict[str, str]) -> None:
    if client.scan(TableName=table, Limit=1, ConsistentRead=True)["Items"]:
        relations = {}  # rows of a time before: who knows for which mapping
    state = text(Generations(ready=relations).text())
    try:
        client.put_item(
            TableName=table,
            Item={"pk": text(GENERATIONS_PK), "sk": text(GENERATIONS_SK), "state": state},
            ConditionExpression="attribute_not_exists(pk)",
        )
    except client.exceptions.ConditionalCheckFailedException:
        return  # the usual case: not the first start
