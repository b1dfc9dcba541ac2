"""The result of examples as lines and tables for people, and as one JSON object for programs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import click
from rich.console import Console

from worker.examples.coverage import Coverage
from worker.examples.run import Outcome
from worker.examples.suite import Result
from worker.grid import grid
from worker.records.envelope import Operation


def print_result(result: Result, *, coverage: bool) -> None:
    """Every example with its failures, the coverage if wanted, and one line at the end."""
    path = ""
    for outcome in result.outcomes:
        if outcome.example.at.path != path:
            path = outcome.example.at.path
            click.echo(path)
        click.echo(f"  {'FAIL' if outcome.failures else 'ok  '}  {outcome.example.name}")
        for failure in outcome.failures:
            click.echo(f"          {failure}")
    if coverage:
        _print_coverage(result.coverage)
    total = len(result.outcomes)
    click.echo(f"{total} {'example' if total == 1 else 'examples'}, {result.failed or 'none'} failed")


def _print_coverage(coverages: Iterable[Coverage]) -> None:
    table = grid()
    for name in ("aggregate", "examples", "table"):
        table.add_column(name, justify="right" if name == "examples" else "left", overflow="fold")
    for operation in Operation:
        table.add_column(str(operation), justify="right")
    table.add_column("branches", justify="right", no_wrap=True)
    for coverage in coverages:
        of_all = f"{coverage.taken} of {len(coverage.branches)}"
        head = [coverage.aggregate, str(coverage.examples)]
        for name, counts in coverage.changes.items():
            table.add_row(*head, name, *(str(counts[operation] or "-") for operation in Operation), of_all)
            head, of_all = ["", ""], ""
    click.echo("")
    Console().print(table)
    for coverage in coverages:
        by_place: dict[str, list[str]] = {}
        for place, case in coverage.missing:
            by_place.setdefault(place, []).append(case)
        for place, cases in by_place.items():
            click.echo(f"not exercised  {coverage.aggregate}  {place}  {', '.join(cases)}")
    click.echo("")


def as_json(result: Result) -> dict[str, Any]:
    """The same for programs."""
    return {
        "failed": result.failed,
        "examples": [_outcome(outcome) for outcome in result.outcomes],
        "coverage": [_coverage(coverage) for coverage in result.coverage],
    }


def _outcome(outcome: Outcome) -> dict[str, Any]:
    example = outcome.example
    return {
        "aggregate": example.aggregate,
        "name": example.name,
        "at": str(example.at),
        "failures": [
            {"at": str(failure.at), "message": failure.message, "arrivals": list(failure.arrivals)}
            for failure in outcome.failures
        ],
    }


def _coverage(coverage: Coverage) -> dict[str, Any]:
    return {
        "aggregate": coverage.aggregate,
        "examples": coverage.examples,
        "changes": {
            table: {str(operation): counts[operation] for operation in Operation}
            for table, counts in coverage.changes.items()
        },
        "branches": [
            {"place": place, "case": case, "taken": count} for (place, case), count in coverage.branches.items()
        ],
    }
