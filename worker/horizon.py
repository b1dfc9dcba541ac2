"""From when on everything that orders old records is there: whoever feeds old records again asks first.

A deleted row's tombstone keeps an older record of that row from bringing it back. nearview deletes no tombstone.
Whoever does (by a time to live of their own, or by hand) first stores the time before which deletions may be forgotten,
in the rows table: pk `#horizon`, sk `#`, `from` a time like 2026-01-31T12:00:00Z. Records from before it are then
refused.
"""

from __future__ import annotations

import datetime
from typing import Any, Final

from worker.errors import FatalError, TransientError
from worker.store.failures import classify

HORIZON_PK: Final = "#horizon"
FROM: Final = "from"

_ATTEMPTS: Final = 5


def horizon_millis(client: Any, rows_table: str) -> int | None:
    """Epoch milliseconds from which on all tombstones are there; None if none was ever deleted. Raises FatalError."""
    arguments = {
        "TableName": rows_table,
        "ConsistentRead": True,
        "KeyConditionExpression": "pk = :pk",
        "ExpressionAttributeValues": {":pk": {"S": HORIZON_PK}},
    }
    items = _asked(client, arguments)
    if not items:
        return None
    text = items[0].get(FROM, {}).get("S", "")
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise FatalError(f"{rows_table}: the item {HORIZON_PK} has no time like 2026-01-31T12:00:00Z in `{FROM}`")
    return int(moment.timestamp() * 1000)


def check_horizon(horizon: int | None, oldest_millis: int | None, what: str) -> None:
    """Raises FatalError if `what` begins with a record that came in before the horizon; both in epoch milliseconds."""
    if horizon is not None and oldest_millis is not None and oldest_millis < horizon:
        raise FatalError(
            f"{what} begins at {_text(oldest_millis)}, but tombstones from before {_text(horizon)} may be gone: rows"
            " deleted since then could come back. Begin later, or load the tables again in a raised incarnation"
        )


def _asked(client: Any, arguments: dict[str, Any]) -> list[Any]:
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return list(client.query(**arguments)["Items"])
        except Exception as error:  # noqa: BLE001  whatever a client library raises has one place: classify
            problem = classify(error, "the rows table")
            if attempt == _ATTEMPTS or not isinstance(problem, TransientError):
                raise FatalError(str(problem)) from None
    raise AssertionError("the last attempt returns or raises")


def _text(millis: int) -> str:
    return datetime.datetime.fromtimestamp(millis / 1000, datetime.UTC).isoformat(timespec="seconds")[:19] + "Z"
