"""The key of tokens that stored rows were made with: another key under its name would part what belongs together."""

from __future__ import annotations

from typing import Any, Final

from worker.errors import FatalError
from worker.projection.operations import text
from worker.records.protect import TokenKey

TOKEN_KEYS_PK: Final = "#token-keys"  # noqa: S105  a partition
_ASKED: Final = "which key is this? nothing in a source has this value"


def hold_to(client: Any, table: str, key: TokenKey) -> None:
    """Note the key, by the token it gives to a fixed text. Raises FatalError if another one has its id."""
    check = text(key.token(_ASKED))
    try:
        client.put_item(
            TableName=table,
            Item={"pk": text(TOKEN_KEYS_PK), "sk": text(key.id), "check": check},
            ConditionExpression="attribute_not_exists(pk) OR #check = :check",
            ExpressionAttributeNames={"#check": "check"},
            ExpressionAttributeValues={":check": check},
        )
    except client.exceptions.ConditionalCheckFailedException:
        raise FatalError(
            f"NEARVIEW_TOKEN_KEY: the tokens in table {table} with the id {key.id} were made with another key; use that"
            " key, or give this one a NEARVIEW_TOKEN_KEY_ID of its own and load the tables again"
        ) from None
