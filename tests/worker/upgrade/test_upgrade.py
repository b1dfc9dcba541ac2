"""What older versions have stored is read, healed and carried on by this one.

The items were written by those versions' own engines (write_items.py), and end in the middle of a batch. This version
gets that batch again, as a stream gives it after a checkpoint that was not made, and then more; in the end its store
must show what one shows that this version has written alone.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest

from contract.keys import DOCUMENT_SK
from contract.values import Item, from_item
from tests.worker.upgrade.scenario import AFTER, AS_OF, BEFORE, LAST, MAPPINGS, OWNER, REFERRERS, Change
from worker.mapping.loader import read_mappings
from worker.projection.due import Dues, list_due, next_due, work_off
from worker.projection.engine import project, rebuild_roots
from worker.projection.operations import TableName
from worker.projection.plan import Plan, make_plan
from worker.projection.referrers import limits
from worker.records.rows import RowChange
from worker.records.version import change_version
from worker.store.memory import MemoryStore

FIXTURES: Final = sorted(Path(__file__).parent.glob("items-*.json"))
EVERY: Final = pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.stem.removeprefix("items-"))


def plan() -> Plan:
    mapping, problems = read_mappings(MAPPINGS)
    assert mapping is not None, problems
    return make_plan(mapping)


def stored_by(path: Path) -> MemoryStore:
    store = MemoryStore()
    for entry in json.loads(path.read_text("utf-8")):
        item: Item = entry["item"]
        store.items[TableName(entry["table"]), item["pk"]["S"], item["sk"]["S"]] = item
    return store


class Worker:
    """This version, on a store."""

    def __init__(self, store: MemoryStore) -> None:
        self.store, self.plan = store, plan()
        self.dues = Dues(OWNER, iter(map(str, range(1_000_000, 2_000_000))).__next__, limits(REFERRERS))

    def take(self, batch: list[Change]) -> None:
        changes = [
            RowChange(table, key, change_version(1, position, 1), row, missing)
            for table, key, position, row, missing in batch
        ]
        self.store.drive(project(self.plan, changes, AS_OF, self.dues))

    def finish_due(self) -> None:
        for _ in range(1000):
            sort_keys = self.store.drive(next_due(OWNER, ""))
            if not sort_keys:
                return
            self.store.drive(work_off(self.plan, self.dues, sort_keys))
        raise AssertionError("what is due does not end")

    def rebuild(self) -> Any:
        roots = [
            (aggregate, pk.partition("#")[2])
            for aggregate in self.plan.mapping.aggregates
            for pk in self.documents_of(aggregate.name)
        ]
        return self.store.drive(rebuild_roots(self.plan, roots, AS_OF))

    def documents_of(self, aggregate: str) -> list[str]:
        documents = [pk for table, pk, sk in self.store.items if table is TableName.DOCUMENTS and sk == DOCUMENT_SK]
        return [pk for pk in documents if pk.startswith(f"{aggregate}#")]


def shown(store: MemoryStore) -> dict[str, Any]:
    """What readers get: every document's attributes, whether it is flagged; of deleted ones nothing."""
    found = {}
    for (table, pk, sk), item in store.items.items():
        if table is not TableName.DOCUMENTS or sk != DOCUMENT_SK or "_deleted" in item or pk.startswith(("#", "~")):
            continue
        attributes = {n: v for n, v in item.items() if not n.startswith("_") or n.startswith("_i")}
        found[pk] = from_item(attributes), "_parked" in item
    return found


def ours(*parts: list[list[Change]]) -> dict[str, Any]:
    """The same history by this version alone."""
    worker = Worker(MemoryStore())
    for batches in parts:
        for batch in batches:
            worker.take(batch)
    worker.finish_due()
    return shown(worker.store)


def versions(store: MemoryStore) -> dict[Any, str]:
    return {address: item["v"]["S"] for address, item in store.items.items() if "v" in item}


@EVERY
def test_the_fixture_holds_what_an_upgrade_can_meet(path: Path) -> None:
    store = stored_by(path)
    items = list(store.items.values())
    assert any("_parked" in item for item in items)
    assert any("_deleted" in item for item in items)
    assert any(item.get("lag", {"S": ""})["S"] for item in items)
    assert any(item.get("former", {"S": "[]"})["S"] != "[]" for item in items), "it ended in the middle of a batch"
    assert any(item.get("copied", {"S": ""})["S"] for item in items)
    assert any(item.get("row") == {"S": ""} for item in items), "tombstones"
    assert shown(store) != ours(BEFORE, [LAST])


@EVERY
def test_what_was_cut_off_is_finished(path: Path) -> None:
    worker = Worker(stored_by(path))
    worker.take(LAST)
    worker.finish_due()
    assert shown(worker.store) == ours(BEFORE, [LAST])
    assert worker.store.drive(list_due()) == ()


@EVERY
def test_it_goes_on_with_what_comes_then(path: Path) -> None:
    worker = Worker(stored_by(path))
    before = versions(worker.store)
    for batch in [LAST, *AFTER]:
        worker.take(batch)
    worker.finish_due()
    assert shown(worker.store) == ours(BEFORE, [LAST], AFTER)
    after = versions(worker.store)
    assert all(after.get(address, version) >= version for address, version in before.items())


@EVERY
def test_everything_read_again_from_the_start_changes_nothing(path: Path) -> None:
    """A replay from the beginning of the stream, by the new version, over the old one's items."""
    worker = Worker(stored_by(path))
    for batch in [*BEFORE, LAST, *AFTER, *BEFORE, LAST, *AFTER]:
        worker.take(batch)
    worker.finish_due()
    assert shown(worker.store) == ours(BEFORE, [LAST], AFTER)


@EVERY
def test_a_rebuild_heals_without_any_record(path: Path) -> None:
    """Every document equals what the rows say, also of the batch that was cut off."""
    worker = Worker(stored_by(path))
    worker.rebuild()
    healed = shown(worker.store)
    again = worker.rebuild()
    assert again.documents_written == 0
    assert shown(worker.store) == healed
    worker.take(LAST)
    worker.finish_due()
    assert shown(worker.store) == ours(BEFORE, [LAST])


@pytest.mark.parametrize("attribute", ["former", "cov", "lag", "copied"])
def test_an_attribute_of_images_that_is_lost_on_the_way_is_noticed(attribute: str) -> None:
    """The fixture and the comparison see each of them: without it some document differs, or the batch fails."""
    store = stored_by(FIXTURES[0])
    for address, item in store.items.items():
        if attribute in item:
            store.items[address] = {name: value for name, value in item.items() if name != attribute}
    worker = Worker(store)
    try:
        for batch in [LAST, *AFTER]:
            worker.take(batch)
        worker.finish_due()
    except KeyError:
        return
    assert shown(worker.store) != ours(BEFORE, [LAST], AFTER)
