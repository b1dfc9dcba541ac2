"""Requests of which a part is done: what is taken out of them, and what the answer says about that part. Pure.

DynamoDB answers 200 and names what it did not do: UnprocessedKeys, UnprocessedItems, an error for single statements,
a page that ends early. A call of one item is refused as a whole.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from tests.faults.weather import STATEMENT_CODES, Blow, Fault

Answer = dict[str, Any]
SINGLE: Final = frozenset({"GetItem", "PutItem", "UpdateItem", "DeleteItem", "Query", "Scan"})
_PAGE_IN_PARTS: Final = 3


@dataclass(frozen=True, slots=True)
class Part:
    """`body`: what is left to be done (None: nothing). `complete` makes the answer to the whole of it."""

    body: dict[str, Any] | None
    complete: Callable[[Answer], Answer]


def part_of(action: str, body: dict[str, Any], blow: Blow) -> Part | None:
    """A request without what is not done; None if nothing of it is hit, or it is refused as a whole."""
    if action in ("BatchGetItem", "BatchWriteItem"):
        return _batch(action, body, blow)
    if action == "BatchExecuteStatement":
        return _statements(body, blow)
    if action in ("Query", "Scan") and blow.fault is Fault.UNPROCESSED and "Limit" not in body:
        return Part({**body, "Limit": _PAGE_IN_PARTS}, lambda answer: answer)
    return None


def hits_single(action: str, body: dict[str, Any], blow: Blow) -> bool:
    """Whether a call of one item, or of one partition, is refused: its partition is slow."""
    if blow.fault is not Fault.THROTTLED_ITEMS or action not in SINGLE:
        return False
    key = body.get("Key") or body.get("Item") or {}
    pk = key.get("pk", {}).get("S") or body.get("ExpressionAttributeValues", {}).get(":pk", {}).get("S", "")
    return blow.spell.hits(pk)


def _hit(blow: Blow, pk: str) -> bool:
    return blow.spell.hits(pk) if blow.fault is Fault.THROTTLED_ITEMS else blow.dice.random() < 0.5


def _batch(action: str, body: dict[str, Any], blow: Blow) -> Part | None:
    done: dict[str, Any] = {}
    left: dict[str, Any] = {}
    for table, asked in body["RequestItems"].items():
        entries = asked["Keys"] if action == "BatchGetItem" else asked
        kept = [entry for entry in entries if not _hit(blow, _pk(entry))]
        rest = [entry for entry in entries if entry not in kept]
        for part, into in ((kept, done), (rest, left)):
            if part:
                into[table] = {**asked, "Keys": part} if action == "BatchGetItem" else part
    if not left:
        return None
    member, empty = ("UnprocessedKeys", "Responses") if action == "BatchGetItem" else ("UnprocessedItems", "")

    def complete(answer: Answer) -> Answer:
        return {**({empty: {}} if empty else {}), **answer, member: {**answer.get(member, {}), **left}}

    return Part({**body, "RequestItems": done} if done else None, complete)


def _pk(entry: dict[str, Any]) -> str:
    key = entry.get("PutRequest", {}).get("Item") or entry.get("DeleteRequest", {}).get("Key") or entry
    text: str = key["pk"]["S"]
    return text


def _statements(body: dict[str, Any], blow: Blow) -> Part | None:
    entries = body["Statements"]
    failed = [
        at
        for at, entry in enumerate(entries)
        if (blow.fault is Fault.THROTTLED_ITEMS and any(map(blow.spell.hits, _texts(entry))))
        or (blow.fault is Fault.UNPROCESSED and blow.dice.random() < 0.5)
    ]
    if not failed:
        return None
    done = [entry for at, entry in enumerate(entries) if at not in failed]
    errors = {at: {"Error": {"Code": blow.dice.choice(STATEMENT_CODES), "Message": "try again"}} for at in failed}

    def complete(answer: Answer) -> Answer:
        given = iter(answer.get("Responses", ()))
        return {**answer, "Responses": [errors[at] if at in errors else next(given) for at in range(len(entries))]}

    return Part({**body, "Statements": done} if done else None, complete)


def _texts(entry: dict[str, Any]) -> list[str]:
    """The texts among a statement's parameters; its partition key is one of them."""
    return [value["S"] for value in entry.get("Parameters") or () if "S" in value and "#" in value["S"]]
