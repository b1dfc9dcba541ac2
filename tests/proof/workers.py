"""Several children of a fleet at work on one store, stopped between any two operations: kills, zombies, rewinds.

Each child runs the real pipeline in a thread of its own, but only one thread runs at a time: a random scheduler lets
one child do a few operations, then the next. So a seed fixes every interleaving.
"""

from __future__ import annotations

import io
import random
import threading
from collections.abc import Sequence
from typing import Any, Final, TypeVar

from tests.proof.standin import Shards
from tests.worker.projection.strict_store import StrictStore
from worker.log import Log
from worker.parked.parking import Entry
from worker.pipeline import Pipeline
from worker.projection.operations import WRITES, Steps
from worker.projection.plan import Plan
from worker.records.drift import Drift, Ledger
from worker.records.incarnations import Incarnations
from worker.records.source import Source
from worker.store.usage import Usage

_LOST_REPLY_RATE: Final = 0.02

Result = TypeVar("Result")


class _Killed(BaseException):
    """The child's process is gone."""


class Parked:
    """Takes what the pipeline parks; nothing of a lossless source should be."""

    retries = 0

    def __init__(self) -> None:
        """Empty."""
        self.entries: list[Entry] = []

    def tables(self) -> dict[str, str]:
        """No table is parked."""
        return {}

    def park(self, entries: Sequence[Entry]) -> None:
        """Keep them."""
        self.entries += entries


class Notes:
    """What workers note about the source, kept by nobody but themselves."""

    retries = 0

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._ledgers: dict[str, Ledger] = {}

    def incarnations(self) -> Incarnations:
        """Only the first."""
        return Incarnations()

    def ledgers(self) -> dict[str, Ledger]:
        """The columns seen."""
        return dict(self._ledgers)

    def note(self, table: str, drift: Sequence[Drift]) -> tuple[Ledger, Sequence[Drift]]:
        """Add to a ledger."""
        before = self._ledgers.get(table, Ledger())
        self._ledgers[table] = before.with_drift(drift)
        return self._ledgers[table], [one for one in self._ledgers[table].events if one not in before.events]


class Child:
    """One owner of a shard. `step` lets it do some operations; it ends when all records are done."""

    retries = 0

    def __init__(self, fleet: Fleet, shard: int, start: int) -> None:
        """It begins at record `start`."""
        self.shard = shard
        self.weight = 1.0
        self.ended = False
        self.error: BaseException | None = None
        self.usage = Usage()
        self._fleet = fleet
        self._at = start
        self._left = 0
        self._killed = False
        self._mine, self._theirs = threading.Semaphore(0), threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def step(self, operations: int) -> None:
        """Do so many operations, then sleep again. Raises what the pipeline raised."""
        self._left = operations
        self._mine.release()
        self._theirs.acquire()
        if self.error is not None:
            raise self.error

    def kill(self) -> None:
        """Stop it where it is."""
        self._killed = True
        self.step(0)

    def drive(self, steps: Steps[Result]) -> Result:
        """The store as the pipeline knows it: a group's operations in any order, replies lost now and then."""
        fleet, rng = self._fleet, self._fleet.rng
        try:
            group = next(steps)
            while True:
                fleet.store.check_group(group)
                replies: list[Any] = [None] * len(group)
                for index in rng.sample(range(len(group)), len(group)):
                    self._pause()
                    replies[index] = fleet.store.apply(group[index])
                    if isinstance(group[index], WRITES) and rng.random() < _LOST_REPLY_RATE:
                        self._pause()
                        replies[index] = fleet.store.apply(group[index])
                group = steps.send(replies)
        except StopIteration as end:
            result: Result = end.value
            return result

    def _pause(self) -> None:
        self._left -= 1
        if self._left < 0:
            self._theirs.release()
            self._mine.acquire()
        if self._killed:
            raise _Killed

    def _run(self) -> None:
        self._mine.acquire()
        try:
            self._work()
        except _Killed:
            pass
        except BaseException as error:  # noqa: BLE001  handed to the scheduler, which raises it
            self.error = error
        self.ended = True
        self._theirs.release()

    def _work(self) -> None:
        pipeline = self._fleet.pipeline(self)
        records, progress, rng = self._fleet.shards[self.shard], self._fleet.progress, self._fleet.rng
        while not self._killed and self._at < len(records):
            batch = records[self._at : self._at + rng.choice(self._fleet.batches)]
            pipeline.process(batch)
            self._at += len(batch)
            self._pause()
            progress[self.shard] = max(progress[self.shard], self._at)


class Fleet:
    """All children of a case, their store and what they parked."""

    def __init__(
        self,
        rng: random.Random,
        plan: Plan,
        source: Source,
        shards: Shards,
        faults: int,
        batches: Sequence[int] = (1, 2, 4, 8, 30),
        store: StrictStore | None = None,
    ) -> None:
        """`faults`: how many kills, zombies and rewinds there are at most; `batches`: sizes to choose from.

        With a `store` it goes on where another fleet ended.
        """
        self.rng = rng
        self.shards = shards
        self.store = store or StrictStore()
        self.batches = batches
        self.parked = Parked()
        self.progress = [0] * len(shards)
        self._plan = plan
        self._source = source
        self._notes = Notes()
        self._faults = faults
        self._log = Log("error", io.StringIO())

    def pipeline(self, child: Child) -> Pipeline:
        """A pipeline as a newly started child has it."""
        store: Any = child
        return Pipeline(self._plan, store, self.parked, self._notes, self._source, self._log)

    def run(self) -> None:
        """Until every record of every shard is done by somebody, zombies included."""
        children = [Child(self, shard, 0) for shard in range(len(self.shards))]
        try:
            while children:
                if self._faults and self.rng.random() < 0.03:
                    self._faults -= 1
                    children = self._fault(children)
                child = self.rng.choices(children, [child.weight for child in children])[0]
                child.step(self.rng.choice((1, 3, 10, 40, 200)))
                children = [child for child in children if not child.ended]
        finally:
            for child in children:
                if not child.ended:
                    child.kill()

    def _fault(self, children: list[Child]) -> list[Child]:
        shard = self.rng.randrange(len(self.shards))
        kind = self.rng.choice(("kill", "zombie", "zombie", "rewind"))
        for child in [child for child in children if child.shard == shard]:
            if kind == "kill":
                child.kill()
                children.remove(child)
            else:  # the old owner goes on as a zombie and may sleep long between two operations
                child.weight = self.rng.choice((1.0, 0.1, 0.01))
        start = self.progress[shard]
        if kind == "rewind":
            start = max(0, start - self.rng.randint(0, 10))
        return [*children, Child(self, shard, start)]
