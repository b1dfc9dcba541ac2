"""Every feature of the mapping language from its text to stored documents: mapping reader, engine, strict store.

Each case gives rows as they change and the documents at the end. All ways of arrival have to lead there, nothing ever
going backward: in order, at once, backward, replayed, shuffled, and by workers that die, sleep and come back.
"""

from __future__ import annotations

import random
from typing import Any

import pytest

from contract.values import from_item
from tests.worker.projection.feature_cases import CASES, Step
from tests.worker.projection.histories import Faults, Log, play, shards_of
from tests.worker.projection.strict_store import StrictStore
from worker.mapping.loader import read_mappings
from worker.projection.engine import project
from worker.projection.operations import TableName
from worker.projection.plan import Plan, make_plan
from worker.records.rows import RowChange, row_key
from worker.records.version import change_version

AS_OF = "2026-01-01T00:00:00Z"
SHUFFLES = 6
TORN = 15


def _plan(mapping: str) -> Plan:
    read, problems = read_mappings({"mapping.yaml": mapping})
    assert read is not None, [str(problem) for problem in problems]
    return make_plan(read)


def _changes(plan: Plan, steps: tuple[Step, ...]) -> list[RowChange]:
    """Absent columns are NULL."""
    found = []
    for position, step in enumerate(steps, start=1):
        table, columns = plan.mapping.tables[step[0]], step[1]
        row = None if len(step) == 3 else {column: columns.get(column) for column in table.columns}
        found.append(RowChange(table.name, row_key(columns, table), change_version(1, position, 1), row))
    return found


def _documents(store: StrictStore) -> dict[str, Any]:
    """Bodies, or why a document is parked."""
    found = {}
    for (table, pk, _), item in store.items.items():
        values = from_item(item)
        if table is TableName.DOCUMENTS and ("_deleted" not in values or "_parked" in values):
            body = {name: value for name, value in values.items() if name[0] != "_" and name not in ("pk", "sk")}
            found[pk.partition("#")[2]] = values.get("_parked", body)
    return found


def _run(plan: Plan, batches: list[list[RowChange]]) -> dict[str, Any]:
    store = StrictStore()
    for batch in batches:
        store.drive(project(plan, batch, AS_OF))
    return _checked(store)


def _checked(store: StrictStore) -> dict[str, Any]:
    assert (store.image_regressions, store.document_regressions) == (0, 0)
    return _documents(store)


def _arrivals(changes: list[RowChange]) -> list[list[list[RowChange]]]:
    """In order, all at once, backward, again from the start, and in any order and any batches."""
    single = [[change] for change in changes]
    found = [single, [changes], single[::-1], single + single]
    for seed in range(SHUFFLES):
        rng = random.Random(seed)
        mixed = [*changes, *rng.sample(changes, len(changes) // 2)]
        rng.shuffle(mixed)
        cuts = sorted(rng.sample(range(len(mixed) + 1), 2))
        found.append([mixed[: cuts[0]], mixed[cuts[0] : cuts[1]], mixed[cuts[1] :]])
    return found


@pytest.mark.parametrize("name", CASES)
def test_a_feature_leads_to_its_documents_in_whatever_order_its_changes_arrive(name: str) -> None:
    case = CASES[name]
    plan = _plan(case.mapping)

    for batches in _arrivals(_changes(plan, case.changes)):
        assert _run(plan, batches) == case.documents


@pytest.mark.parametrize("name", CASES)
def test_a_feature_survives_workers_that_die_sleep_and_come_back(name: str) -> None:
    case = CASES[name]
    plan = _plan(case.mapping)
    log: Log = [(change,) for change in _changes(plan, case.changes)]

    for seed in range(TORN):
        rng = random.Random(seed)
        store = play(rng, shards_of(rng, log), Faults(plan=plan), rng.randint(0, 6), 0.1)
        assert _checked(store) == case.documents, f"seed {seed}"


COPY = """
aggregate: order
source: s.orders
key: id
fields: [id]
one:
  buyer: {source: s.people, key: id, join: buyer_id, lookup: copy, fields: [name]}
"""

ORDER: Step = ("s.orders", {"id": 1, "buyer_id": 5})
MOVED: Step = ("s.orders", {"id": 1, "buyer_id": 6})
FREED: Step = ("s.orders", {"id": 1})
ANN: Step = ("s.people", {"id": 5, "name": "Ann"})
BEA: Step = ("s.people", {"id": 5, "name": "Bea"})
CID: Step = ("s.people", {"id": 6, "name": "Cid"})
GONE: Step = ("s.people", {"id": 5}, "gone")


@pytest.mark.parametrize(
    ("steps", "shown"),
    [
        ((ORDER,), None),
        ((ORDER, ANN, BEA), "Ann"),
        ((ANN, BEA, ORDER), "Bea"),
        ((ANN, ORDER, GONE), "Ann"),
        ((ANN, ORDER, CID, MOVED), "Cid"),
        ((ANN, ORDER, MOVED), None),
        ((ANN, ORDER, BEA, MOVED, ORDER), "Bea"),
        ((ANN, ORDER, FREED), None),
    ],
)
def test_a_copied_lookup_keeps_what_it_showed_first(steps: tuple[Step, ...], shown: str | None) -> None:
    """Until the order points elsewhere; whichever of the two rows came first."""
    plan = _plan(COPY)
    buyer = _run(plan, [[change] for change in _changes(plan, steps)])["1"]["buyer"]

    assert buyer == (shown and {"name": shown})


TAKEN: dict[str, tuple[tuple[Step, ...], set[str | None]]] = {
    "whichever came first": ((ANN, ORDER, BEA), {"Ann", "Bea"}),
    "the only one": ((CID, ORDER, ANN), {"Ann"}),
    "of the row pointed at last": ((ORDER, ANN, BEA, CID, MOVED), {"Cid"}),
    "of a row pointed at again": ((ORDER, ANN, CID, MOVED, BEA, ORDER), {"Ann", "Bea"}),
    "none of a NULL": ((ORDER, ANN, FREED), {None}),
    "of a row that is gone, if it was seen": ((ANN, ORDER, GONE), {"Ann", None}),
}


@pytest.mark.parametrize("name", TAKEN)
def test_a_copy_is_one_that_the_row_had_whatever_happens_to_the_workers(name: str) -> None:
    """It depends on the order of arrival which one, never whether there is one."""
    steps, names = TAKEN[name]
    plan = _plan(COPY)
    log: Log = [(change,) for change in _changes(plan, steps)]

    for seed in range(TORN):
        rng = random.Random(seed)
        store = play(rng, shards_of(rng, log), Faults(plan=plan), rng.randint(0, 6), 0.1)
        shown = _checked(store)["1"]["buyer"]
        assert (shown and shown["name"]) in names, f"seed {seed}"
