"""What the workers export: every series with its labels, as Prometheus sees it."""

from __future__ import annotations

from pathlib import Path

from prometheus_client import Counter, Gauge, Histogram

from worker import metrics
from worker.log import Log
from worker.supervisor import collector
from worker.supervisor.collector import ChildMetrics, WorkerCollector
from worker.supervisor.health import Health


def exported_series(folder: Path) -> dict[str, set[str]]:
    """The labels that each series may have; `folder` is an empty one for the metric files of no child."""
    found: dict[str, set[str]] = {}
    for metric in vars(metrics).values():
        if isinstance(metric, (Counter, Gauge, Histogram)):
            labels = set(metric._labelnames)
            (family,) = metric.collect()
            for suffix in {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}.get(family.type, ("",)):
                found[family.name + suffix] = labels | ({"le"} if suffix == "_bucket" else set())
            if family.name in collector._AGES:
                found[collector._AGES[family.name][0]] = labels
    for family in WorkerCollector(ChildMetrics(folder), Health(Log()), complete=lambda: {"s.t": 0.0}).collect():
        for sample in family.samples:
            found[sample.name] = set(sample.labels)
    return found
