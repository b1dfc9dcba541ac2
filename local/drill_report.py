"""What a drill has found: for drill.json, and for people."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from local.drill_times import ROUTE_53, Delays


@dataclass(slots=True)
class Report:
    """What is written to drill.json; seconds, counts, and the steps of both failovers with their evidence."""

    detect_seconds: float = 0.0
    reads_unavailable_seconds: float = 0.0
    commands_unavailable_seconds: float = 0.0
    automatic_seconds: float = 0.0
    automatic_seconds_with_delays: dict[str, Any] = field(default_factory=dict)
    refused_reasons: dict[str, int] = field(default_factory=dict)
    promotion_seconds: float = 0.0
    fail_back_seconds: float = 0.0
    old_primary_when_back: str = ""
    old_worker_when_back: str = ""
    written_by_the_isolated_region: dict[str, int] = field(default_factory=dict)
    reads: int = 0
    commands: int = 0
    commands_acknowledged: int = 0
    commands_lost: int = 0
    commands_twice: int = 0
    commands_without_answer: int = 0
    documents_compared: int = 0
    documents_lost: int = 0
    steps: list[dict[str, Any]] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Whether nothing was lost, done twice, or left open."""
        return not (self.documents_lost or self.commands_lost or self.commands_twice or self.commands_without_answer)


def write(report: Report, file: Path) -> None:
    """drill.json."""
    file.write_text(json.dumps(as_json(report), indent=1) + "\n")


def as_json(report: Report) -> dict[str, Any]:
    """The report as data."""
    return {name: getattr(report, name) for name in Report.__slots__}


def show(report: Report, delays: Delays) -> None:
    """The report for people."""
    console = Console()
    steps = Table("step", "seconds", "evidence")
    for step in report.steps:
        evidence = ", ".join(f"{name}: {value}" for name, value in step["evidence"].items())
        steps.add_row(step["step"], f"{step['seconds']:.1f}", evidence)
    console.print(steps)
    slow = report.automatic_seconds_with_delays
    rows = (
        ("detected by health checks", f"{report.detect_seconds} s ({delays.threshold} x {delays.interval} s)"),
        ("automatic: reads elsewhere, commands refused", f"{report.automatic_seconds} s as run"),
        (
            f"the same: {ROUTE_53.threshold} checks every {ROUTE_53.interval:g} s, names kept for {ROUTE_53.ttl:g} s",
            f"{slow['middle']} s; longest {slow['longest']} s, under 83 s in {slow['share_below_83']:.0%} of all cases",
        ),
        ("reads not answered", f"{report.reads_unavailable_seconds} s"),
        ("commands not executed", f"{report.commands_unavailable_seconds} s"),
        ("promotion, begun by a person", f"{report.promotion_seconds} s"),
        ("fail back, begun by a person", f"{report.fail_back_seconds} s"),
        ("reasons of refusals", ", ".join(f"{reason}: {n}" for reason, n in report.refused_reasons.items())),
        ("the old primary, back", report.old_primary_when_back),
        ("its worker", report.old_worker_when_back),
        ("what it wrote while alone", ", ".join(f"{k}: {v}" for k, v in report.written_by_the_isolated_region.items())),
        ("reads, commands", f"{report.reads}, {report.commands} ({report.commands_acknowledged} acknowledged)"),
        ("commands lost, executed twice", f"{report.commands_lost}, {report.commands_twice}"),
        ("commands without an answer at the end", str(report.commands_without_answer)),
        ("documents lost", f"{report.documents_lost} of {report.documents_compared} compared in both regions"),
    )
    table = Table("what", "measured")
    for name, value in rows:
        table.add_row(name, value)
    console.print(table)
