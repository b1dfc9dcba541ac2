"""The /metrics text: the children's values merged over their processes, with what only the supervisor knows."""

import importlib.metadata
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import CollectorRegistry

from worker import metrics
from worker.supervisor.health import Health

STALLED_SECONDS = 60.0
_CHECKPOINT_AGE = "nearview_checkpoint_age_seconds"
# ages are computed when they are asked for: a child that hangs cannot keep its own age up to date
_AGES = {
    "nearview_newest_commit_timestamp_seconds": (
        "nearview_newest_commit_age_seconds",
        "Seconds since the newest commit in the shard's last batch with changes.",
    ),
    "nearview_checkpoint_timestamp_seconds": (
        _CHECKPOINT_AGE,
        "Seconds since the shard's checkpoint last covered everything delivered.",
    ),
}
_MERGED = "merged"
_HELD = {
    "parking_limit": "more was parked than NEARVIEW_PARKED_LIMIT; see nearview parked list, nearview parked allow",
    "parking_store": "the parking table, or the key of its payloads, does not answer; see store_retried in its log",
    "fenced": "fenced: the other regions do not confirm that its region is the primary; see shard_held in its log",
}


class ChildMetrics:
    """The metric files of children. Those of ended processes are merged: every lease move makes new ones."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()

    def collect(self) -> list[Metric]:
        """All metrics, merged."""
        with self._lock:
            collector = MultiProcessCollector(None, str(self._folder))  # type: ignore[no-untyped-call]
            return list(collector.collect())  # type: ignore[no-untyped-call]

    def sweep(self, is_gone: Callable[[int], bool]) -> None:
        """Withdraw the gauges of processes that are gone and keep their counts."""
        with self._lock:
            for path in sorted(self._folder.glob("*.db")):
                owner = path.stem.rpartition("_")[2]
                if owner == _MERGED or not is_gone(int(owner)):
                    continue
                metrics.process_ended(int(owner), self._folder)
                if path.exists():
                    self._merge(path)

    def _merge(self, path: Path) -> None:
        kind = path.stem.rpartition("_")[0]
        target = MmapedDict(str(self._folder / f"{kind}_{_MERGED}.db"))  # type: ignore[no-untyped-call]
        try:
            for key, value, timestamp, _ in MmapedDict.read_all_values_from_file(str(path)):  # type: ignore[no-untyped-call]
                known, _ = target.read_value(key)  # type: ignore[no-untyped-call]
                target.write_value(key, known + value, timestamp)  # type: ignore[no-untyped-call]
        finally:
            target.close()  # type: ignore[no-untyped-call]
        path.unlink()


class WorkerCollector:
    """A prometheus_client collector of the whole worker."""

    def __init__(
        self,
        children: ChildMetrics,
        health: Health,
        clock: Callable[[], float] = time.time,
        complete: Callable[[], Mapping[str, float]] | None = None,
    ) -> None:
        """`complete`: by source table the commit time up to which documents are complete, in seconds."""
        self._complete = complete
        self._children = children
        self._health = health
        self._clock = clock

    def collect(self) -> Iterator[Metric]:
        """Every metric, as prometheus_client asks for them."""
        merged = self._children.collect()
        yield from merged
        yield from self._ages(merged)
        yield from self._complete_up_to()
        build = InfoMetricFamily("nearview_build", "What is running.")
        build.add_metric([], {"version": version("nearview"), "amazon_kclpy": version("amazon_kclpy")})
        yield build
        yield CounterMetricFamily(
            "nearview_daemon_restarts", "Daemons that ended unasked.", value=self._health.restarts
        )
        yield CounterMetricFamily(
            "nearview_leases_taken_over", "Leases taken because nobody worked on them.", value=self._health.leases_taken
        )
        yield CounterMetricFamily(
            "nearview_children_hung", "Children ended because they hung.", value=self._health.children_hung
        )
        yield GaugeMetricFamily("nearview_daemon_up", "1 while a daemon runs.", value=self._health.daemon_runs)
        yield GaugeMetricFamily("nearview_healthy", "1 while /healthz is green.", value=self._health.green)

    def _complete_up_to(self) -> Iterator[Metric]:
        now = self._clock()
        at = GaugeMetricFamily(
            "nearview_complete_timestamp_seconds",
            "Commit time on the source up to which documents show all changes of a table.",
            labels=["table"],
        )
        age = GaugeMetricFamily("nearview_complete_age_seconds", "Seconds since that time.", labels=["table"])
        for table, seconds in (self._complete() if self._complete else {}).items():
            at.add_metric([table], seconds)
            age.add_metric([table], max(0.0, now - seconds))
        yield at
        yield age

    def _ages(self, merged: Iterable[Metric]) -> Iterator[Metric]:
        now = self._clock()
        for metric in merged:
            if metric.name in _AGES:
                age = GaugeMetricFamily(*_AGES[metric.name], labels=["shard"])
                for sample in metric.samples:
                    age.add_metric([sample.labels["shard"]], max(0.0, now - sample.value))
                yield age

    def stalled_shards(self) -> list[str]:
        """A line for each shard that holds, or is stuck in a batch; an idle one is covered anew with every empty
        delivery."""
        merged = self._children.collect()
        held = [
            f"{sample.labels['shard']} holds: {_HELD.get(sample.labels['reason'], sample.labels['reason'])}"
            for metric in merged
            if metric.name == "nearview_shard_held"
            for sample in metric.samples
            if sample.value
        ]
        return held + [
            f"{sample.labels['shard']} has not advanced for {sample.value:.0f} seconds: see its retries and its log"
            for metric in self._ages(merged)
            if metric.name == _CHECKPOINT_AGE
            for sample in metric.samples
            if sample.value > STALLED_SECONDS
        ]

    def text(self) -> bytes:
        """The body of /metrics."""
        registry = CollectorRegistry(auto_describe=False)
        registry.register(self)
        return generate_latest(registry)


def version(package: str) -> str:
    """Version of an installed package; "unknown" if it runs from a folder without being installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


def process_is_gone(pid: int) -> bool:
    """Whether no such process runs any more; one that was left to us by its dead parent is reaped on the way."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        pass
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
