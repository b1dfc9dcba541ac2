"""Documents by key, by keys and by index, for every kind of API; never a scan."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from api_lambdas.queries import wholes
from api_lambdas.queries.catalog import Index
from api_lambdas.queries.item_text import item_text
from api_lambdas.queries.marks import Mark, mark_of
from api_lambdas.queries.ranges import Between
from api_lambdas.queries.selection import Selection, select
from api_lambdas.shared.dynamodb import THROTTLED, DynamoDB, StoreError
from contract.keys import DOCUMENT_SK, document_pk
from contract.parts import PARTS, Fetch, Names
from contract.values import Item

MOST_AT_ONCE: Final = 100
"""Keys of one BatchGetItem."""

BATCH_ROUNDS: Final = 4
"""A BatchGetItem returns up to 16 MB and leaves out what is beyond that, or what a busy table does not serve."""

PAUSE_SECONDS: Final = 0.05
"""Before parts of a document that were not there are looked for again; longer with every time."""

_MARK: Final = "~complete"


@dataclass(frozen=True, slots=True)
class Document:
    """A document as readers may see it.

    `as_of`: it has every change committed before that time. A `parked` one is the last state that fitted, newer ones
    did not: its time is not known, because a document's `_as_of` moves on with the states that did not fit.
    `item`: of one in parts, what it was read from; it lacks lists until `Repository.whole` has put them in.
    """

    attributes: Item
    entity_tag: str
    as_of: str | None
    parked: bool
    item: Item | None = None

    def text(self, chosen: Selection | None = None) -> str:
        """Its JSON, or that of some of its attributes."""
        return item_text(self.attributes if chosen is None else select(self.attributes, chosen))


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
    """Reads of the documents table, eventually consistent where nothing else is said. Raises StoreError.

    `consistent`: with all that this region has stored before; no index can be read so.
    """

    def __init__(self, client: DynamoDB, table: str) -> None:
        self._client = client
        self._table = table

    def get(self, aggregate: str, key: str, *, consistent: bool = False) -> Document | None:
        """The document with this key text; None if there is none, or no longer."""
        wanted = {"TableName": self._table, "Key": _key(document_pk(aggregate, key)), **_reading(consistent)}
        answer = self._client.call("GetItem", wanted)
        return _document(answer["Item"]) if "Item" in answer else None

    def get_many(self, aggregate: str, keys: Sequence[str], *, consistent: bool = False) -> dict[str, Document]:
        """The documents with these key texts (MOST_AT_ONCE at most), by key; those that are not there are left out."""
        wanted = (_key(document_pk(aggregate, key)) for key in dict.fromkeys(keys))
        found = self._items(wanted, consistent=consistent)
        documents = {item["pk"]["S"].removeprefix(document_pk(aggregate, "")): _document(item) for item in found}
        return {key: document for key, document in documents.items() if document is not None}

    def whole(self, documents: Sequence[Document], chosen: Selection | None = None) -> list[Document | None]:
        """The same documents with lists that are in parts, where the chosen attributes have any.

        One that was written meanwhile is the newer one, with its own tag; None is gone. Raises Problem if they are too
        much for one answer.
        """
        items = {at: one.item for at, one in enumerate(documents) if one.item and wholes.wanted(one.item, chosen)}
        wholes.check_together(list(items.values()))
        found: list[Document | None] = list(documents)
        for at, item in items.items():
            read = wholes.read(item, self._fetch)
            found[at] = None if read is None else _document(read, whole=True)
        return found

    def _fetch(self, item: Item) -> Fetch:
        """Reads items of a document's partition: as they are near, and if something was missing, as they are."""

        def fetch(sort_keys: Names, look: int) -> Mapping[str, Item]:
            self._client.pause(PAUSE_SECONDS * look)
            keys = [{"pk": item["pk"], "sk": {"S": sk}} for sk in sort_keys]
            parts = (keys[start : start + MOST_AT_ONCE] for start in range(0, len(keys), MOST_AT_ONCE))
            return {one["sk"]["S"]: one for part in parts for one in self._items(part, consistent=look > 0)}

        return fetch

    def marks(self, tables: Sequence[str]) -> dict[str, Mark]:
        """Up to where the documents hold all changes of these source tables, as far as that is known."""
        marks = [
            item
            for start in range(0, len(tables), MOST_AT_ONCE)
            for item in self._items(_key(document_pk(_MARK, table)) for table in tables[start : start + MOST_AT_ONCE])
        ]
        return {item["pk"]["S"].removeprefix(document_pk(_MARK, "")): mark_of(item) for item in marks}

    def _items(self, keys: Iterable[Item], *, consistent: bool = False) -> list[Item]:
        wanted: dict[str, Any] = {self._table: {"Keys": list(keys), **_reading(consistent)}}
        found: list[Item] = []
        for _ in range(BATCH_ROUNDS):
            answer = self._client.call("BatchGetItem", {"RequestItems": wanted})
            found += answer["Responses"].get(self._table, [])
            wanted = answer.get("UnprocessedKeys") or {}
            if not wanted:
                return found
        raise StoreError("BatchGetItem", THROTTLED, retryable=True)

    def page(
        self,
        aggregate: str,
        index: Index,
        partition: str,
        *,
        limit: int,
        descending: bool,
        after: Position | None,
        between: Between | None = None,
    ) -> Page:
        """Up to `limit` documents of one index partition; fewer when they are large (1 MB is read at most).

        Those in parts lack lists until `whole` has put them in; a page has no more of them than an answer holds.
        """
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
        if between is not None:
            request["KeyConditionExpression"] += " AND #s BETWEEN :low AND :high"
            request["ExpressionAttributeNames"]["#s"] = names[1]
            bounds = {":low": {"S": between.low}, ":high": {"S": between.high}}
            request["ExpressionAttributeValues"].update(bounds)
        if after is not None:
            request["ExclusiveStartKey"] = _start_key(aggregate, names, partition, after)
        answer = self._client.call("Query", request)
        items: list[Item] = answer["Items"]
        length = wholes.page_length(items[:limit])
        last = items[length - 1] if len(items) > length else answer.get("LastEvaluatedKey")
        documents = (_document(item) for item in items[:length])
        return Page(
            documents=tuple(document for document in documents if document is not None),
            next=None if last is None else _position(aggregate, names[1], last),
        )


def _reading(consistent: bool) -> dict[str, Any]:
    return {"ConsistentRead": True} if consistent else {}


def _key(pk: str) -> Item:
    return {"pk": {"S": pk}, "sk": {"S": DOCUMENT_SK}}


def _document(item: Item, *, whole: bool = False) -> Document | None:
    if item.get("_deleted", {}).get("BOOL"):
        return None
    parked = "_parked" in item
    return Document(
        attributes={name: value for name, value in item.items() if _is_public(name)},
        entity_tag=_entity_tag(item),
        as_of=None if parked else item["_as_of"]["S"],
        parked=parked,
        item=item if PARTS in item and not whole else None,
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
