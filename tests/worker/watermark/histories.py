"""Histories of a source that is loaded and changes, a stream whose shards split, workers that die or sleep, and readers
that look between any two operations: every mark is compared with what the documents lack at that moment."""

from __future__ import annotations

import hashlib
import itertools
import random
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import orjson

from tests.worker.dms_records import change
from tests.worker.projection.strict_store import StrictStore, one_by_one
from worker.intake import Intake
from worker.mapping.loader import read_mappings
from worker.pipeline import BatchReport
from worker.projection.due import Dues, next_due, work_off
from worker.projection.engine import project
from worker.projection.habit import Habit
from worker.projection.operations import Get, Operation, TableName
from worker.projection.plan import make_plan
from worker.projection.referrers import Limits
from worker.records.incarnations import Incarnations
from worker.records.mark import Mark, place
from worker.records.source import Source
from worker.records.stream import StreamRecord
from worker.watermark import complete
from worker.watermark.shard import ShardProgress

MAPPING: Final = """
aggregate: order
source: s.orders
key: id
fields: [id, n]
one:
  buyer:
    source: s.people
    key: id
    join: buyer_id
    fields: [n]
    one:
      city: {source: s.cities, key: id, join: city_id, fields: [n]}
"""
ORDERS, PEOPLE, CITIES, BEAT = "s.orders", "s.people", "s.cities", "s.beat"
TABLES: Final = (ORDERS, PEOPLE, CITIES)
KEYS: Final = {ORDERS: range(6), PEOPLE: range(2), CITIES: range(1)}
HASH_KEYS: Final = 1 << 128
BEATS: Final = range(24)
SECOND: Final = 1_000_000
LIMITS: Final = Limits(1, 2, 2, loading=1)
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

_read, _problems = read_mappings({"order.yaml": MAPPING})
assert _read is not None, _problems
PLAN: Final = make_plan(_read)
SOURCE: Final = Source(heartbeat_table=BEAT)

Steps = Generator[list[Operation], list[Any], Any]


class Overclaimed(AssertionError):
    """A mark says that something is complete which is not."""


class Fell(AssertionError):
    """What is stored as complete is less than it was."""


def _time(micros: int) -> str:
    return (EPOCH + timedelta(microseconds=micros)).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _hash_key(text: str) -> int:
    return int.from_bytes(hashlib.md5(text.encode()).digest(), "big")  # noqa: S324  as Kinesis does


def _row(table: str, key: int, number: int) -> dict[str, int]:
    link = {ORDERS: {"buyer_id": key % len(KEYS[PEOPLE])}, PEOPLE: {"city_id": 0}}.get(table, {})
    return {"id": key, "n": number, **link}


@dataclass
class Shard:
    """A shard, its lease, and how far it is checkpointed. `lease`: "" before there is one, then live, then ended."""

    name: str
    hash_keys: tuple[int, int]
    records: list[StreamRecord] = field(default_factory=list)
    closed: bool = False
    lease: str = "live"
    checkpoint: int = 0
    children: list[Shard] = field(default_factory=list)
    owner: object = None


class World:
    """One history. `now` is the source's clock, DMS's and the workers', in microseconds."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.store = StrictStore()
        self.now = 1_000 * SECOND
        self.commits: list[tuple[int, str, int]] = []
        self.rows: dict[tuple[str, int], int] = {}
        self.shards: list[Shard] = []
        self.tasks: list[Iterator[None]] = []
        self.published: dict[str, Mark] = {}
        self.loads: dict[str, Iterator[None]] = {}
        self.cached: dict[str, list[tuple[int, int]]] = {table: [] for table in TABLES}
        self.loaded: set[str] = set()
        self.last_beat = 0
        self.split = 0
        self.checks = 0
        self._numbers = itertools.count(1)
        for half in range(2):
            self._add_shard((half * HASH_KEYS // 2, (half + 1) * HASH_KEYS // 2 - 1))
        for table, keys in KEYS.items():
            for key in keys:
                self.commit(table, key)
        self._put_status("FULL LOAD")

    # the source and DMS

    def commit(self, table: str, key: int) -> None:
        """A transaction of one row: DMS sends it, keeps it until the table's load is over, or the load has it."""
        self.now += self.rng.randint(1, SECOND // 2)
        self.commits.append((self.now, table, key))
        self.rows[table, key] = self.now
        if table in self.loaded:
            self._send_change(table, key, self.now)
        elif table in self.loads:
            self.cached[table].append((self.now, key))

    def beat(self) -> None:
        """A heartbeat in every row, one transaction."""
        self.now += self.rng.randint(1, SECOND // 2)
        self.last_beat = self.now
        for number, key in enumerate(BEATS, start=1):
            self._put(BEAT, key, change("update", BEAT, {"id": key}, {}, **self._transaction(self.now, number)))

    def load_on(self) -> bool:
        """One step of a load that goes on or begins; False if all tables are loaded."""
        waiting = [table for table in TABLES if table not in self.loaded]
        if not waiting:
            return False
        table = self.rng.choice(waiting)
        if table not in self.loads:
            self.loads[table] = self._load(table)
        next(self.loads[table], None)
        return True

    def load_again(self) -> None:
        """A table is loaded again while the task runs; its changes are kept back from the first row on."""
        table = self.rng.choice(TABLES)
        if len(self.loaded) == len(TABLES):
            self.loaded.remove(table)
            self.loads[table] = self._load(table)
            next(self.loads[table])

    def _load(self, table: str) -> Iterator[None]:
        for key in KEYS[table]:
            self.now += 1
            payload = change("load", table, _row(table, key, self.rows[table, key]), timestamp=_time(self.now))
            self._put(table, key, payload)
            yield
        for commit, key in self.cached[table]:
            self._send_change(table, key, commit)
        self.cached[table] = []
        self.loaded.add(table)
        if len(self.loaded) == len(TABLES):
            self._put_status("CHANGE PROCESSING")

    def _send_change(self, table: str, key: int, commit: int) -> None:
        payload = change("update", table, _row(table, key, commit), {}, **self._transaction(commit, 1))
        self._put(table, key, payload)

    def _transaction(self, commit: int, number: int) -> dict[str, Any]:
        self.now += 1
        position = f"{commit >> 32:08X}/{commit & 0xFFFFFFFF:08X}.3.00000000/00000000"
        built = _time(self.now)
        return {
            "commit_timestamp": _time(commit),
            "stream_position": position,
            "timestamp": built,
            "transaction_record_id": number,
        }

    def _put_status(self, status: str) -> None:
        self.now += 1
        payload = change("update", "s.awsdms_status", {"task_status": status}, {}, timestamp=_time(self.now))
        self._put("", 0, payload, ".awsdms_status")

    def _put(self, table: str, key: int, payload: dict[str, Any], partition_key: str = "") -> None:
        partition_key = partition_key or f"{table}.{key}"
        at = _hash_key(partition_key)
        (shard,) = [s for s in self.shards if not s.closed and s.hash_keys[0] <= at <= s.hash_keys[1]]
        number = str(next(self._numbers))
        data = _json(payload)
        shard.records.append(StreamRecord(shard.name, number, 0, partition_key, data, self.now // 1000))

    # the stream and its workers

    def _add_shard(self, hash_keys: tuple[int, int], lease: str = "live") -> Shard:
        shard = Shard(f"shard-{len(self.shards)}", hash_keys, lease=lease)
        self.shards.append(shard)
        return shard

    def split_shard(self) -> None:
        """An open shard becomes two. Their leases come, one by one, when the parent has been read."""
        parent = self.rng.choice([shard for shard in self.shards if not shard.closed])
        first, last = parent.hash_keys
        middle = (first + last) // 2
        parent.closed = True
        parent.children = [self._add_shard((first, middle), ""), self._add_shard((middle + 1, last), "")]

    def start(self, shard: Shard) -> None:
        """A new owner, whatever becomes of the one before."""
        shard.owner = token = object()
        self.tasks.append(one_by_one(self.store, self._work(shard, token)))

    def _work(self, shard: Shard, token: object) -> Steps:
        progress = ShardProgress(shard.name, SOURCE, PLAN.mapping.tables, lambda: self.now / SECOND)
        revisions = itertools.count(self.rng.getrandbits(60))
        dues = Dues(shard.name, lambda: str(next(revisions)), LIMITS, complete=progress.before)
        intake = Intake(PLAN.mapping, SOURCE, notes_tables=False)
        yield from progress.begin()
        at = shard.checkpoint
        while shard.owner is token:
            batch = shard.records[at : at + self.rng.choice((1, 3, 10, 30))]
            if self.rng.random() < 0.5 or not batch:
                items = yield from next_due(shard.name, "")
                yield from work_off(PLAN, dues, items)
            if not batch:
                yield from progress.save()
                if shard.closed and at == len(shard.records):
                    yield from self._end(shard)
                    return
                yield [Get(TableName.ROWS, "#idle", "#")]
                continue
            yield from self.batch(batch, intake, dues, progress)
            at += len(batch)
            if shard.owner is token:
                shard.checkpoint = at

    def batch(self, batch: list[StreamRecord], intake: Intake, dues: Dues, progress: ShardProgress) -> Steps:
        """As worker.pipeline.Pipeline does it."""
        taken = intake.take(batch)
        progress.take(taken.events)
        report = BatchReport(
            len(batch),
            changes=taken.counts(),
            newest_commit_micros=taken.newest_commit_micros(),
            heartbeat_micros=taken.heartbeat_micros,
        )
        if taken.changes:
            yield from project(PLAN, taken.changes, "", dues, Habit())
        progress.note(batch, report, Incarnations())
        yield from progress.save()

    def _end(self, shard: Shard) -> Steps:
        """As KCL does it: the children's leases are there before their parent's says that it has ended."""
        for child in shard.children:
            yield [Get(TableName.ROWS, "#idle", "#")]
            if not child.lease:
                child.lease = "live"
        shard.lease = "ended"
        for child in shard.children:
            if child.owner is None:
                self.start(child)

    def _work_off_all(self, shard: Shard) -> Steps:
        revisions = itertools.count(self.rng.getrandbits(60))
        dues = Dues("other", lambda: str(next(revisions)), LIMITS)
        while items := (yield from next_due(shard.name, "")):
            yield from work_off(PLAN, dues, items)

    def adopt(self) -> None:
        """A worker of another shard takes an item of one that has ended, or that it takes for ended."""
        shard, other = self.rng.choices(self.shards, k=2)
        progress = ShardProgress(other.name, SOURCE, PLAN.mapping.tables, lambda: self.now / SECOND)
        revisions = itertools.count(self.rng.getrandbits(60))
        dues = Dues(other.name, lambda: str(next(revisions)), LIMITS, complete=progress.before)

        def steps() -> Steps:
            yield from progress.begin()
            items = yield from next_due(shard.name, "")
            yield from work_off(PLAN, dues, items)

        self.tasks.append(one_by_one(self.store, steps()))

    # readers

    def look(self) -> None:
        """Somebody begins to tell what is complete."""
        self.tasks.append(one_by_one(self.store, self._publish()))

    def _publish(self) -> Steps:
        parts = [complete.Part(shard.name, shard.hash_keys) for shard in self.shards if shard.lease == "live"]
        seen = yield from complete.look(parts)
        mark = complete.shared_mark(parts, seen)
        tables = complete.loaded_tables(parts, seen, TABLES)
        if mark is None or not tables:
            return
        self.checks += 1
        self.check(mark, tables)
        yield from complete.raise_complete(dict.fromkeys(tables, mark), self.now / SECOND)
        stored = yield from complete.read_complete(TABLES)
        for table, found in stored.items():
            known = self.published.get(table, Mark())
            if found.mark.commit_micros < known.commit_micros:
                # another reader's read may be older than this one; only what is stored counts
                (item,) = yield [Get(TableName.DOCUMENTS, f"~complete#{table}", "#")]
                if int(item["commit_micros"]["N"]) < known.commit_micros:
                    raise Fell(table)
            self.published[table] = known.later(found.mark)

    def check(self, mark: Mark, tables: frozenset[str]) -> None:
        """Compare a mark with the documents as they are."""
        missing = [
            (commit, table, key)
            for commit, table, key in self.commits
            if table in tables
            and (commit < mark.commit_micros or place(1, commit) < mark.place)
            and not self._shows(commit, table, key, tables)
        ]
        if missing:
            raise Overclaimed(f"{mark} without {missing[:3]}")

    def _shows(self, commit: int, table: str, key: int, tables: frozenset[str]) -> bool:
        if ORDERS not in tables:
            return True
        return all(
            self._number(order, table) >= commit
            for order in KEYS[ORDERS]
            if key == {ORDERS: order, PEOPLE: _row(ORDERS, order, 0)["buyer_id"], CITIES: 0}[table]
            and (table != CITIES or PEOPLE in tables)
        )

    def _number(self, order: int, table: str) -> int:
        document = self.store.items.get((TableName.DOCUMENTS, f"order#{order}", "#"), {})
        node: Any = document
        for name in {ORDERS: (), PEOPLE: ("buyer",), CITIES: ("buyer", "city")}[table]:
            node = node.get(name, {}).get("M", {})
        return int(node.get("n", {}).get("N", "0"))

    # a history

    def step(self) -> None:
        """Anything that may happen."""
        event = self.rng.random()
        if event < 0.162:
            self._happen_at_the_source(event)
        elif event < 0.167 and self.split < 2:
            self.split += 1
            self.split_shard()
        elif event < 0.18:
            self.start(self.rng.choice([shard for shard in self.shards if shard.lease == "live"]))
        elif event < 0.19:
            self.adopt()
        elif event < 0.26:
            self.look()
        elif event < 0.265 and self.tasks:
            self.tasks.pop(self.rng.randrange(len(self.tasks)))  # killed; the shard's next owner comes in time
        elif self.tasks:
            task = self.rng.choice(self.tasks)
            for _ in range(self.rng.choice((1, 1, 4, 20, 60))):
                if task in self.tasks:
                    self.run(task)

    def _happen_at_the_source(self, event: float) -> None:
        if event < 0.08:
            table = self.rng.choices(TABLES, weights=(3, 2, 2))[0]
            self.commit(table, self.rng.choice(KEYS[table]))
        elif event < 0.11:
            self.beat()
        elif event < 0.16:
            self.load_on()
        else:
            self.load_again()

    def run(self, task: Iterator[None]) -> None:
        """One operation of a task."""
        try:
            next(task)
        except StopIteration:
            self.tasks.remove(task)

    def play(self, steps: int) -> None:
        """A history; some of its workers are killed, its readers say nothing that is not so."""
        for shard in list(self.shards):
            self.start(shard)
        if self.rng.random() < 0.6:  # else the history is mostly about the loads
            while self.load_on():
                pass
            self.beat()
        for _ in range(steps):
            self.step()

    def end(self) -> None:
        """An end at which everything is done and told."""
        while self.load_on():
            pass
        for _ in range(3):
            self.beat()
            for table, keys in KEYS.items():
                self.commit(table, keys[0])
            self.now += 61 * SECOND
            self._put_status("CHANGE PROCESSING")
            self.beat()
            self.settle()
        for _ in one_by_one(self.store, self._publish()):
            pass

    def settle(self) -> None:
        """New owners, undisturbed, until nothing is left to do."""
        self.tasks = [task for task in self.tasks if self.rng.random() < 0.5]
        for shard in self.shards:
            if shard.lease == "ended":
                self.tasks.append(one_by_one(self.store, self._work_off_all(shard)))
        for shard in list(self.shards):
            if shard.lease == "live":
                self.start(shard)
        for _ in range(1200):
            self.now += 1000
            for task in list(self.tasks):
                if task in self.tasks:
                    self.run(task)


def _json(payload: dict[str, Any]) -> bytes:
    return orjson.dumps(payload)
