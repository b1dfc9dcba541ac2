"""Run the model: python -m tests.model.run [HISTORIES] [--start SEED] [--scenario NAME] [--break MUTANT]."""

from __future__ import annotations

import argparse
import random
from dataclasses import dataclass
from typing import Any

from tests.model.due import work_off_all
from tests.model.faults import Fleet
from tests.model.history import FIRST_CHANGE, INCARNATION, Record, Source, differences, spread
from tests.model.mapping import TARGETS, A, B
from tests.model.protocol import rebuild_all, sweep
from tests.model.rows import Worker
from tests.model.store import Store

KINDS = ("plain", "generations", "reload")


@dataclass(frozen=True, slots=True)
class Scenario:
    """What a history is about: its kind, its tables, the columns that records may lack."""

    kind: str
    tables: tuple[str, ...] = tuple(TARGETS)
    lacks: str = ""
    moving: float = 0.15
    keys: int = 0
    repeats: bool = False
    due: bool = False


SCENARIOS: dict[str, Scenario] = {
    **{kind: Scenario(kind) for kind in KINDS},
    "partial": Scenario("plain", ("customer", "order"), "any"),
    "moves": Scenario("plain", ("product",), "values", 0.5),
    "chains": Scenario("plain", ("product",), "values", 0.7, keys=3),
    "lines": Scenario("plain", ("order", "line")),
    "self": Scenario("plain", ("customer",)),
    "deep": Scenario("plain", ("order", "line", "option")),
    "copies": Scenario("plain", ("order", "order_tag", "tag")),
    "copied and followed": Scenario("plain", ("order", "customer")),
    "virtual": Scenario("plain", ("order", "note")),
    "virtual one": Scenario("plain", ("order", "line", "product")),
    "new relation": Scenario("generations", ("order", "customer")),
    "new lookup": Scenario("generations", ("order", "line", "product")),
    "new column": Scenario("generations", ("product",), "values"),
    "new column of moving rows": Scenario("generations", ("product",), "values", 0.5),
    "repeated records": Scenario("generations", ("product",), "values", repeats=True),
    "vanished": Scenario("reload", ("order", "line")),
    "due": Scenario("plain", ("order", "customer"), due=True),
    "due again": Scenario("plain", ("order", "customer", "customer", "customer", "customer"), moving=0.0, due=True),
    "due, all tables": Scenario("plain", due=True),
    "due of two mappings": Scenario("generations", ("order", "line", "product"), due=True),
    "due of two mappings, all tables": Scenario("generations", due=True),
}


def run(seed: int, scenario: Scenario, broken: frozenset[str] = frozenset()) -> list[str]:
    """One history; what is wrong at its end or was on the way."""
    return _Run(seed, scenario, broken).play()


class _Run:
    def __init__(self, seed: int, scenario: Scenario, broken: frozenset[str]) -> None:
        self.rng = rng = random.Random(seed)
        self.broken, self.kind = broken, scenario.kind
        focused = scenario.tables != tuple(TARGETS)
        lacks: Any = scenario.lacks or rng.choice(["", "values", "any"])
        columns = {"": (), "values": ("big", "extra"), "any": (*_ALL_BUT_VAL,)}[lacks]
        self.extra_lacks = rng.random() < 0.5
        if self.kind == "generations" and not self.extra_lacks:
            columns = tuple(column for column in columns if column != "extra")
        self.source = Source(rng, scenario.tables, rng.choice([1, 2] if focused else [1, 2, 2, 3]), columns)
        self.length = rng.randint(3, 16) if focused else rng.randint(6, 50)
        self.shards = rng.randint(1, 4)
        self.two, self.seen = rng.random() < 0.3, set[tuple[str, str]]()
        self.repeats = scenario.repeats
        self.disorder = rng.random() < 0.3
        self.source.moving, self.source.keys = scenario.moving, scenario.keys or self.source.keys
        self.source.reuse = self.shards == 1 and not self.two and not self.disorder
        self.store = Store()
        self.fleet = Fleet(
            rng, self.store, [[] for _ in range(self.shards)], A, broken, zombies_checkpoint=self.kind == "plain"
        )
        self.fleet.faults, self.fleet.often = (rng.randint(1, 6), 0.15) if focused else (rng.randint(0, 10), 0.05)
        if scenario.due:
            self.store.follows = rng.choice([0, 0, 1])
            self.source.keys += rng.choice([0, 2])

    def play(self) -> list[str]:
        {"plain": self._plain, "generations": self._generations, "reload": self._reload}[self.kind]()
        return sorted(self.store.problems)

    def _plain(self) -> None:
        self._append(self._changes(self.length, load=self.rng.random() < 0.5))
        mapping = self.rng.choice([A, B])
        self.store.ready = self.store.fence = mapping.generation
        self.fleet.start_all(mapping)
        self._finish()
        self._compare("at rest")

    def _generations(self) -> None:
        """Old and new workers side by side, `rebuild` beside traffic, then what the new column needs."""
        self._append(self._changes(self.length, load=self.rng.random() < 0.5))
        fleet, rng = self.fleet, self.rng
        fleet.start_all(A)
        for _ in range(rng.randint(0, 60)):
            self._step()
        self.store.settled = {row: image.version for row, image in self.store.images.items()}
        fleet.mapping = B
        for event in rng.sample(["handover", "rebuild"], 2):
            for _ in range(rng.randint(0, rng.choice([30, 120]))):
                self._step()
            if event == "handover":
                fleet.replace_old_mappings()
            else:
                fleet.start_job(lambda: rebuild_all(Worker(self.store, B, self.broken)))
        self._finish()
        self._compare("after rebuild", waiting_allowed=True)
        if self.extra_lacks:
            self._new_incarnation([])
        else:
            fleet.faults = rng.randint(0, 3)
            fleet.start_all(B, replay=True)
            self._finish()
        self._compare("at rest")

    def _reload(self) -> None:
        """The source goes on while nobody listens; then a load of a new incarnation, with changes around it."""
        self._append(self._changes(self.length, load=self.rng.random() < 0.5))
        mapping = self.rng.choice([A, B])
        self.store.ready = self.store.fence = mapping.generation
        self.fleet.start_all(mapping)
        for _ in range(self.rng.choice([0, 20, 1_000_000]) if self.fleet.running else 0):
            if not self.fleet.running:
                break
            self._step()
        self._changes(self.rng.randint(0, 6), load=False)  # lost
        self._new_incarnation(self._after_reload)
        self._compare("at rest")

    def _after_reload(self) -> list[Record]:
        return self._changes(self.rng.randint(0, 6), load=False)

    def _new_incarnation(self, later: Any) -> None:
        source, fleet = self.source, self.fleet
        source.incarnation += 1
        first = source.incarnation * INCARNATION
        overlap = [source.change(complete_moves=True) for _ in range(self.rng.randint(0, 4))] if later else []
        self._append(_mixed(self.rng, source.load(), overlap))
        ends = [len(log) for log in fleet.logs]
        if "sweep_before_load_ends" in self.broken:
            ends, first = [0] * self.shards, first + FIRST_CHANGE
        self._append(later() if later else [])
        fleet.faults += self.rng.randint(0, 3)
        for shard in range(self.shards):
            if shard not in {p.worker.shard for p in fleet.running if p.worker is fleet.owners[shard]}:
                fleet.start(shard, fleet.progress[shard])
        while not fleet.passed(ends):
            self._step()
        if "no_sweep" not in self.broken:
            fleet.start_job(lambda: sweep(Worker(self.store, fleet.mapping, self.broken), first))
        self._finish()

    def _changes(self, count: int, *, load: bool) -> list[Record]:
        """Changes, and in their midst a load of one moment (its records come at any time after that)."""
        source = self.source
        if not load:
            return [source.change() for _ in range(count)]
        before = [source.change(complete_moves=True) for _ in range(count // 2)]
        if self.rng.random() < 0.5:
            before = []  # the task began with the load: nobody saw how these rows came about
        loaded = source.load()
        return _mixed(self.rng, loaded, [*before, *(source.change() for _ in range(count - count // 2))])

    def _append(self, records: list[Record]) -> None:
        def disorder() -> bool:
            return self.disorder and self.rng.random() < 0.1

        logs = spread(self.rng, records, self.shards, two=self.two, seen=self.seen, disorder=disorder)
        for log, more in zip(self.fleet.logs, logs, strict=True):
            log += more
            if self.repeats and more:  # PutRecords stored a record twice, the second time much later
                log.insert(self.rng.randint(len(log) - len(more), len(log)), self.rng.choice(more))

    def _step(self) -> None:
        if self.fleet.running:
            self.fleet.step()

    def _finish(self) -> None:
        while self.fleet.running:
            self.fleet.step()
        # of those who came late; another shard's worker would find it
        for _ in work_off_all(
            Worker(self.store, self.fleet.mapping, self.broken), lambda: {d[0] for d in self.store.due}
        ):
            pass

    def _compare(self, when: str, *, waiting_allowed: bool = False) -> None:
        documents = self.store.documents
        waiting = {key for key, document in documents.items() if document.waiting}
        shown = {key: document.body for key, document in documents.items() if document.body is not None}
        wrong = set(differences(self.source, self.fleet.mapping, shown, copies_wait=waiting_allowed))
        if waiting and not waiting_allowed:
            self.store.problems.add(f"documents wait {when}")
        if wrong - waiting:
            self.store.problems.add(f"documents are not the join {when}")


_ALL_BUT_VAL = sorted({"big", "extra", *(column for columns in TARGETS.values() for column in columns)})


def _mixed(rng: random.Random, loaded: list[Record], changes: list[Record]) -> list[Record]:
    """Load records and changes, each in their order, in one stream."""
    mixed, rest = list[Record](), [list(loaded), list(changes)]
    while rest[0] or rest[1]:
        mixed.append(rest[rng.randrange(2)].pop(0) if rest[0] and rest[1] else (rest[0] or rest[1]).pop(0))
    return mixed


def search(seeds: range, scenario: Scenario, broken: frozenset[str] = frozenset()) -> dict[int, list[str]]:
    """What goes wrong, by seed."""
    return {seed: problems for seed in seeds if (problems := run(seed, scenario, broken))}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("histories", type=int, nargs="?", default=1000)
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--scenario", choices=SCENARIOS, action="append")
    parser.add_argument("--break", dest="broken", action="append", default=[])
    options = parser.parse_args()
    for name in options.scenario or SCENARIOS:
        seeds = range(options.start, options.start + options.histories)
        wrong = search(seeds, SCENARIOS[name], frozenset(options.broken))
        counted: dict[str, int] = {}
        for problems in wrong.values():
            for problem in problems:
                counted[problem] = counted.get(problem, 0) + 1
        line = f"{name:20} {len(seeds):7} histories, {len(wrong):5} wrong {counted or ''} {sorted(wrong)[:3]}"
        print(line, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
