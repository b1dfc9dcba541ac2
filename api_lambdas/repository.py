"""Documents by key and by index, for every kind of API; one read of the table per call, never a scan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from api_lambdas.catalog import Index
from api_lambdas.dynamodb import DynamoDB
from api_lambdas.item_text import item_text
from contract.keys import DOCUMENT_SK, document_pk
from contract.values import Item


@dataclass(frozen=True, slots=True)
class Document:
    """A document as readers may see it.

    `as_of` is the commit time of the newest change it shows. A `parked` one is the last state that fitted, newer ones
    did not: its time is not known, because a document's `_as_of` moves on with the states that did not fit.
    """

    attributes: Item
    entity_tag: str
    as_of: str | None
    parked: bool

    def text(self) -> str:
        """Its JSON."""
        return item_text(self.attributes)


@dataclass(frozen=True, slots=True)
class Position:
    """A place in an index: behind the document with this key."""

    key: str
    sort: str


@dataclass(frozen=True, slots=True)
class Page:
    """Some documents of an index; more follow behind `next`, if there is one, even after a page without documents."""

    documents: tuple[Document, ...]
    next: Position | None


class Repository:
    """Reads of the documents table (eventually consistent). Raises StoreError."""

    def __init__(self, client: DynamoDB, table: str) -> None:
        self._client = client
        self._table = table

    def get(self, aggregate: str, key: str) -> Document | None:
        """The document with this key text; None if there is none, or no longer."""
        wanted = {"pk": {"S": document_pk(aggregate, key)}, "sk": {"S": DOCUMENT_SK}}
        answer = self._client.call("GetItem", {"TableName": self._table, "Key": wanted})
        return _document(answer["Item"]) if "Item" in answer else None

    def page(
        self, aggregate: str, index: Index, partition: str, *, limit: int, descending: bool, after: Position | None
    ) -> Page:
        """Up to `limit` documents of one index partition; fewer when they are large (1 MB is read at most)."""
        names = f"_i{index.slot}p", f"_i{index.slot}s"
        request: dict[str, Any] = {
            "TableName": self._table,
            "IndexName": f"idx{index.slot}",
            "KeyConditionExpression": "#p = :p",
            "ExpressionAttributeNames": {"#p": names[0]},
            "ExpressionAttributeValues": {":p": {"S": partition}},
            "ScanIndexForward": not descending,
            "Limit": limit + 1,  # one more tells a last page from one that is only full
        }
        if after is not None:
            request["ExclusiveStartKey"] = _start_key(aggregate, names, partition, after)
        answer = self._client.call("Query", request)
        items: list[Item] = answer["Items"]
        last = items[limit - 1] if len(items) > limit else answer.get("LastEvaluatedKey")
        documents = (_document(item) for item in items[:limit])
        return Page(
            documents=tuple(document for document in documents if document is not None),
            next=None if last is None else _position(aggregate, names[1], last),
        )


def _document(item: Item) -> Document | None:
    if item.get("_deleted", {}).get("BOOL"):
        return None
    parked = "_parked" in item
    return Document(
        attributes={name: value for name, value in item.items() if _is_public(name)},
        entity_tag=_entity_tag(item),
        as_of=None if parked else item["_as_of"]["S"],
        parked=parked,
    )


def _entity_tag(item: Item) -> str:
    """Another one for every write: a document that holds its row has the row's version, others count."""
    generation = item["_gen"]["N"]
    if "_v" in item:
        return f'"{item["_v"]["S"]}-{generation}"'
    return f'"{item["_rev"]["N"]}-{generation}-{item["_fp"]["S"][:8]}"'


def _is_public(name: str) -> bool:
    return not name.startswith("_") and name not in ("pk", "sk")


def _start_key(aggregate: str, names: tuple[str, str], partition: str, after: Position) -> Item:
    return {
        "pk": {"S": document_pk(aggregate, after.key)},
        "sk": {"S": DOCUMENT_SK},
        names[0]: {"S": partition},
        names[1]: {"S": after.sort},
    }


def _position(aggregate: str, sort_name: str, key: Item) -> Position:
    return Position(key["pk"]["S"].removeprefix(document_pk(aggregate, "")), key[sort_name]["S"])
