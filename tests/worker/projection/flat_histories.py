"""Random histories of one table whose documents hold their rows: the machinery of `histories`, a source of its own.

Complete and partial updates, deletes, keys that are taken again, changed keys, values that do not fit, an index that
some documents are not in. Workers look before they write, or never, or as they learn.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

from contract.keys import index_partition
from contract.mapping import Aggregate, Field, FieldType, Index, Kind, Mapping, Node
from tests.worker.projection.histories import Faults, Log, differences, play, shards_of
from tests.worker.projection.strict_store import StrictStore
from worker.projection.habit import Habit
from worker.projection.operations import TableName
from worker.projection.plan import Plan, make_plan
from worker.records.rows import RowChange
from worker.records.version import change_version

TABLE = "shop.users"
LARGE_VALUES = ("a" * 40, "b" * 40)
MISFIT = "no number"


def mapping(generation: int = 1, *renamed: Field) -> Mapping:
    """One table without relations; `renamed` fields are shown instead of those with the same column."""
    fields = [
        Field("id", "id"),
        Field("val", "val", FieldType.INTEGER),
        Field("team", "team"),
        Field("big", "big"),
    ]
    by_column = {entry.column: entry for entry in renamed}
    shown = tuple(by_column.get(entry.column, entry) for entry in fields)
    root = Node("user", Kind.ROOT, TABLE, ("id",), fields=shown)
    team = next(entry.name for entry in shown if entry.column == "team")
    return Mapping((Aggregate("user", "users", root, (Index("by_team", 1, team),), generation),))


PLAN = make_plan(mapping())


@dataclass
class Bold(Habit):
    """Never looks first, whatever it meets."""

    def __setattr__(self, name: str, value: Any) -> None:
        """What is learned is forgotten."""
        super().__setattr__(name, False if name == "looks" else value)


@dataclass
class Careful(Habit):
    """Always looks first."""

    def __setattr__(self, name: str, value: Any) -> None:
        """What is learned is forgotten."""
        super().__setattr__(name, True if name == "looks" else value)


@dataclass
class Result:
    """What one history led to; `flat`: documents that still hold their row at its end."""

    differences: int
    image_regressions: int
    document_regressions: int
    flat: int
    store: StrictStore = field(repr=False)


def change(
    key: str,
    row: dict[str, Any] | None,
    version: int,
    missing: tuple[str, ...] = (),
    *,
    new: bool = False,
    **moved: Any,
) -> RowChange:
    """A row change as decoding makes it; the key is a column."""
    kept = None if row is None else {name: value for name, value in {**row, "id": key}.items() if name not in missing}
    return RowChange(TABLE, key, change_version(1, version, 1), kept, missing, new=new, **moved)


def source_history(rng: random.Random, steps: int, keys: int, partial: float) -> tuple[dict[str, dict[str, Any]], Log]:
    """Committed changes and the rows at the end; updates leave the large column out as often as `partial` says."""
    live: dict[str, dict[str, Any]] = {}
    log: Log = []
    for version in range(1, steps + 1):
        key = f"u{rng.randrange(keys)}"
        before = live.get(key)
        if before is not None and rng.random() < 0.2:
            del live[key]
            log.append((change(key, None, version),))
            continue
        value = MISFIT if rng.random() < 0.1 else rng.randint(0, 1)
        row = {"val": value, "team": rng.choice([None, "a", "b"]), "big": rng.choice(LARGE_VALUES)}
        moved = f"u{rng.randrange(keys)}"
        if before is not None and moved not in live and rng.random() < 0.3:
            del live[key]
            live[moved] = row
            if row["big"] == before["big"] and rng.random() < partial:
                put = change(moved, row, version, ("big",), new=True, moved_from=key)
                log.append((put, change(key, None, version, ("big",), moved_to=moved)))
            else:
                log += [(change(moved, row, version, new=True),), (change(key, None, version),)]
            continue
        same = before is not None and before["big"] == row["big"] and rng.random() < partial
        live[key] = row
        log.append((change(key, row, version, ("big",) if same else (), new=before is None),))
    return live, log


def wrong_documents(store: StrictStore, live: dict[str, dict[str, Any]], logs: list[Log]) -> int:
    """Documents that are not the row, index attributes that are not theirs; a misfit must be parked."""
    items = {pk: item for (table, pk, _), item in store.items.items() if table is TableName.DOCUMENTS}
    misfits = {f"user#{key}" for key, row in live.items() if row["val"] == MISFIT}
    wrong = sum("_parked" not in items.get(pk, {}) for pk in misfits)
    rest = StrictStore()
    rest.items = {a: item for a, item in store.items.items() if a[1] not in misfits}
    wanted = {("user", key): {**row, "id": key} for key, row in live.items() if f"user#{key}" not in misfits}
    wrong += differences(rest, wanted, logs)
    for (_, key), body in wanted.items():
        item = items.get(f"user#{key}", {})
        partition = None if body["team"] is None else {"S": index_partition("user", "by_team", body["team"])}
        wrong += "_parked" not in item and (item.get("_i1p") != partition or "_i0p" in item)
    for item in items.values():  # nothing is left of a deleted row
        wrong += (
            "_deleted" in item
            and "_parked" not in item
            and any(not name.startswith("_") for name in {*item} - {"pk", "sk"})
        )
    return wrong


def run(seed: int, habit: type[Habit] = Habit, partial: float = 0.3, plan: Plan = PLAN) -> Result:
    """One history to its end."""
    rng = random.Random(seed)
    keys, steps = rng.choice([1, 2, 2, 3]), rng.randint(3, 40)
    live, log = source_history(rng, steps, keys, partial)
    logs = shards_of(rng, log)
    store = play(rng, logs, Faults(plan=plan, habit=habit), rng.randint(0, 8), 0.1)
    flat = sum("_v" in item for item in store.items.values())
    return Result(wrong_documents(store, live, logs), store.image_regressions, store.document_regressions, flat, store)


def search(seeds: range, habit: type[Habit] = Habit, partial: float = 0.3, plan: Plan = PLAN) -> tuple[list[int], int]:
    """The seeds that end with a wrong document, and how often anything went backward."""
    wrong, backward = [], 0
    for seed in seeds:
        result = run(seed, habit, partial, plan)
        backward += result.image_regressions + result.document_regressions
        if result.differences:
            wrong.append(seed)
    return wrong, backward
