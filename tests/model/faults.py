"""A fleet of workers under faults: kills, zombies that sleep between two steps, rewinds, a rolling deployment."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.model.documents import NewerGeneration
from tests.model.history import Record
from tests.model.mapping import Mapping
from tests.model.protocol import work
from tests.model.rows import Steps, Worker
from tests.model.store import Store


@dataclass(eq=False, slots=True)
class Process:
    """Something that runs: a shard's worker, or a job (no worker) that starts anew when it is killed."""

    steps: Steps
    worker: Worker | None = None
    weight: float = 1.0
    again: Callable[[], Steps] | None = None


@dataclass(eq=False, slots=True)
class Fleet:
    """All processes on one store; who owns which shard; checkpoints."""

    rng: random.Random
    store: Store
    logs: list[list[Record]]
    mapping: Mapping
    broken: frozenset[str]
    zombies_checkpoint: bool
    faults: int = 0
    often: float = 0.05
    progress: list[int] = field(default_factory=list)
    owners: dict[int, Worker] = field(default_factory=dict)
    running: list[Process] = field(default_factory=list)

    def start_all(self, mapping: Mapping, *, replay: bool = False) -> None:
        """An owner for every shard."""
        self.mapping = mapping
        self.progress = [0] * len(self.logs) if replay or not self.progress else self.progress
        for shard in range(len(self.logs)):
            self.start(shard, self.progress[shard])

    def start(self, shard: int, at: int) -> None:
        """A new owner of a shard; the old one, if it still runs, is a zombie from now on."""
        worker = Worker(self.store, self.mapping, self.broken, shard)
        self.owners[shard] = worker
        self.running.append(Process(work(worker, self.logs[shard], at, self._checkpoint, self.rng), worker))

    def start_job(self, job: Callable[[], Steps]) -> None:
        """A job beside the stream; when it is killed it starts from its beginning."""
        self.running.append(Process(job(), weight=self.rng.choice([1.0, 0.3, 0.1]), again=job))

    def passed(self, ends: list[int]) -> bool:
        """Whether every shard's checkpoint has reached this place."""
        return all(done >= end for done, end in zip(self.progress, ends, strict=True))

    def step(self) -> None:
        """Maybe a fault, then some operations of one process."""
        if self.faults and self.rng.random() < self.often:
            self.faults -= 1
            self._fault()
        process = self.rng.choices(self.running, [each.weight for each in self.running])[0]
        for _ in range(self.rng.choice([1, 1, 1, 2, 5, 20])):
            try:
                next(process.steps)
            except StopIteration:
                self.running.remove(process)
                return
            except NewerGeneration:
                self._stopped(process)
                return

    def replace_old_mappings(self) -> None:
        """The end of a rolling deployment: every shard whose owner has another mapping gets a new owner."""
        for shard, worker in list(self.owners.items()):
            if worker.mapping is not self.mapping:
                self._take_over(shard, kill=self.rng.random() < 0.5)

    def _stopped(self, process: Process) -> None:
        self.running.remove(process)
        worker = process.worker
        if worker is not None and self.owners[worker.shard] is worker:
            self.start(worker.shard, self.progress[worker.shard])

    def _fault(self) -> None:
        jobs = [process for process in self.running if process.again is not None]
        if jobs and self.rng.random() < 0.2:
            job = jobs[0]
            assert job.again is not None
            job.steps = job.again()
            return
        shard = self.rng.randrange(len(self.logs))
        kind = self.rng.choice(["kill", "zombie", "zombie", "rewind"])
        if kind == "rewind":
            self.progress[shard] = max(0, self.progress[shard] - self.rng.randint(0, 6))
        self._take_over(shard, kill=kind == "kill")

    def _take_over(self, shard: int, *, kill: bool) -> None:
        for process in list(self.running):
            if process.worker is not None and process.worker.shard == shard:
                if kill:
                    self.running.remove(process)
                else:
                    process.weight = self.rng.choice([1.0, 0.1, 0.01])
        self.start(shard, self.progress[shard])

    def _checkpoint(self, worker: Worker, at: int) -> None:
        if self.zombies_checkpoint or self.owners[worker.shard] is worker:
            self.progress[worker.shard] = max(self.progress[worker.shard], at)
