"""One random case of loads that overlap with changes: held, repeated, and anew after changes were lost, then swept."""

from __future__ import annotations

import datetime
import random
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, cast

import psycopg2

from contract.mapping import Mapping
from local.dms.kinesis import Stream
from local.dms.records import Record
from local.dms.settings import Settings
from tests.proof.case import _TOKENS, Outcome, _differences, _read, _wanted, make_case
from tests.proof.mappings import sensitive, yaml_text
from tests.proof.standin import Capture, Shards, Shelf, random_task, settings_of
from tests.proof.transactions import Source
from tests.proof.values import identifier
from tests.proof.workers import Child, Fleet, Notes
from tests.worker.projection.strict_store import StrictStore
from tests.worker.rebuild.sweeping import Scan, holders
from worker.pace import Pace
from worker.pipeline import Pipeline
from worker.projection.plan import make_plan
from worker.rebuild.scan import RowScan
from worker.rebuild.sweep import sweep
from worker.records.errors import Reason
from worker.records.incarnations import Incarnations
from worker.records.protect import Protection
from worker.records.source import Source as Intake
from worker.records.stream import StreamRecord
from worker.store.dynamodb import DynamoStore

_TICK_SECONDS: Final = 0.002
_EPOCH: Final = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_SWEEP: Final = StreamRecord("sweep", "0", 0, "", b"", 0)


class Kind(StrEnum):
    """What happens after the first load."""

    BESIDE = "tables are loaded again in mid-stream"
    RESUMED = "stopped, incarnation raised, resumed, some tables loaded again and swept"
    RECREATED = "stopped, changes lost, incarnation raised, everything loaded anew and swept"


@dataclass(frozen=True)
class Defects:
    """What a careless operator leaves out; the case then has to find differences."""

    forgets_raise: bool = False
    forgets_sweep: bool = False


class RaisedNotes(Notes):
    """Notes of a source whose incarnation was raised."""

    def __init__(self, incarnations: Incarnations) -> None:
        """Every worker knows it."""
        super().__init__()
        self._incarnations = incarnations

    def incarnations(self) -> Incarnations:
        """As raised."""
        return self._incarnations


@dataclass(frozen=True)
class _Sweeper:
    """Sweeps as a child of the fleet: killed, sleeping, and begun again as any other."""

    fleet: SweptFleet
    child: Child

    def process(self, _: object) -> None:
        """One whole sweep."""
        fleet = self.fleet
        driver, scan = cast("DynamoStore", self.child), cast("RowScan", Scan(fleet.store))
        held = holders(fleet._plan, fleet.store)
        sweep(fleet._plan, driver, scan, fleet.swept, 2, Pace(), lambda _: None, held)


class SweptFleet(Fleet):
    """Workers that know a raised incarnation; with tables to sweep, one more child does that meanwhile."""

    swept: frozenset[str] = frozenset()

    def raised(self, incarnations: Incarnations, swept: frozenset[str]) -> SweptFleet:
        """Set what a plain fleet does not have."""
        self._notes = RaisedNotes(incarnations)
        self.swept = swept
        if swept:
            self.shards = [*self.shards, [_SWEEP]]
            self.progress = [0] * len(self.shards)
        return self

    def pipeline(self, child: Child) -> Pipeline:
        """A shard's pipeline, or the sweep."""
        if self.swept and child.shard == len(self.shards) - 1:
            return cast("Pipeline", _Sweeper(self, child))
        return super().pipeline(child)


class Delivery:
    """The stand-in's stream for a whole case: records of all lives end on the same shards."""

    def __init__(self, rng: random.Random, settings: Settings) -> None:
        """Without records."""
        self._rng = rng
        self.shelf = Shelf(rng.randint(1, 4))
        self._stream = Stream(
            self.shelf,
            "proof",
            lambda _: None,
            settings.put_records_failure_rate,
            settings.lost_reply_rate,
            settings.interleave_keys,
            seed=rng.randrange(1 << 30),
        )

    def put(self, lanes: list[list[Record]]) -> None:
        """Every lane in its order, beside the others: a load may come long after the changes that follow its read."""
        lanes = [lane for lane in lanes if lane]
        while lanes:
            lane = self._rng.choice(lanes)
            size = self._rng.choice((1, 2, 5, 20))
            self._stream.put(lane[:size])
            del lane[:size]
            lanes = [left for left in lanes if left]

    def take(self) -> Shards:
        """The records so far, which go from the shelf."""
        taken = self.shelf.shards
        self.shelf.shards = [[] for _ in taken]
        return taken


class Play:
    """The source, its capture and the stream of one case."""

    def __init__(self, url: str, rng: random.Random, connection: Any, schema: Any) -> None:
        """A filled schema, not captured yet."""
        self.rng = rng
        self.settings = settings_of(random_task(rng, schema.name))
        self.source = Source(rng, connection, schema)
        self.capture = Capture(url, schema.name, self.settings)
        self.delivery = Delivery(rng, self.settings)
        self._seen = 0
        self.source.fill()

    def some(self, most: int, least: int = 0) -> None:
        """Transactions."""
        for _ in range(self.rng.randint(least, most)):
            self.source.transaction()

    def load(self, tables: list[str], lanes: dict[str, list[Record]]) -> None:
        """Read tables one after the other while changes go on."""
        for table in self.rng.sample(tables, len(tables)):
            self.some(2)
            lanes.setdefault(table, []).extend(self.capture.load(table))

    def live(self, tables: list[str], *, again: bool) -> None:
        """Load these tables, some a second time, and change them beside; all of it onto the stream."""
        lanes: dict[str, list[Record]] = {}
        self.load(tables, lanes)
        if again:
            self.load(self.rng.sample(tables, self.rng.randint(0, len(tables))), lanes)
        self.some(8)
        self.delivery.put([*lanes.values(), self.changes()])

    def changes(self) -> list[Record]:
        """Changes that were not sent yet."""
        found = self.capture.changes()
        new, self._seen = found[self._seen :], len(found)
        return new

    def lose_changes(self) -> None:
        """The slot goes; what commits until the next one is there reaches no record."""
        self.capture.end()
        self._seen = 0
        self.some(16, 8)


def run_load_case(url: str, seed: int, kind: Kind, defects: Defects | None = None) -> Outcome:
    """One case in a database, from which it removes everything of its own."""
    outcome = Outcome(seed)
    rng = random.Random(f"{seed} {kind.name}")
    schema, trees = make_case(rng, seed)
    outcome.schema = list(schema.statements())
    outcome.mappings = [yaml_text(tree) for tree in (*trees, sensitive(schema)) if tree]
    mapping = _read(outcome)
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        try:
            for ddl in outcome.schema:
                cursor.execute(ddl)
            play = Play(url, rng, connection, schema)
            try:
                store = _play(play, mapping, kind, defects or Defects(), outcome)
            finally:
                play.capture.end()
            wanted = _wanted(url, mapping)
            outcome.documents = len(wanted)
            outcome.findings += _differences(store, wanted, outcome)
        finally:
            cursor.execute(f"DROP SCHEMA IF EXISTS {identifier(schema.name)} CASCADE")
    return outcome


def _play(play: Play, mapping: Mapping, kind: Kind, defects: Defects, outcome: Outcome) -> StrictStore:
    play.some(4)
    tables = play.capture.begin()
    play.live(tables, again=kind is Kind.BESIDE)
    incarnations, swept = Incarnations(), frozenset[str]()
    if kind is not Kind.BESIDE:
        if kind is Kind.RECREATED:
            play.lose_changes()
            again = tables = play.capture.begin()
        else:
            play.some(4)  # while the task is stopped; its slot keeps them
            again = play.rng.sample(tables, play.rng.randint(1, len(tables)))
        incarnations = Incarnations() if defects.forgets_raise else Incarnations((_now_micros(),))
        play.live(again, again=True)
        swept = frozenset() if defects.forgets_sweep or defects.forgets_raise else frozenset(again)
    run = _runner(play, mapping, incarnations, outcome)
    store = run(StrictStore(), frozenset())
    play.some(8)
    play.delivery.put([play.changes()])
    return run(store, swept)


def _runner(
    play: Play, mapping: Mapping, incarnations: Incarnations, outcome: Outcome
) -> Callable[[StrictStore, frozenset[str]], StrictStore]:
    plan, intake = make_plan(mapping), Intake(protection=Protection(mapping.policies, _TOKENS))

    def run(store: StrictStore, swept: frozenset[str]) -> StrictStore:
        """Do what is on the stream, beside a sweep if there are tables to sweep."""
        faults = play.rng.choice((0, 2, 5, 8))
        fleet = SweptFleet(play.rng, plan, intake, play.delivery.take(), faults, store=store)
        fleet.raised(incarnations, swept).run()
        outcome.records += sum(map(len, fleet.shards))
        parked = (entry for entry in fleet.parked.entries if entry.reason != Reason.UNKNOWN_TABLE)
        outcome.findings += [f"parked record of {entry.table}: {entry.reason} {entry.detail}" for entry in parked]
        return store

    return run


def _now_micros() -> int:
    """A time after all records so far, and before all that follow."""
    time.sleep(_TICK_SECONDS)
    moment = (datetime.datetime.now(datetime.UTC) - _EPOCH) // datetime.timedelta(microseconds=1)
    time.sleep(_TICK_SECONDS)
    return moment
