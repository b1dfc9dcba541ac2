"""Random histories: the real engine on the strict store, torn between any two operations, against a direct join.

A seed fixes everything: source transactions, shards, batches, reordered and duplicated records, kills, zombies that
sleep between two operations, rewinds, replies that are lost after the write was done.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, TypeVar

from contract.keys import DOCUMENT_SK
from contract.mapping import Aggregate, Field, Filter, Kind, Mapping, Node
from contract.parts import PARTS
from contract.values import Item, from_item
from tests.worker.projection.strict_store import StrictStore
from worker.projection import due, engine
from worker.projection.habit import Habit
from worker.projection.operations import WRITES, Steps, TableName
from worker.projection.overflow_parts import read_document
from worker.projection.plan import Plan, make_plan
from worker.projection.referrers import Limits
from worker.records.rows import Row, RowChange
from worker.records.version import change_version

Log = list[tuple[RowChange, ...]]
"""Records in their order; one record may hold two row changes (a changed key)."""
SourceRow = dict[str, Any]
Outcome = TypeVar("Outcome")

# table -> {foreign key column: table it points to}
FOREIGN_KEYS: dict[str, dict[str, str]] = {
    "customer": {"referrer": "customer"},
    "product": {},
    "tag": {},
    "order": {"buyer": "customer", "receiver": "customer"},
    "line": {"order": "order", "product": "product"},
    "option": {"line": "line"},
    "order_tag": {"order": "order", "tag": "tag"},
}

# tables with a large column, which an update leaves out where it stays the same
LARGE = ("customer", "product", "order")
LARGE_VALUES = ("a" * 40, "b" * 40)


def _node(name: str, kind: Kind, table: str, join: str = "", only: int | None = None, *children: Node) -> Node:
    return Node(
        name=name,
        kind=kind,
        table=table,
        key=("id",),
        join=(join,) if join else (),
        fields=(Field("val", "val"), Field("id", "id"), *([Field("big", "big")] if table in LARGE else [])),
        children=children,
        where=() if only is None else (Filter("val", (only,)),),
    )


def _mapping() -> Mapping:
    one, many = Kind.ONE, Kind.MANY
    order = _node(
        "order", Kind.ROOT, "order", "", 1,
        _node("buyer", one, "customer", "buyer", None, _node("referrer", one, "customer", "referrer")),
        _node("receiver", one, "customer", "receiver"),
        _node("lines", many, "line", "order", None,
              _node("product", one, "product", "product"), _node("options", many, "option", "line", 1)),
        _node("tags", many, "order_tag", "order", None, _node("tag", one, "tag", "tag")),
    )  # fmt: skip
    customer = _node(
        "customer", Kind.ROOT, "customer", "", None,
        _node("referrer", one, "customer", "referrer"),
        _node("referred", many, "customer", "referrer"),
        _node("bought", many, "order", "buyer"),
        _node("received", many, "order", "receiver", 1),
    )  # fmt: skip
    return Mapping((Aggregate("order", "orders", order), Aggregate("customer", "customers", customer)))


PLAN = make_plan(_mapping())
AS_OF = "2026-01-01T00:00:00.000000Z"


@dataclass
class Result:
    """What one history led to."""

    differences: int
    image_regressions: int
    document_regressions: int
    skipped: int = 0
    unchanged: int = 0


@dataclass
class Faults:
    """Which faults a history has; `early` is the planted defect of a checkpoint before the writes.

    `limits`: what workers may follow at once, each by one of them; without any, they follow everything. `late`: what a
    batch should have stored as due, put after its checkpoint. `settles`: it is known up to
    where a shard is settled; `settles_early`: the planted defect that this is said before it is true.
    """

    focus: tuple[str, ...] = ()
    early: bool = False
    settles: bool = False
    settles_early: bool = False
    plan: Plan = field(default_factory=lambda: PLAN)
    habit: Callable[[], Habit] = Habit
    limits: tuple[Limits, ...] = ()
    late: list[Any] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def dues(self, rng: random.Random, shard: int) -> due.Dues | None:
        """What a worker of the shard has."""
        if not self.limits:
            return None
        return due.Dues(f"shard{shard}", lambda: str(next(self.numbers)), rng.choice(self.limits))


def _change(
    table: str,
    key: str,
    row: SourceRow | None,
    version: int,
    missing: tuple[str, ...] = (),
    moved_from: str | None = None,
    moved_to: str | None = None,
    *,
    new: bool = False,
) -> RowChange:
    kept: Row | None = None if row is None else {n: v for n, v in {**row, "id": key}.items() if n not in missing}
    return RowChange(table, key, change_version(1, version, 1), kept, missing, moved_from, moved_to, new=new)


def source_history(
    rng: random.Random, steps: int, keys: int, tables: tuple[str, ...]
) -> tuple[dict[tuple[str, str], SourceRow], Log]:
    """Committed changes and the rows at the end; few keys and values, so that rows toggle and move back often."""
    live: dict[tuple[str, str], SourceRow] = {}
    log: Log = []
    version = 0

    def name(table: str) -> str:
        return f"{table}{rng.randrange(keys)}"

    for _ in range(steps):
        table = rng.choice(tables)
        key = name(table)
        version += 1
        if (table, key) in live and rng.random() < 0.2:
            del live[table, key]
            log.append((_change(table, key, None, version),))
            continue
        row: SourceRow = {
            column: rng.choice([None, *(f"{parent}{i}" for i in range(keys))])
            for column, parent in FOREIGN_KEYS[table].items()
        }
        row["val"] = rng.randint(0, 1)
        if table in LARGE:
            row["big"] = rng.choice(LARGE_VALUES)
        before = live.get((table, key))
        same = before is not None and before.get("big", "") == row.get("big") and rng.random() < 0.8
        live[table, key] = row
        log.append((_change(table, key, row, version, ("big",) if same else (), new=before is None),))
        moved = name(table)
        if rng.random() < 0.08 and (table, moved) not in live:
            version += 1  # key change: both halves have one version
            del live[table, key]
            live[table, moved] = row
            if table in LARGE and rng.random() < 0.5:
                put = _change(table, moved, row, version, ("big",), moved_from=key, new=True)
                log.append((put, _change(table, key, None, version, ("big",), moved_to=moved)))
            else:  # as two records, which may come by two shards
                log += [(_change(table, moved, row, version, new=True),), (_change(table, key, None, version),)]
    return live, log


def expected(live: dict[tuple[str, str], SourceRow]) -> dict[tuple[str, str], Any]:
    """The documents as a direct join of the source's rows gives them; shares no code with the engine."""

    def rows(table: str, column: str, key: str) -> list[str]:
        return sorted(k for (t, k), row in live.items() if t == table and row[column] == key)

    def plain(table: str, key: str | None, only: int | None = None) -> dict[str, Any] | None:
        row = live.get((table, key)) if key else None
        if row is None or (only is not None and row["val"] != only):
            return None
        large = {"big": row["big"]} if table in LARGE else {}
        return {"val": row["val"], "id": key, **large}

    def customer(key: str | None) -> dict[str, Any] | None:
        found = plain("customer", key)
        return found and {**found, "referrer": plain("customer", live["customer", found["id"]]["referrer"])}

    def line(key: str) -> dict[str, Any]:
        options = [plain("option", k, 1) for k in rows("option", "line", key)]
        return {
            "val": live["line", key]["val"],
            "id": key,
            "product": plain("product", live["line", key]["product"]),
            "options": [option for option in options if option],
        }

    documents: dict[tuple[str, str], Any] = {}
    for table, key in live:
        row = live[table, key]
        if table == "order" and row["val"] == 1:
            tags = rows("order_tag", "order", key)
            documents["order", key] = {
                "val": 1,
                "id": key,
                "big": row["big"],
                "buyer": customer(row["buyer"]),
                "receiver": plain("customer", row["receiver"]),
                "lines": [line(k) for k in rows("line", "order", key)],
                "tags": [
                    {"val": live["order_tag", k]["val"], "id": k, "tag": plain("tag", live["order_tag", k]["tag"])}
                    for k in tags
                ],
            }
        if table == "customer":
            received = [plain("order", k, 1) for k in rows("order", "receiver", key)]
            documents["customer", key] = {
                **(customer(key) or {}),
                "referred": [plain("customer", k) for k in rows("customer", "referrer", key)],
                "bought": [plain("order", k) for k in rows("order", "buyer", key)],
                "received": [order for order in received if order],
            }
    return documents


def stored_documents(store: StrictStore) -> dict[tuple[str, str], Any]:
    """The documents readers would get."""
    found: dict[tuple[str, str], Any] = {}
    for (table, pk, sk), item in store.items.items():
        if table is TableName.DOCUMENTS and sk == DOCUMENT_SK and "_deleted" not in item:
            aggregate, key = pk.split("#", 1)
            values = from_item(_whole(store, item))
            found[aggregate, key] = {n: v for n, v in values.items() if not n.startswith("_") and n not in ("pk", "sk")}
    return found


def _whole(store: StrictStore, item: Item) -> Item:
    found: Item | None = item
    if PARTS in item:
        found = store.drive(read_document(item["pk"]["S"]))
    return found or {}


def differences(store: StrictStore, wanted: dict[tuple[str, str], Any], logs: list[Log]) -> int:
    """How many documents are not the wanted ones.

    One that waits, and says so, counts unless a key that was left without its large column was taken again and the
    records did not come in their order: the column may then be gone with the old key's image.
    """
    stored, waiting = stored_documents(store), set()
    if not in_order(logs) and _takes_a_left_key([record for log in logs for record in log]):
        documents = ((pk, item) for (table, pk, _), item in store.items.items() if table is TableName.DOCUMENTS)
        waiting = {tuple(pk.split("#", 1)) for pk, item in documents if "_parked" in item}
    return sum(stored.get(key) != wanted.get(key) for key in {*stored, *wanted} - waiting)


def in_order(logs: list[Log]) -> bool:
    """Whether every record comes after all that were committed before it."""
    versions = [record[0].version for record in logs[0]]
    return len(logs) == 1 and versions == sorted(versions)


def _takes_a_left_key(log: Log) -> bool:
    changes = [change for record in log for change in record]
    left = {(change.table, change.key, change.version) for change in changes if change.moved_to}
    taken = ((change.table, change.key, change.version) for change in changes if change.row is not None)
    return any((table, key) == other[:2] and version > other[2] for table, key, version in taken for other in left)


def worker(
    store: StrictStore, log: Log, start: int, progress: list[int], shard: int, rng: random.Random, faults: Faults
) -> Iterator[None]:
    """One child at work; each `next` lets it do one operation. Batches fall differently at every run."""
    at, habit, dues, last = start, faults.habit(), faults.dues(rng, shard), ""
    habit.looks_for_new = rng.random() < 0.5  # what a process has learned may be wrong for what comes
    while at < len(log):
        size = min(rng.choice([1, 1, 2, 4, 8]), len(log) - at)
        if faults.early:
            progress[shard] = max(progress[shard], at + size)
        changes = [change for record in log[at : at + size] for change in record]
        settled = faults.settles and at + size <= store.settled.get(shard, 0)
        if faults.settles_early:
            store.settled[shard] = max(store.settled.get(shard, 0), at + size)
        yield from _torn(store, engine.project(faults.plan, changes, AS_OF, dues, habit, settled=settled), rng)
        at += size
        yield
        progress[shard] = max(progress[shard], at)
        store.settled[shard] = max(store.settled.get(shard, 0), at)
        while faults.late:
            yield from _torn(store, faults.late.pop(), rng)
        if dues and rng.random() < 0.5:
            last = yield from _work_off(store, faults.plan, dues, last, rng)
    while dues and (yield from _torn(store, due.list_due(dues.owner), rng)):
        last = yield from _work_off(store, faults.plan, dues, last, rng)


def _work_off(
    store: StrictStore, plan: Plan, dues: due.Dues, last: str, rng: random.Random
) -> Generator[None, None, str]:
    """A slice, mostly of the worker's own."""
    wanted = due.next_due(dues.owner, last) if rng.random() < 0.9 else due.list_due()
    sort_keys = yield from _torn(store, wanted, rng)
    done = yield from _torn(store, due.work_off(plan, dues, sort_keys), rng)
    return done.last if due.is_owned_by(dues.owner, done.last) else last


def _torn(store: StrictStore, steps: Steps[Outcome], rng: random.Random) -> Generator[None, None, Outcome]:
    """Runs steps; each `next` lets it do one operation."""
    replies: list[Any] | None = None
    while True:
        try:
            group = steps.send(replies) if replies is not None else next(steps)
        except StopIteration as end:
            result: Outcome = end.value
            return result
        store.check_group(group)
        replies = [None] * len(group)
        for index in rng.sample(range(len(group)), len(group)):
            yield
            replies[index] = store.apply(group[index])
            if isinstance(group[index], WRITES) and rng.random() < 0.03:  # the reply was lost: sent again
                yield
                replies[index] = store.apply(group[index])


def finish(store: StrictStore, plan: Plan, dues: due.Dues) -> None:
    """Work off whatever a worker that came late has left, as another shard's worker would."""
    for _ in range(10_000):
        if not (sort_keys := store.drive(due.list_due())):
            return
        store.drive(due.work_off(plan, dues, sort_keys))
    raise AssertionError("what is due never ends")


def shards_of(rng: random.Random, log: Log) -> list[Log]:
    """The stream's shards; a row's load and changes may come by two of them, neighbours may be swapped or repeated."""
    shards: list[Log] = [[] for _ in range(rng.randint(1, 4))]
    two_shards, seen = rng.random() < 0.3, set()
    for record in log:
        row = (record[0].table, record[0].key)
        at = (sum(map(ord, "".join(row))) + (two_shards and row not in seen)) % len(shards)
        shards[at].append(record)
        seen.add(row)
    if rng.random() < 0.3:
        for shard in shards:
            for i in range(len(shard) - 1):
                if rng.random() < 0.1:
                    shard[i], shard[i + 1] = shard[i + 1], shard[i]
    if rng.random() < 0.2:
        shards = [[r for record in shard for r in [record] * (2 if rng.random() < 0.2 else 1)] for shard in shards]
    return shards


def play(rng: random.Random, logs: list[Log], faults: Faults, left: int, often: float) -> StrictStore:
    """What the shards' workers lead to, torn between any two operations, with so many faults."""
    store = StrictStore()
    progress = [0] * len(logs)
    running: list[tuple[int, Iterator[None], float]] = [
        (shard, worker(store, logs[shard], 0, progress, shard, rng, faults), 1.0) for shard in range(len(logs))
    ]
    while running:
        if left and rng.random() < often:
            left -= 1
            running = _fault(rng, running, store, logs, progress, faults)
        entry = rng.choices(running, [weight for _, _, weight in running])[0]
        for _ in range(rng.choice([1, 1, 1, 2, 5, 20])):
            if next(entry[1], "ended") == "ended":
                running.remove(entry)
                break
    if dues := faults.dues(rng, len(logs)):
        finish(store, faults.plan, dues)
    return store


def run(seed: int, faults: Faults) -> Result:
    """One history to its end."""
    rng = random.Random(seed)
    focus = faults.focus
    keys = rng.choice([1, 2]) if focus else rng.choice([1, 2, 2, 3])
    steps = rng.randint(3, 16) if focus else rng.randint(6, 60)
    live, log = source_history(rng, steps, keys, focus or tuple(FOREIGN_KEYS))
    logs = shards_of(rng, log)
    left, often = (rng.randint(1, 6), 0.15) if focus else (rng.randint(0, 10), 0.05)
    store = play(rng, logs, faults, left, often)
    wrong = differences(store, _decimals(expected(live)), logs)
    return Result(wrong, store.image_regressions, store.document_regressions)


def _fault(
    rng: random.Random,
    running: list[tuple[int, Iterator[None], float]],
    store: StrictStore,
    logs: list[Log],
    progress: list[int],
    faults: Faults,
) -> list[tuple[int, Iterator[None], float]]:
    shard = rng.randrange(len(logs))
    kind = rng.choice(["kill", "zombie", "zombie", "rewind"])
    if kind == "kill":
        running = [entry for entry in running if entry[0] != shard]
    else:  # the old owner goes on as a zombie and may sleep long between two operations
        running = [(s, steps, rng.choice([1.0, 0.1, 0.01]) if s == shard else weight) for s, steps, weight in running]
    start = max(0, progress[shard] - rng.randint(0, 6)) if kind == "rewind" else progress[shard]
    return [*running, (shard, worker(store, logs[shard], start, progress, shard, rng, faults), 1.0)]


def _decimals(value: Any) -> Any:
    return Decimal(value) if isinstance(value, float) else value


def search(seeds: range, faults: Faults) -> tuple[list[int], int]:
    """The seeds that end with a wrong document, and how often anything went backward."""
    wrong, backward = [], 0
    for seed in seeds:
        result = run(seed, faults)
        backward += result.image_regressions + result.document_regressions
        if result.differences:
            wrong.append(seed)
    return wrong, backward
