"""`nearview lint` and `nearview schema` on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import click

from worker.mapping import reference, schema
from worker.mapping.lint import Code, Warned, lint
from worker.mapping.loader import load
from worker.mapping.problems import Problem


@click.command("lint")
@click.argument("folder", metavar="[DIR]", type=click.Path(path_type=Path), default=Path("mappings"))
@click.option("--strict", is_flag=True, help="Exit 1 for warnings as well.")
@click.option(
    "--ignore",
    multiple=True,
    type=click.Choice([str(code) for code in Code]),
    help="Leave this warning out. May be repeated.",
)
@click.option("--json", "as_json", is_flag=True, help="As a JSON list.")
def lint_command(folder: Path, strict: bool, ignore: tuple[str, ...], as_json: bool) -> None:
    """Read the mappings in DIR (default: mappings) and print their problems, and warnings.

    Exit codes: 0 no problem, 1 problems (with --strict also warnings), 2 there is no such folder.
    """
    if not folder.is_dir():
        click.echo(f"nearview lint: {folder} is no folder", err=True)
        raise SystemExit(2)
    reading = load(folder)
    warnings = [warned for warned in lint(reading) if warned.code not in ignore]
    if as_json:
        entries = [*map(_problem, reading.problems), *map(_warning, warnings)]
        click.echo(json.dumps(sorted(entries, key=lambda entry: (entry["path"], entry["line"])), indent=1))
    else:
        for line in (*reading.problems, *warnings):
            click.echo(str(line))
        counts = [_count(len(reading.problems), "problem"), _count(len(warnings), "warning")]
        click.echo(f"{_count(len(reading.aggregates), 'aggregate')}: {', '.join(counts)}", err=True)
    raise SystemExit(1 if reading.problems or (strict and warnings) else 0)


@click.command("schema")
@click.option("--markdown", "as_markdown", is_flag=True, help="As the text of docs/mapping-reference.md.")
def schema_command(as_markdown: bool) -> None:
    """Print the JSON Schema of mapping files, for editors."""
    click.echo(reference.markdown() if as_markdown else schema.text(), nl=False)


def _problem(problem: Problem) -> dict[str, str | int]:
    place: dict[str, str | int] = {"path": problem.path, "line": problem.line, "column": problem.column}
    return {**place, "level": "problem", "message": problem.message}


def _warning(warned: Warned) -> dict[str, str | int]:
    place: dict[str, str | int] = {**warned.spot._asdict()}
    return {**place, "level": "warning", "code": str(warned.code), "message": warned.message}


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
