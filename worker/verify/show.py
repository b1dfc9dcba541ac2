"""A report for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, Final

import click
from rich import box
from rich.console import Console
from rich.table import Table

from worker.verify.compare import printable, value_text
from worker.verify.report import Counts, Finding, Kind, Report

_COLUMNS: Final = ("expected", "stored", "equal", "missing", "surplus", "different", "parked", "moving")


def print_report(report: Report, *, values: bool) -> None:
    """Tables and lines on stdout; `values`: also the values that differ."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), collapse_padding=True, pad_edge=False, show_edge=False)
    table.add_column("aggregate", overflow="fold")
    for name in _COLUMNS:
        table.add_column(name, justify="right", no_wrap=True)
    for aggregate, counts in report.aggregates.items():
        table.add_row(aggregate, *(f"{number:,}" for number in _numbers(counts).values()))
    Console().print(table)
    for line in _lines(report, values):
        click.echo(line)
    click.echo(report.summary())


def _lines(report: Report, values: bool) -> Iterator[str]:
    for entry in report.uncompared:
        yield f"not compared  {entry.place}: {entry.reason}"
    for limit in report.not_carried:
        yield f"not comparable  {limit.column}: {limit.values} ({limit.setting})"
    for finding in report.first:
        yield _line(finding)
        if values and finding.kind is Kind.DIFFERENT:
            yield f"    expected {value_text(finding.expected)}\n    stored   {value_text(finding.stored)}"
    for stale in report.stale:
        row = f" {printable(stale.row)}" if stale.row else ""
        yield f"reload  {stale.table}{row}: {stale.why} ({stale.aggregate} {printable(stale.key)})"
    if report.differences > len(report.first):
        yield f"and {report.differences - len(report.first):,} more (--first {report.differences} shows all)"


def _line(finding: Finding) -> str:
    parts = [finding.kind, finding.aggregate, finding.key, finding.path]
    line = printable("  ".join(part for part in parts if part))
    return f"{line}: {finding.note}" if finding.note else line


def _numbers(counts: Counts) -> dict[str, int]:
    return {name: getattr(counts, name) for name in _COLUMNS}


def as_json(report: Report, *, values: bool) -> dict[str, Any]:
    """One JSON object; values as JSON texts, so that numbers stay exact."""
    return {
        "verified": report.verified,
        "differences": report.differences,
        "parked": report.parked,
        "moving": report.moving,
        "aggregates": {name: _numbers(counts) for name, counts in report.aggregates.items()},
        "not_compared": [asdict(entry) for entry in report.uncompared],
        "not_comparable": [asdict(limit) for limit in report.not_carried],
        "rebuilt": report.rebuilt,
        "reload": [asdict(stale) for stale in report.stale],
        "first": [_finding(finding, values) for finding in report.first],
    }


def _finding(finding: Finding, values: bool) -> dict[str, str]:
    shown = {
        "kind": finding.kind.value,
        "aggregate": finding.aggregate,
        "key": finding.key,
        "path": finding.path,
        "note": finding.note,
    }
    if values and finding.kind is Kind.DIFFERENT:
        shown |= {"expected": value_text(finding.expected), "stored": value_text(finding.stored)}
    return shown
