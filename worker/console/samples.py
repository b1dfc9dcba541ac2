"""What the workers' metrics say: one sample of all of them, and how fast things go between two samples. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from prometheus_client.parser import text_string_to_metric_families

KEPT: Final = 900
"""Half an hour of samples every two seconds."""
RATES: Final = {
    "records": "nearview_records_total",
    "changes": "nearview_changes_total",
    "documents": "nearview_document_writes_total",
}
_SHARD: Final = {
    "nearview_millis_behind_latest": "behind_millis",
    "nearview_newest_commit_age_seconds": "commit_age_seconds",
    "nearview_checkpoint_age_seconds": "checkpoint_age_seconds",
    "nearview_due": "due",
}
COUNTED: Final = {
    "records": "nearview_records_total",
    "retries": "nearview_retries_total",
    "restarts": "nearview_daemon_restarts_total",
}
_TOTALS: Final = frozenset({*RATES.values(), *COUNTED.values()})


@dataclass(frozen=True, slots=True)
class Worker:
    """What one worker says; `problem` instead if it does not answer. `totals` by metric, `shards` by shard and what."""

    url: str
    problem: str = ""
    version: str = ""
    healthy: bool = False
    problems: tuple[str, ...] = ()
    totals: Mapping[str, float] = field(default_factory=dict)
    shards: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


def read_worker(url: str, text: str, problems: tuple[str, ...]) -> Worker:
    """The metrics page and the lines of /healthz. Raises ValueError for a page that is none."""
    totals: dict[str, float] = {}
    shards: dict[str, dict[str, float]] = {}
    version, healthy = "", False
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name in _TOTALS:
                totals[sample.name] = totals.get(sample.name, 0.0) + sample.value
            elif sample.name in _SHARD:
                shards.setdefault(sample.labels["shard"], {})[_SHARD[sample.name]] = sample.value
            elif sample.name == "nearview_build_info":
                version = sample.labels["version"]
            elif sample.name == "nearview_healthy":
                healthy = sample.value == 1
    if not version:
        raise ValueError("no metrics of a nearview worker")
    return Worker(url, "", version, healthy, problems, totals, shards)


class History:
    """The newest samples of all workers, and rates a second between them."""

    def __init__(self, kept: int = KEPT) -> None:
        self.workers: tuple[Worker, ...] = ()
        self.points: deque[dict[str, float | None]] = deque(maxlen=kept)
        self._at = 0.0
        self._totals: dict[str, Mapping[str, float]] = {}

    def add(self, at: float, workers: Iterable[Worker]) -> None:
        """A sample taken at a time since the epoch, in seconds."""
        self.workers = tuple(workers)
        seconds = at - self._at
        point: dict[str, float | None] = {"at": at}
        for name, metric in RATES.items():
            grown = [self._grown(worker, metric) for worker in self.workers if not worker.problem]
            known = [growth for growth in grown if growth is not None]
            point[name] = sum(known) / seconds if known and seconds > 0 else None
        behind = [shard["behind_millis"] for _, shard in self._shards() if "behind_millis" in shard]
        point["behind_millis"] = max(behind, default=None)
        self.points.append(point)
        self._at = at
        self._totals = {worker.url: worker.totals for worker in self.workers if not worker.problem}

    def _grown(self, worker: Worker, metric: str) -> float | None:
        """What a counter has grown by; one that is smaller than before has begun anew."""
        before = self._totals.get(worker.url)
        if before is None:
            return None
        now, then = worker.totals.get(metric, 0.0), before.get(metric, 0.0)
        return now - then if now >= then else now

    def _shards(self) -> Iterable[tuple[str, Mapping[str, float]]]:
        return ((name, shard) for worker in self.workers for name, shard in worker.shards.items())

    def report(self) -> dict[str, Any]:
        """All of it for the page."""
        shards = [
            {"shard": name, "worker": worker.url, **shard}
            for worker in self.workers
            for name, shard in worker.shards.items()
        ]
        return {
            "workers": [
                {
                    "url": worker.url,
                    "problem": worker.problem,
                    "version": worker.version,
                    "healthy": worker.healthy,
                    "problems": worker.problems,
                    **{name: worker.totals.get(metric, 0.0) for name, metric in COUNTED.items()},
                }
                for worker in self.workers
            ],
            "shards": sorted(shards, key=lambda shard: str(shard["shard"])),
            "points": list(self.points),
        }
