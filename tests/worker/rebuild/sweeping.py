"""A reload that lacks rows, and the sweep after it, on the store in memory: torn wherever wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeVar, cast

from contract.keys import DOCUMENT_SK, ROW_SK
from contract.values import Item, from_item
from tests.worker.projection.strict_store import StrictStore
from worker.mapping.loader import read_mappings
from worker.pace import Pace
from worker.projection.engine import project
from worker.projection.flat_documents import holds_row
from worker.projection.image import Image, read_image
from worker.projection.operations import Steps, TableName
from worker.projection.plan import Plan, make_plan
from worker.rebuild.scan import DocumentPage, DocumentScan, Page, RowScan
from worker.rebuild.sweep import Holders, Swept, sweep
from worker.records.rows import Row, RowChange, RowId
from worker.records.version import change_version, load_version
from worker.store.dynamodb import DynamoStore

AS_OF: Final = "2026-01-01T00:00:00Z"
PAGE: Final = 4

MAPPING: Final = """
aggregate: order
source: shop.orders
key: id
fields: [id, note]
one:
  customer: {source: shop.customers, key: id, join: customer_id, fields: [name]}
many:
  lines: {source: shop.lines, key: id, join: order_id, fields: [id]}
"""

BEFORE: Final[dict[RowId, Row]] = {
    ("shop.customers", "1"): {"id": 1, "name": "Ada"},
    ("shop.customers", "2"): {"id": 2, "name": "Ben"},
    ("shop.orders", "1"): {"id": 1, "note": "a", "customer_id": 1},
    ("shop.orders", "2"): {"id": 2, "note": "b", "customer_id": 2},
    ("shop.orders", "3"): {"id": 3, "note": "c", "customer_id": 2},
    ("shop.lines", "1"): {"id": 1, "order_id": 1},
    ("shop.lines", "2"): {"id": 2, "order_id": 1},
    ("shop.lines", "3"): {"id": 3, "order_id": 2},
}
GONE: Final[frozenset[RowId]] = frozenset({("shop.customers", "2"), ("shop.orders", "3"), ("shop.lines", "2")})
"""A looked-up row, a root and an element: what the source lost behind the log's back."""

TABLES: Final = frozenset({"shop.customers", "shop.orders", "shop.lines"})

RIGHT: Final = {
    "order#1": {"id": 1, "note": "a", "customer": {"name": "Ada"}, "lines": [{"id": 1}]},
    "order#2": {"id": 2, "note": "b", "customer": None, "lines": [{"id": 3}]},
}

Result = TypeVar("Result")


def plan(text: str = MAPPING) -> Plan:
    """The plan of a mapping."""
    mapping, problems = read_mappings({"order.yaml": text})
    assert mapping is not None, problems
    return make_plan(mapping)


PLAN: Final = plan()


class Killed(Exception):
    """The sweep's process is gone."""


class Torn:
    """A store that dies before an operation."""

    def __init__(self, store: StrictStore, operations: int) -> None:
        """After so many operations."""
        self._store = store
        self.left = operations

    def drive(self, steps: Steps[Result]) -> Result:
        """Operations of a group one by one, so that it can be torn between any two."""
        try:
            group = next(steps)
            while True:
                self._store.check_group(group)
                replies: list[Any] = []
                for operation in group:
                    if self.left == 0:
                        raise Killed
                    self.left -= 1
                    replies.append(self._store.apply(operation))
                group = steps.send(replies)
        except StopIteration as end:
            result: Result = end.value
            return result


@dataclass(frozen=True)
class Scan:
    """Pages of the images in a store as they are when the page is read; `shows` hides images, for planted defects."""

    store: StrictStore
    shows: Callable[[Image], bool] = lambda _: True

    def pages(self, wanted: Callable[[str], bool], after: Item | None = None) -> Iterator[Page]:
        """As RowScan."""
        del after
        keys = sorted(pk for table, pk, sk in self.store.items if table is TableName.ROWS and sk == ROW_SK)
        for at in range(0, len(keys), PAGE):
            images: dict[RowId, Image] = {}
            for pk in keys[at : at + PAGE]:
                table, _, key = pk.partition("#")
                image = read_image(self.store.items[TableName.ROWS, pk, ROW_SK]) if table and wanted(table) else None
                if image is not None and self.shows(image):
                    images[table, key] = image
            yield Page(images, len(images), None)


@dataclass(frozen=True)
class Held:
    """As DocumentScan, of the documents in a store."""

    store: StrictStore

    def pages(self, wanted: Callable[[str], bool], after: Item | None = None) -> Iterator[DocumentPage]:
        """In pages, as they are when a page is read."""
        del after
        keys = sorted(pk for table, pk, _ in self.store.items if table is TableName.DOCUMENTS)
        for at in range(0, len(keys), PAGE):
            items: dict[tuple[str, str], Item] = {}
            for pk in keys[at : at + PAGE]:
                aggregate, _, key = pk.partition("#")
                item = self.store.items[TableName.DOCUMENTS, pk, DOCUMENT_SK]
                if wanted(aggregate) and holds_row(item):
                    items[aggregate, key] = item
            yield DocumentPage(items, len(items), None)


def holders(plan: Plan, store: StrictStore) -> Holders:
    """The rows that a store's documents hold."""
    return Holders(plan, cast("DocumentScan", Held(store)))


def changed(rows: dict[RowId, Row], version: str) -> list[RowChange]:
    """The rows at a version."""
    return [RowChange(*row_id, version, row) for row_id, row in rows.items()]


def reloaded(gone: frozenset[RowId] = GONE) -> StrictStore:
    """A store whose rows came by changes of incarnation 1, then by a load of incarnation 2 that lacks some."""
    store = StrictStore()
    store.drive(project(PLAN, changed(BEFORE, change_version(1, 100, 1)), AS_OF))
    kept = {row_id: row for row_id, row in BEFORE.items() if row_id not in gone}
    store.drive(project(PLAN, changed(kept, load_version(2, 1_000)), AS_OF))
    return store


def swept(
    store: StrictStore, scan: Scan | None = None, operations: int = -1, tables: frozenset[str] = TABLES, **more: Any
) -> Swept:
    """Sweep the store; Killed after so many operations."""
    driver = cast("DynamoStore", Torn(store, operations))
    pages = cast("RowScan", scan or Scan(store))
    return sweep(PLAN, driver, pages, tables, 2, Pace(), lambda _: None, holders(PLAN, store), **more)


def documents(store: StrictStore) -> dict[str, Any]:
    """What readers get."""
    found = {}
    for (table, pk, _), item in store.items.items():
        if table is TableName.DOCUMENTS and "_deleted" not in item:
            values = from_item(item)
            found[pk] = {name: value for name, value in values.items() if name[0] != "_" and name not in ("pk", "sk")}
    return found
