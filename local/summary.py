"""What the demo measured, and how it is shown."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Summary:
    """What the demo measured; latencies and times in seconds."""

    seconds: dict[str, float] = field(default_factory=dict)
    rows_loaded: int = 0
    changes_streamed: int = 0
    workload: dict[str, Any] = field(default_factory=dict)
    folded: int = 0
    command_seconds: float | None = None
    latency_p50_seconds: float | None = None
    latency_p99_seconds: float | None = None
    latency_samples: int = 0
    child_killed_seconds: float | None = None
    worker_killed_seconds: float | None = None
    documents: int = 0
    differences: int = -1


def millis(seconds: float | None) -> str:
    """A time as the summary shows it."""
    return "unknown" if seconds is None else f"{seconds * 1000:,.0f} ms"


def summary_rows(summary: Summary) -> list[tuple[str, str]]:
    """The summary as a table of two columns."""
    return [
        ("rows loaded", f"{summary.rows_loaded:,}"),
        ("changes streamed", f"{summary.changes_streamed:,}"),
        ("documents", f"{summary.documents:,}"),
        ("changes folded into newer ones", f"{summary.folded:,}"),
        (
            "commit to readable document",
            (
                f"p50 {millis(summary.latency_p50_seconds)}, p99 {millis(summary.latency_p99_seconds)}"
                f" ({summary.latency_samples} samples)"
            ),
        ),
        ("command through the API to changed document", millis(summary.command_seconds)),
        ("one child killed: next records durable after", _seconds(summary.child_killed_seconds)),
        ("whole worker killed: next records durable after", _seconds(summary.worker_killed_seconds)),
        ("time", ", ".join(f"{phase} {seconds} s" for phase, seconds in summary.seconds.items())),
        ("differences", f"{summary.differences:,}"),
    ]


def _seconds(seconds: float | None) -> str:
    return "unknown" if seconds is None else f"{seconds:.1f} s"
