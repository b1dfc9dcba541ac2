"""`nearview dms` on the command line: reads files, prints findings."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any, Final, NoReturn

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from contract.mapping import Mapping
from worker.dms.documents import NotSettings, settings_of
from worker.dms.findings import Finding, Severity
from worker.dms.lint import lint
from worker.grid import grid
from worker.mapping.loader import load_mappings

EXIT_CLEAN: Final = 0
EXIT_FINDINGS: Final = 1
EXIT_UNUSABLE: Final = 2

_FILE = click.Path(path_type=Path)
_JSON: Final = ("severity", "file", "path", "message", "change")


@click.group()
def dms() -> None:
    """Check how AWS DMS is set up."""


@dms.command("lint")
@click.argument("files", metavar="TASK.json [ENDPOINT.json] [TABLE-MAPPINGS.json]", nargs=-1, required=True, type=_FILE)
@click.option("--mappings", type=_FILE, help="Folder of nearview's mappings: does the task send what they use?")
@click.option("--heartbeat-table", default="", metavar="SCHEMA.TABLE", help="The workers' NEARVIEW_HEARTBEAT_TABLE.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object with every finding.")
def lint_command(files: tuple[Path, ...], mappings: Path | None, heartbeat_table: str, as_json: bool) -> None:
    """Name the settings of a DMS task that lose, cut or reorder data, and what to set.

    The files are what `aws dms describe-replication-tasks` and `aws dms describe-endpoints` print for one task and its
    endpoints, or the settings alone, in any order.

    Exit codes: 0 nothing worse than info, 1 errors or warnings, 2 a file cannot be read.
    """
    try:
        settings = settings_of({str(file): _document(file) for file in files})
    except NotSettings as error:
        _fail([str(error)])
    findings = lint(settings, _mapping(mappings), heartbeat_table)
    if as_json:
        listed = [{name: getattr(finding, name) for name in _JSON} for finding in findings]
        click.echo(json.dumps({"findings": listed}, indent=1))
    else:
        _print(findings)
    raise SystemExit(EXIT_FINDINGS if any(f.severity is not Severity.INFO for f in findings) else EXIT_CLEAN)


def _document(file: Path) -> Any:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        json.dumps(found, ensure_ascii=False).encode()  # half a surrogate pair could not be printed
        return found
    except OSError as error:
        raise NotSettings(f"{file}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise NotSettings(f"{file}: is no JSON text in UTF-8") from error


def _mapping(folder: Path | None) -> Mapping | None:
    if folder is None:
        return None
    mapping, problems = load_mappings(folder)
    if problems:
        _fail([str(problem) for problem in problems])
    return mapping


def _fail(lines: list[str]) -> NoReturn:
    for line in lines:
        click.echo(f"nearview dms lint: {line}", err=True)
    raise SystemExit(EXIT_UNUSABLE)


def _print(findings: list[Finding]) -> None:
    """A table for each settings object, the worst first, and the counts."""
    groups: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.file, finding.place), []).append(finding)
    for (file, place), group in groups.items():
        click.echo(f"{file}: {place}")
        Console().print(_table(group))
        click.echo()
    counts = Counter(finding.severity for finding in findings)
    click.echo(", ".join(f"{counts[s]} {s.value}{'' if counts[s] == 1 else 's'}" for s in Severity))


def _table(findings: list[Finding]) -> Table:
    table = grid()
    for name in ("severity", "setting", "what happens -> what to do"):
        table.add_column(name, no_wrap=name == "severity", overflow="fold")
    for finding in findings:
        told = f"{finding.message}\n-> {finding.change}" if finding.change else finding.message
        table.add_row(finding.severity.value, escape(finding.setting), escape(told))
    return table
