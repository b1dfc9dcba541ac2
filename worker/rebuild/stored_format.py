"""The format of all that is stored, as one number beside it: data of a newer version is refused before it is touched.

Each version reads the formats up to its own and writes its own. What the numbers stand for is in docs/upgrading.md.
"""

from __future__ import annotations

from typing import Any, Final

from worker.errors import FatalError
from worker.log import Log
from worker.patience import Patience
from worker.projection.operations import number, text

FORMAT: Final = 2
"""1: before documents held rows or had parts, images with all attributes. It was not noted."""
FORMAT_PK: Final = "#format"
FORMAT_SK: Final = "#"
ATTEMPTS: Final = 5


def claim(client: Any, table: str) -> None:
    """Note that this version writes from now on. Raises FatalError if a newer one has, and what the client raises."""
    try:
        client.put_item(
            TableName=table,
            Item={"pk": text(FORMAT_PK), "sk": text(FORMAT_SK), "format": number(FORMAT)},
            ConditionExpression="attribute_not_exists(pk) OR #format <= :ours",
            ExpressionAttributeNames={"#format": "format"},
            ExpressionAttributeValues={":ours": number(FORMAT)},
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    except client.exceptions.ConditionalCheckFailedException as refused:
        found = refused.response.get("Item", {}).get("format", {}).get("N", "")
        raise FatalError(_line(table, found)) from None


def claim_patiently(client: Any, table: str, log: Log, attempts: int = ATTEMPTS) -> None:
    """The same for commands that write: what passes is tried again. Raises FatalError and TransientError."""
    Patience("the rows table", log, attempts=attempts).all(lambda name: claim(client, name), [table])


def refusal(client: Any, table: str) -> str | None:
    """The line with which `claim` would refuse, but nothing is written; None if it would not. Raises as the client."""
    answer = client.query(
        TableName=table,
        ConsistentRead=True,
        KeyConditionExpression="pk = :pk AND sk = :sk",
        ExpressionAttributeValues={":pk": text(FORMAT_PK), ":sk": text(FORMAT_SK)},
    )
    found = [item.get("format", {}).get("N", "") for item in answer["Items"]]
    return next((_line(table, other) for other in found if not other.isdigit() or int(other) > FORMAT), None)


def _line(table: str, found: str) -> str:
    return (
        f"table {table} has the stored format {found or 'of a newer version'}, this version writes {FORMAT}: run the"
        " newer version of nearview, or restore the tables from before its first start"
    )
