"""`nearview verify` on the command line. The report goes to stdout, progress and errors to stderr."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import click
from rich import box
from rich.console import Console
from rich.table import Table

from contract.mapping import Mapping
from worker.mapping.loader import load_mappings
from worker.verify.compare import printable, value_text
from worker.verify.errors import VerifyError
from worker.verify.report import Counts, Finding, Kind, Report

EXIT_EQUAL: Final = 0
EXIT_DIFFERENT: Final = 1
EXIT_UNUSABLE: Final = 2

_COLUMNS: Final = ("expected", "stored", "equal", "missing", "surplus", "different", "parked")


@click.command()
@click.option(
    "--source",
    envvar="NEARVIEW_SOURCE_URL",
    required=True,
    metavar="URL",
    show_envvar=True,
    help="The source database: postgresql://user:password@host:port/database.",
)
@click.option(
    "--mappings",
    envvar="NEARVIEW_MAPPINGS",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=Path("mappings"),
    show_default=True,
    show_envvar=True,
    help="Folder of the mapping files.",
)
@click.option(
    "--documents-table",
    envvar="NEARVIEW_DOCUMENTS_TABLE",
    default="nearview-documents",
    show_default=True,
    show_envvar=True,
    metavar="NAME",
    help="DynamoDB table of the documents (region: AWS_REGION, endpoint of a stand-in: AWS_ENDPOINT_URL).",
)
@click.option(
    "--first",
    type=click.IntRange(min=0),
    default=10,
    show_default=True,
    metavar="N",
    help="How many differences to show.",
)
@click.option("--show-values", is_flag=True, help="Show the values that differ; they are the business's own data.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of tables.")
def verify(source: str, mappings: Path, documents_table: str, first: int, show_values: bool, as_json: bool) -> None:
    """Prove that every document equals what SQL on the source says.

    Reads the source in one read-only snapshot and the documents table strongly consistent; writes nothing. Run it when
    the worker has caught up: what is still on its way counts as a difference.

    Exit codes: 0 no difference, 1 differences, 2 nothing could be verified.
    """
    try:
        report = _run(source, _mapping(mappings), documents_table, first)
    except VerifyError as error:
        for line in str(error).splitlines():
            click.echo(f"nearview verify: {line}", err=True)
        raise SystemExit(EXIT_UNUSABLE) from None
    if as_json:
        click.echo(json.dumps(_as_json(report, show_values), indent=1))
    else:
        _print(report, show_values)
    raise SystemExit(EXIT_DIFFERENT if report.differences else EXIT_EQUAL)


def _mapping(folder: Path) -> Mapping:
    mapping, problems = load_mappings(folder)
    if mapping is None:
        raise VerifyError("\n".join(map(str, problems)) or f"{folder} holds no mapping files")
    return mapping


def _run(url: str, mapping: Mapping, documents_table: str, first: int) -> Report:
    try:
        from worker.verify.run import verify as run
        from worker.verify.source import open_source
    except ModuleNotFoundError as error:  # the worker's own image has no driver of the source: the worker needs none
        raise VerifyError(f"{error.name} is not installed: pip install nearview[verify]") from None
    from worker.verify.target import Documents

    with open_source(url) as source:
        return run(source, Documents(documents_table), mapping, limit=first, progress=_progress)


def _progress(line: str) -> None:
    click.echo(line, err=True)


def _print(report: Report, show_values: bool) -> None:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), collapse_padding=True, pad_edge=False, show_edge=False)
    table.add_column("aggregate", overflow="fold")
    for name in _COLUMNS:
        table.add_column(name, justify="right", no_wrap=True)
    for aggregate, counts in report.aggregates.items():
        table.add_row(aggregate, *(f"{number:,}" for number in _numbers(counts).values()))
    Console().print(table)
    for finding in report.first:
        click.echo(_line(finding))
        if show_values and finding.kind is Kind.DIFFERENT:
            click.echo(f"    expected {value_text(finding.expected)}\n    stored   {value_text(finding.stored)}")
    if report.differences > len(report.first):
        click.echo(f"and {report.differences - len(report.first):,} more (--first {report.differences} shows all)")
    click.echo(report.summary())


def _line(finding: Finding) -> str:
    parts = [finding.kind, finding.aggregate, finding.key, finding.path]
    line = printable("  ".join(part for part in parts if part))
    return f"{line}: {finding.note}" if finding.note else line


def _numbers(counts: Counts) -> dict[str, int]:
    return {name: getattr(counts, name) for name in _COLUMNS}


def _as_json(report: Report, show_values: bool) -> dict[str, Any]:
    return {
        "verified": report.verified,
        "differences": report.differences,
        "parked": report.parked,
        "aggregates": {name: _numbers(counts) for name, counts in report.aggregates.items()},
        "first": [_finding(finding, show_values) for finding in report.first],
    }


def _finding(finding: Finding, show_values: bool) -> dict[str, str]:
    """Values as JSON texts, so that numbers stay exact."""
    shown = {
        "kind": finding.kind.value,
        "aggregate": finding.aggregate,
        "key": finding.key,
        "path": finding.path,
        "note": finding.note,
    }
    if show_values and finding.kind is Kind.DIFFERENT:
        shown |= {"expected": value_text(finding.expected), "stored": value_text(finding.stored)}
    return shown
