"""Looks for stages that became slower: each as a ratio to a fixed piece of work in the same process, against a file.

A ratio hardly depends on the machine, and both halves of a pair are measured within a second, by processor time. What
is found is the median of the pairs: noise strikes either half, so the best one is best by chance.
"""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

import orjson

from bench import workloads
from bench.child import DOCUMENTS, ROWS, empty_tables, worker_settings
from bench.table_server import Server
from bench.workloads import Workload
from worker.compose import build_pipeline
from worker.intake import Intake
from worker.log import Log
from worker.pipeline import Pipeline
from worker.projection.engine import project
from worker.projection.operations import Operation
from worker.projection.plan import Plan, make_plan
from worker.records.rows import RowChange
from worker.records.source import Source
from worker.records.stream import StreamRecord
from worker.settings import parse
from worker.source_settings import read_mapping
from worker.store.engine import engine_store
from worker.store.memory import MemoryStore

REFERENCE: Final = Path(__file__).parent / "reference.json"
TOLERANCE: Final = 1.25
"""A stage may cost so many times its stored ratio before it counts as slower."""
PAIRS: Final = 21
BATCH: Final = 500
ORDERS: Final = 140
ROWS_OF_FLAT: Final = 1000
AS_OF: Final = "2026-03-01T08:00:00.000000Z"

Run = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Stage:
    """`prepare` makes what one measured call needs, not measured itself."""

    name: str
    prepare: Callable[[], Run]


def ratio_to_reference(stage: Stage, pairs: int = PAIRS, clock: Callable[[], float] = time.process_time) -> float:
    """How many times the reference work a stage costs: the median of some pairs."""
    found = []
    for _ in range(pairs):
        run = stage.prepare()
        before = _timed(reference_work, clock)
        cost = _timed(run, clock)
        after = _timed(reference_work, clock)
        found.append(cost / ((before + after) / 2))
    return median(found)


def _timed(run: Run, clock: Callable[[], float]) -> float:
    start = clock()
    run()
    return clock() - start


def reference_work() -> int:
    """What never changes: JSON, dictionaries, text and calls in about the mix of a worker."""
    row = {f"column{at}": f"value {at}" for at in range(20)} | {"number": 17, "price": 12.5, "nothing": None}
    total = 0
    for at in range(4000):
        row["number"] = at
        read = orjson.loads(orjson.dumps(row))
        named = {name.upper(): value for name, value in read.items() if value is not None}
        total += len(json.dumps(named["COLUMN3"])) + len("|".join(sorted(named)))
    return total


def regressions(stored: Mapping[str, float], found: Mapping[str, float], tolerance: float = TOLERANCE) -> list[str]:
    """A line for each stage that is slower than it was, or that has no stored ratio."""
    problems = []
    for name, ratio in found.items():
        if name not in stored:
            problems.append(f"{name}: no ratio is stored; store one with `python -m bench check --update`")
        elif ratio > stored[name] * tolerance:
            problems.append(
                f"{name}: {ratio:.3f} times the reference work, {ratio / stored[name]:.2f} times the stored"
                f" {stored[name]:.3f}; allowed is {tolerance:.2f}"
            )
    return problems


def stages(server: Server) -> list[Stage]:
    """The key stages of the hot path, on the benchmarks' own workloads."""
    nested = Prepared(server, workloads.nested(ORDERS, customers=50, products=100))
    flat = Prepared(server, workloads.flat(ROWS_OF_FLAT, 0))
    return [
        Stage("decode", lambda: lambda: [nested.source.decode(record.data) for record in nested.measured]),
        Stage("intake", lambda: nested.intake),
        Stage("engine", nested.engine),
        Stage("store", nested.store),
        Stage("whole_nested", nested.whole),
        Stage("whole_flat", flat.whole),
    ]


class Prepared:
    """A workload taken apart into what each stage is given."""

    def __init__(self, server: Server, workload: Workload) -> None:
        self._server = server
        self._settings = parse(worker_settings(server, workload.mappings))
        self.plan: Plan = make_plan(read_mapping(workload.mappings))
        self.source = Source()
        self.setup = records(workload.setup)
        self.measured = records(workload.lines)

    def intake(self) -> list[list[RowChange]]:
        """The changes of all batches."""
        intake = Intake(self.plan.mapping, self.source, notes_tables=True)
        return [intake.take(batch).changes for batch in batches(self.measured)]

    def engine(self) -> Run:
        """The engine alone: the answers of the store are those of an earlier run in memory."""
        batched, recorded = self._recorded()

        def run() -> None:
            for changes, exchanges in zip(batched, recorded, strict=True):
                _replayed(self.plan, changes, exchanges)

        return run

    def store(self) -> Run:
        """The store's adapter alone, with the requests of an earlier run, on empty tables."""
        _, recorded = self._recorded()
        empty_tables(self._server)
        store = engine_store("eu-west-1", self._server.url, ROWS, DOCUMENTS, Log("error"))
        return lambda: [store.run(group) for exchanges in recorded for group, _ in exchanges]

    def _recorded(self) -> tuple[list[list[RowChange]], list[list[tuple[Sequence[Operation], list[Any]]]]]:
        memory = MemoryStore()
        intake = Intake(self.plan.mapping, self.source, notes_tables=True)
        for batch in batches(self.setup):
            memory.drive(project(self.plan, intake.take(batch).changes, AS_OF))
        batched = self.intake()
        return batched, [_exchanges(self.plan, changes, memory) for changes in batched]

    def whole(self) -> Run:
        """The whole pipeline over the network, as a child runs it, on tables that hold the setup only."""
        empty_tables(self._server)
        pipeline: Pipeline = build_pipeline(self._settings, "shardId-000000000000", Log("error"))
        for batch in batches(self.setup):
            pipeline.process(batch)
        return lambda: [pipeline.process(batch) for batch in batches(self.measured)]


def _exchanges(
    plan: Plan, changes: list[RowChange], memory: MemoryStore
) -> list[tuple[Sequence[Operation], list[Any]]]:
    """What the engine asks for these changes, and the answers."""
    found: list[tuple[Sequence[Operation], list[Any]]] = []
    steps = project(plan, changes, AS_OF)
    try:
        group = next(steps)
        while True:
            replies = memory.run(group)
            found.append((group, replies))
            group = steps.send(replies)
    except StopIteration:
        return found


def _replayed(plan: Plan, changes: list[RowChange], exchanges: list[tuple[Sequence[Operation], list[Any]]]) -> None:
    steps = project(plan, changes, AS_OF)
    next(steps)
    try:
        for _, replies in exchanges:
            steps.send(replies)
    except StopIteration:
        return


def records(lines: Sequence[bytes]) -> list[StreamRecord]:
    """The records in deliveries, as a child makes them."""
    return [
        StreamRecord("s", one["sequenceNumber"], 0, one["partitionKey"], base64.b64decode(one["data"]), 0)
        for line in lines
        for one in orjson.loads(line)["records"]
    ]


def batches(found: Sequence[StreamRecord]) -> list[Sequence[StreamRecord]]:
    """As many at once as a worker takes."""
    return [found[start : start + BATCH] for start in range(0, len(found), BATCH)]


@contextmanager
def credentials() -> Iterator[None]:
    """The stages run in this process, whose environment names no credentials."""
    wanted = {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench"}
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def measure(server: Server, say: Callable[[str], None]) -> dict[str, float]:
    """The ratio of every stage."""
    found = {}
    with credentials():
        for stage in stages(server):
            found[stage.name] = round(ratio_to_reference(stage), 3)
            say(f"{stage.name}: {found[stage.name]:.3f} times the reference work")
    return found


def stored_ratios(path: Path = REFERENCE) -> dict[str, float]:
    """The ratios to compare with."""
    found: dict[str, float] = json.loads(path.read_text("utf-8"))["ratios"]
    return found


def store_ratios(found: Mapping[str, float], path: Path = REFERENCE) -> None:
    """Make these the ratios to compare with."""
    about = (
        "processor time of each stage, in times the reference work of bench/check.py; `python -m bench check --update`"
    )
    path.write_text(json.dumps({"about": about, "ratios": dict(found)}, indent=1) + "\n", encoding="utf-8")
