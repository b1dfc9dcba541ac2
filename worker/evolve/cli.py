"""`nearview plan` on the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import click

from contract.mapping import Mapping
from worker.evolve.cost import DEFAULT_ITEM_BYTES, EXAMPLE_PRICE_PER_MILLION, estimate
from worker.evolve.needs import evolve
from worker.evolve.report import as_json, print_evolution
from worker.init.errors import InitError
from worker.operator_cli import one_line_errors
from worker.source_settings import read_mapping

EXIT_NOTHING: Final = 0
EXIT_SOMETHING: Final = 1


@click.command("plan")
@click.argument("old", type=click.Path(path_type=Path))
@click.argument("new", type=click.Path(path_type=Path))
@click.option(
    "--count", "counts", metavar="NAME=N", multiple=True, help="Documents of an aggregate, or rows of a table."
)
@click.option(
    "--bytes",
    "sizes",
    metavar="NAME=N",
    multiple=True,
    help=f"Size of a document of an aggregate, or of a row image of a table; {DEFAULT_ITEM_BYTES:,} if not given.",
)
@click.option("--source", metavar="URL", help="Take row counts from PostgreSQL's statistics: postgresql://...")
@click.option(
    "--regions",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="N",
    help="Regions that hold documents.",
)
@click.option(
    "--price",
    type=click.FloatRange(min=0),
    default=EXAMPLE_PRICE_PER_MILLION,
    show_default=True,
    metavar="USD",
    help="Price of a million write units; the default is an example.",
)
@click.option("--json", "as_json_", is_flag=True, help="Print one JSON object.")
@one_line_errors("plan")
def plan(
    old: Path,
    new: Path,
    counts: tuple[str, ...],
    sizes: tuple[str, ...],
    source: str | None,
    regions: int,
    price: float,
    as_json_: bool,
) -> None:
    """Say what a step from the mappings in OLD to those in NEW needs.

    Each aggregate needs nothing, or a rebuild from the stored rows, or a reload of tables first (for columns and tables
    that were not kept before). Shows what differs, whether the generation must be raised, and what it may cost.

    Exit codes: 0 nothing to do, 1 something to do, 2 mappings or options cannot be read.
    """
    before, after = read_mapping(old), read_mapping(new)
    known = {**(_counted(source) if source else {}), **_numbers(counts, "--count", before, after)}
    evolution = evolve(before, after)
    found = estimate(evolution, before, after, known, _numbers(sizes, "--bytes", before, after))
    if as_json_:
        click.echo(json.dumps(as_json(evolution, found, price, regions), indent=1))
    else:
        print_evolution(evolution, found, price, regions, has_source=source is not None)
    raise SystemExit(EXIT_SOMETHING if evolution.something_to_do else EXIT_NOTHING)


def _numbers(texts: tuple[str, ...], option: str, *mappings: Mapping) -> dict[str, int]:
    known = {name for mapping in mappings for name in (*(a.name for a in mapping.aggregates), *mapping.tables)}
    found = {}
    for text in texts:
        name, _, number = text.partition("=")
        if not (number.isascii() and number.isdigit()):
            raise click.UsageError(f"{option}: expected NAME=N, not {text}")
        if name not in known:
            raise click.UsageError(f"{option}: no aggregate and no table {name} in either mapping")
        found[name] = int(number)
    return found


def _counted(url: str) -> dict[str, int]:
    try:
        from worker.init.catalog import row_estimates
    except ModuleNotFoundError as error:  # the worker's own image has no driver of the source
        raise InitError(f"{error.name} is not installed: pip install nearview[verify]") from None
    return row_estimates(url)
