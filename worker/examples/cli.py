"""`nearview test` on the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import click

from worker.examples.report import as_json, print_result
from worker.examples.suite import chosen, read_suite, run_suite
from worker.mapping.loader import load_mappings
from worker.operator_cli import fail

EXIT_PASSED: Final = 0
EXIT_FAILED: Final = 1


@click.command("test")
@click.argument("folder", metavar="[DIR]", type=click.Path(path_type=Path), default=Path("mappings"))
@click.option("-k", "part", metavar="TEXT", default="", help="Only examples whose `aggregate: name` holds this text.")
@click.option(
    "--coverage/--no-coverage", default=True, show_default=True, help="Show what all examples exercise (not with -k)."
)
@click.option("--json", "as_json_", is_flag=True, help="Print one JSON object instead of lines and tables.")
def test(folder: Path, part: str, coverage: bool, as_json_: bool) -> None:
    """Run the examples beside the mappings in DIR (default: mappings).

    Every example runs through the worker's own code four ways: change by change, in one batch, in reverse order of
    arrival, and replayed. Each must lead to the expected documents.

    Exit codes: 0 all passed (or there are none), 1 some failed, 2 the mappings or the examples have problems.
    """
    mapping, problems = load_mappings(folder)
    if mapping is None:
        fail("test", *map(str, problems))
    paths = sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")])
    suite, problems = read_suite({str(path): path.read_text("utf-8") for path in paths}, mapping)
    if problems:
        fail("test", *map(str, problems))
    if part and suite and not chosen(suite, part):
        fail("test", f"no example has {part} in its name")
    result = run_suite(chosen(suite, part), mapping)
    if as_json_:
        click.echo(json.dumps(as_json(result), indent=1))
    elif suite:
        print_result(result, coverage=coverage and not part)  # of a part of the examples it would mislead
    else:
        click.echo(f"{folder} has no examples: they stand under the key `examples` of a mapping file")
    raise SystemExit(EXIT_FAILED if result.failed else EXIT_PASSED)
