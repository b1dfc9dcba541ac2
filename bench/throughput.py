"""Processor time per change: the worker's child, and beside it what it is compared with."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from bench import workloads
from bench.child import DOCUMENTS, ROWS, WORKER, Child, ChildFailed, Used, cpu_seconds, empty_tables, used, worker
from bench.measured import Metric, quantile, ratios
from bench.session import Metrics, Session
from bench.workloads import Workload

NAIVE = "bench.handlers.naive"
CONDITIONAL_PUT = "bench.handlers.conditional_put"
STOCK_KCLPY = "bench.handlers.stock_kclpy"
PARSE_ONLY = "bench.handlers.parse_only"

LINE_INTERVAL_SECONDS = 0.5
"""KCL reads a shard so often by default (NEARVIEW_POLL_MILLIS)."""
HOT_RECORDS_PER_LINE = 200
DUE_SECONDS = 120
"""How long a large fan-out may take until all its documents are written."""


def run_once(
    session: Session, workload: Workload, module: str = WORKER, **settings: str
) -> tuple[Used, dict[str, float]]:
    """A new process on new tables; the worker's own counters for the measured lines beside what it used."""
    empty_tables(session.server)
    with worker(session.server, workload.mappings, module, **settings) as child:
        child.feed(workload.setup)
        before = child.metrics()
        found = child.measure(workload.lines, workload.changes)
        return found, {name: value - before.get(name, 0.0) for name, value in child.metrics().items()}


def flat(session: Session) -> Metrics:
    """One table without relations, guarded by versions, beside unguarded and guarded handlers and bare parsing."""
    sizes = session.sizes
    contenders = {
        WORKER: workloads.flat(sizes.flat_rows, sizes.flat_rows),
        NAIVE: workloads.flat(sizes.naive_rows, sizes.naive_rows),
        CONDITIONAL_PUT: workloads.flat(sizes.conditional_rows, sizes.conditional_rows),
        STOCK_KCLPY: workloads.flat(sizes.naive_rows, sizes.naive_rows),
        PARSE_ONLY: workloads.flat(sizes.parse_rows, sizes.parse_rows),
    }
    runs: dict[str, list[Used]] = {module: [] for module in contenders}
    counters: list[dict[str, float]] = []
    for _ in session.rounds("flat"):
        for module, workload in contenders.items():
            found, counted = run_once(session, workload, module)
            runs[module].append(found)
            if module == WORKER:
                counters.append(counted)
    cost = {module: [one.cpu_micros_per_record for one in found] for module, found in runs.items()}
    micros = {
        f"{module.rpartition('.')[2]}_cpu_per_change": Metric("us", tuple(cost[module]))
        for module in (NAIVE, CONDITIONAL_PUT, STOCK_KCLPY, PARSE_ONLY)
    }
    return {
        **_usage(runs[WORKER], counters),
        **micros,
        "ratio_to_naive": ratios("times less than naive", cost[NAIVE], cost[WORKER]),
        "ratio_to_conditional_put": ratios("times less than conditional_put", cost[CONDITIONAL_PUT], cost[WORKER]),
        "ratio_to_stock_kclpy": ratios("times less than stock_kclpy", cost[STOCK_KCLPY], cost[WORKER]),
        "ratio_to_parse_only": ratios("times more than parse_only", cost[WORKER], cost[PARSE_ONLY]),
    }


def nested(session: Session) -> Metrics:
    """New orders of 5 to 15 lines, customer and products looked up and followed: rows, edges and documents."""
    return _repeated(session, workloads.nested(session.sizes.orders))


def backlog(session: Session) -> Metrics:
    """Catching up: the same orders changed again and again, in large deliveries; folding writes each state once."""
    sizes = session.sizes
    return _repeated(session, workloads.backlog(sizes.backlog_orders, sizes.backlog_rounds))


def _repeated(session: Session, workload: Workload) -> Metrics:
    runs, counters = [], []
    for _ in session.rounds(workload.name):
        found, counted = run_once(session, workload)
        runs.append(found)
        counters.append(counted)
    return _usage(runs, counters)


def _usage(runs: Sequence[Used], counters: Sequence[dict[str, float]]) -> Metrics:
    """What is said of every run of the worker's child."""

    def metric(unit: str, of: Callable[[Used], float]) -> Metric:
        return Metric(unit, tuple(of(one) for one in runs))

    def counted(name: str) -> Metric:
        return Metric(
            "per change", tuple(c.get(name, 0.0) / one.records for one, c in zip(runs, counters, strict=True))
        )

    return {
        "cpu_per_change": metric("us", lambda one: one.cpu_micros_per_record),
        "changes_per_cpu_second": metric("1/s", lambda one: one.records / one.cpu_seconds),
        "changes_per_second": metric("1/s", lambda one: one.records / one.wall_seconds),
        "write_units_per_change": metric("WRU", lambda one: sum(one.write_units.values()) / one.records),
        "read_units_per_change": metric("RRU", lambda one: sum(one.read_units.values()) / one.records),
        "row_write_units_per_document": metric("WRU", lambda one: _each(one.write_units[ROWS], one)),
        "document_write_units_per_document": metric("WRU", lambda one: _each(one.write_units[DOCUMENTS], one)),
        "documents_written": metric("per change", lambda one: one.written[DOCUMENTS] / one.records),
        "calls": metric("per change", lambda one: sum(one.calls.values()) / one.records),
        "avoided_by_folding": counted("nearview_changes_folded_total"),
        "avoided_by_equal_rows": counted("nearview_changes_unchanged_total"),
        "avoided_by_fingerprint": counted("nearview_document_skips_total"),
        "peak_memory": metric("MB", lambda one: one.peak_megabytes),
    }


def _each(units: float, one: Used) -> float:
    return units / one.written[DOCUMENTS] if one.written[DOCUMENTS] else 0.0


def conditional_writes(session: Session) -> Metrics:
    """New orders with conditional writes in batches of 25 statements, and with each in a call of its own."""
    workload = workloads.nested(session.sizes.orders // 3)
    runs: dict[str, list[Used]] = {"batched": [], "single": []}
    for _ in session.rounds("conditional writes"):
        for form, found in runs.items():
            found.append(run_once(session, workload, NEARVIEW_CONDITIONAL_WRITES=form)[0])
    cost = {form: [one.cpu_micros_per_record for one in found] for form, found in runs.items()}
    units = {form: [sum(one.write_units.values()) / one.records for one in found] for form, found in runs.items()}
    calls = {form: [sum(one.calls.values()) / one.records for one in found] for form, found in runs.items()}
    return {
        **{f"{form}_cpu_per_change": Metric("us", tuple(cost[form])) for form in runs},
        **{f"{form}_calls": Metric("per change", tuple(calls[form])) for form in runs},
        **{f"{form}_write_units_per_change": Metric("WRU", tuple(units[form])) for form in runs},
        "batched_ratio": ratios("times less than single", cost["single"], cost["batched"]),
    }


def replay(session: Session) -> Metrics:
    """The same records again, by a new process, as when checkpoints are set back: reads only."""
    flat_workload = workloads.flat(session.sizes.flat_rows, 0)
    found: Metrics = {}
    all_writes = [0.0] * session.runs
    for workload in (workloads.nested(session.sizes.orders), flat_workload):
        firsts, seconds, writes, walls = [], [], [], []
        for _ in session.rounds(f"replay of {workload.name}"):
            empty_tables(session.server)
            with worker(session.server, workload.mappings) as child:
                child.feed(workload.setup)
                first = child.measure(workload.lines, workload.changes)
                child.rest()
            with worker(session.server, workload.mappings) as child:
                second = child.measure(workload.lines, workload.changes)
            firsts.append(first.cpu_micros_per_record)
            seconds.append(second.cpu_micros_per_record)
            walls.append(first.wall_seconds / second.wall_seconds)
            writes.append(float(sum(second.written.values()) + sum(second.refused.values())))
        found[f"{workload.name}_first_cpu_per_change"] = Metric("us", tuple(firsts))
        found[f"{workload.name}_replay_cpu_per_change"] = Metric("us", tuple(seconds))
        found[f"{workload.name}_speedup"] = ratios("times less", firsts, seconds)
        found[f"{workload.name}_wall_speedup"] = Metric("times less", tuple(walls))
        found[f"{workload.name}_writes"] = Metric("writes", tuple(writes))
        all_writes = [one + more for one, more in zip(all_writes, writes, strict=True)]
    found["writes"] = Metric("writes", tuple(all_writes))
    return found


# --- hot lookup -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Hot:
    """One run of the hot lookup; latencies are those of the other orders' deliveries."""

    undisturbed: list[float]
    disturbed: list[float]
    done_seconds: float
    memory_before: float
    memory_peak: float
    cpu_per_document: float


def hot_lookup(session: Session) -> Metrics:
    """One product in very many orders is renamed while other orders stream through the same shard at a fixed rate."""
    sizes = session.sizes
    runs = [_hot_once(session, seed) for seed in session.rounds("hot lookup")]
    before = [quantile(run.undisturbed, 0.99) * 1000 for run in runs]
    after = [quantile(run.disturbed, 0.99) * 1000 for run in runs]
    return {
        "referring_documents": Metric("documents", (float(sizes.referrers),)),
        "undisturbed_p50": Metric("ms", tuple(quantile(run.undisturbed, 0.5) * 1000 for run in runs)),
        "undisturbed_p99": Metric("ms", tuple(before)),
        "disturbed_p50": Metric("ms", tuple(quantile(run.disturbed, 0.5) * 1000 for run in runs)),
        "disturbed_p99": Metric("ms", tuple(after)),
        "p99_ratio": ratios("times more", after, before),
        "all_renamed_after": Metric("s", tuple(run.done_seconds for run in runs)),
        "cpu_per_renamed_document": Metric("us", tuple(run.cpu_per_document for run in runs)),
        "memory_before": Metric("MB", tuple(run.memory_before for run in runs)),
        "peak_memory": Metric("MB", tuple(run.memory_peak for run in runs)),
    }


def _hot_once(session: Session, seed: int) -> Hot:
    sizes = session.sizes
    hot = workloads.hot_lookup(sizes.referrers, sizes.hot_orders, HOT_RECORDS_PER_LINE, seed=40 + seed)
    empty_tables(session.server)
    with worker(session.server, workloads.MAPPINGS / "nested") as child:
        child.feed(hot.setup)
        from_start = _Clock(session, child)
        undisturbed = _paced(child, hot.before)
        alone = from_start.used()
        from_rename = _Clock(session, child)
        child_memory = alone.peak_megabytes
        # the rename comes in the stream's own rhythm; its delivery is not one of the others
        disturbed = _paced(child, [hot.rename, *hot.after])[1:]
        wanted = hot.documents_after + hot.referrers
        done = _wait_for(lambda: from_rename.used().written[DOCUMENTS] >= wanted, DUE_SECONDS)
        both = from_rename.used()
        if not done:
            raise ChildFailed(f"the rename did not reach all documents within {DUE_SECONDS} s")
        _require_title(session, hot)
        return Hot(
            undisturbed=undisturbed,
            disturbed=disturbed,
            done_seconds=from_rename.seconds(),
            memory_before=child_memory,
            memory_peak=both.peak_megabytes,
            cpu_per_document=(both.cpu_seconds - alone.cpu_seconds) / hot.referrers * 1e6,
        )


class _Clock:
    """What the child used since it was made."""

    def __init__(self, session: Session, child: Child) -> None:
        self._session, self._child = session, child
        self._before = session.server.call("Statistics")
        self._wall, self._cpu = time.monotonic(), cpu_seconds(child.pid)

    def seconds(self) -> float:
        """Wall time so far."""
        return time.monotonic() - self._wall

    def used(self) -> Used:
        """Everything so far."""
        after = self._session.server.call("Statistics")
        cpu = cpu_seconds(self._child.pid) - self._cpu
        return used(0, cpu, self.seconds(), self._child.peak_megabytes(), self._before, after)


def _paced(child: Child, lines: Sequence[bytes]) -> list[float]:
    """Deliver lines at a fixed rate; seconds from when each was to be delivered to its status."""
    start = time.monotonic()
    latencies = []
    for at, line in enumerate(lines):
        planned = start + at * LINE_INTERVAL_SECONDS
        time.sleep(max(0.0, planned - time.monotonic()))
        child.deliver(line)
        latencies.append(time.monotonic() - planned)
    return latencies


def _wait_for(holds: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _require_title(session: Session, hot: workloads.HotLookup) -> None:
    """Every referring order shows the new title. Raises ChildFailed."""
    titles = [
        line["M"]["product"]["M"]["title"]["S"]
        for item in session.server.items(DOCUMENTS)
        if int(item["order_id"]["N"]) <= hot.referrers
        for line in item["lines"]["L"]
    ]
    if titles != [hot.title] * hot.referrers:
        raise ChildFailed(f"{sum(title != hot.title for title in titles)} documents do not show the new title")


# --- shards, documents and fan-out as they grow -------------------------------------------------------------------


def shards(session: Session) -> Metrics:
    """The same number of new orders by 1, 2 and 4 children side by side."""
    found: dict[str, list[float]] = {}
    for _ in session.rounds("shards"):
        for count in (1, 2, 4):
            cpu, wall, memory = _shards_once(session, workloads.shards(session.sizes.shard_orders, count))
            found.setdefault(f"{count}_cpu_per_change", []).append(cpu)
            found.setdefault(f"{count}_changes_per_second", []).append(wall)
            found.setdefault(f"{count}_peak_memory", []).append(memory)
    units = {"change": "us", "second": "1/s", "memory": "MB"}
    return {name: Metric(units[name.rpartition("_")[2]], tuple(values)) for name, values in found.items()}


def _shards_once(session: Session, parts: list[Workload]) -> tuple[float, float, float]:
    """Processor microseconds per change, changes per second of wall time, memory of all children."""
    empty_tables(session.server)
    with ExitStack() as stack:
        children = [stack.enter_context(worker(session.server, parts[0].mappings)) for _ in parts]
        for child, part in zip(children, parts, strict=True):
            child.feed(part.setup)
        threads = [
            threading.Thread(target=child.feed, args=(part.lines,)) for child, part in zip(children, parts, strict=True)
        ]
        cpu, wall = sum(cpu_seconds(child.pid) for child in children), time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        cpu = sum(cpu_seconds(child.pid) for child in children) - cpu
        wall = time.monotonic() - wall
        changes = sum(part.changes for part in parts)
        return cpu / changes * 1e6, changes / wall, sum(child.peak_megabytes() for child in children)


DOCUMENT_KILOBYTES = (1, 10, 100, 390)
DOCUMENT_LINES = 10
DOCUMENTS_AT_ONCE = 4
"""Every delivery changes a line of so many documents, whatever their size: what a delivery itself costs is in all."""
LINE_BYTES = 75
"""What a line takes in a document beside its product's title."""


def documents(session: Session) -> Metrics:
    """One line of documents of 1, 10, 100 and 390 KB changes: ten lines each, with titles as long as it takes."""
    found: Metrics = {}
    for kilobytes in DOCUMENT_KILOBYTES:
        title = max(10, kilobytes * 1000 // DOCUMENT_LINES - LINE_BYTES)
        rounds = 40 if kilobytes < 100 else 15
        workload = workloads.wide_documents(DOCUMENTS_AT_ONCE, DOCUMENT_LINES, rounds, title)
        found.update(_grown(session, f"{kilobytes}_kb", workload))
    return found


def children(session: Session) -> Metrics:
    """One line of orders of more and more lines changes."""
    found: Metrics = {}
    for count in session.sizes.children:
        workload = workloads.wide_documents(DOCUMENTS_AT_ONCE, count, 40 if count < 1000 else 15)
        found.update(_grown(session, f"{count}_lines", workload))
    return found


def _grown(session: Session, name: str, workload: Workload) -> Metrics:
    cost, memory, size = [], [], []
    for _ in session.rounds(name.replace("_", " ")):
        one, _ = run_once(session, workload)
        cost.append(one.cpu_micros_per_record)
        memory.append(one.peak_megabytes)
        size.append(_each(one.write_units[DOCUMENTS], one))
    return {
        f"{name}_cpu_per_change": Metric("us", tuple(cost)),
        f"{name}_write_units_per_document": Metric("WRU", tuple(size)),
        f"{name}_peak_memory": Metric("MB", tuple(memory)),
    }


def fan_out(session: Session) -> Metrics:
    """A product in more and more orders is renamed: the cost of each document that it touches."""
    found: Metrics = {}
    for referrers in session.sizes.fan_outs:
        renames = max(1, 200 // referrers)
        workload = workloads.fan_out(referrers, renames)
        rounds = session.rounds(f"fan-out to {referrers} documents")
        runs = [_fan_out_once(session, workload, referrers) for _ in rounds]
        found[f"{referrers}_cpu_per_document"] = Metric("us", tuple(cpu for cpu, _ in runs))
        found[f"{referrers}_peak_memory"] = Metric("MB", tuple(memory for _, memory in runs))
    return found


def _fan_out_once(session: Session, workload: Workload, referrers: int) -> tuple[float, float]:
    empty_tables(session.server)
    with worker(session.server, workload.mappings) as child:
        child.feed(workload.setup)
        clock = _Clock(session, child)

        def all_written(at: int) -> None:
            wanted = referrers * (at + 1)
            if not _wait_for(lambda: clock.used().written[DOCUMENTS] >= wanted, DUE_SECONDS):
                raise ChildFailed(f"{wanted} documents were not written within {DUE_SECONDS} s")

        one = child.measure(workload.lines, workload.changes, all_written)
        return one.cpu_seconds / (referrers * workload.changes) * 1e6, one.peak_megabytes
