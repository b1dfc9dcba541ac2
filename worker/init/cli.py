"""`nearview init` on the command line."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click

from worker.init.errors import InitError
from worker.init.propose import propose
from worker.init.warnings import prerequisites, warnings
from worker.init.write import mapping_text
from worker.operator_cli import fail, one_line_errors
from worker.source_secret import SecretError, login_of, source_secret_option


@click.command("init")
@click.option(
    "--source-url",
    envvar="NEARVIEW_SOURCE_URL",
    default="",
    metavar="URL",
    show_envvar=True,
    help="The source database: postgresql://user:password@host:port/database.",
)
@source_secret_option
@click.option("--schema", "schemas", metavar="NAME", multiple=True, help="Only this schema; may be repeated.")
@click.option(
    "--root", "roots", metavar="SCHEMA.TABLE", multiple=True, help="Only documents of this table; may be repeated."
)
@click.option(
    "--into", type=click.Path(path_type=Path, file_okay=False), help="Write one file an aggregate into this folder."
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object with the files' texts, warnings and prerequisites."
)
@one_line_errors("init")
def init(
    source_url: str,
    source_secret: str,
    schemas: tuple[str, ...],
    roots: tuple[str, ...],
    into: Path | None,
    as_json: bool,
) -> None:
    """Propose mapping files for a PostgreSQL database, from its catalog; no row is read.

    Every table that belongs to no other becomes an aggregate: foreign keys are looked up (`one`), parts become lists
    (`many`), pure link tables lists of their far side. The files are a beginning: take out what no reader needs.

    Exit codes: 0 proposed, 2 the source cannot be read, or a file is there already.
    """
    if not source_url and not source_secret:
        fail("init", "name the source: --source-url, NEARVIEW_SOURCE_URL, or --source-secret")
    try:
        from worker.init.catalog import read_catalog

        catalog = read_catalog(source_url, schemas, login_of(source_secret, os.environ))
        drafts = propose(catalog, roots)
    except SecretError as error:
        raise InitError(str(error)) from None
    except ModuleNotFoundError as error:  # the worker's own image has no driver of the source
        raise InitError(f"{error.name} is not installed: pip install nearview[verify]") from None
    files = {f"{draft.name}.yaml": mapping_text(draft) for draft in drafts}
    notes, needs = warnings(catalog, drafts), prerequisites(catalog, drafts)
    if not files:
        fail("init", *notes, "no table with a primary key was found: nothing to propose")
    if into is not None:
        _write(into, files)
    if as_json:
        click.echo(
            json.dumps({"files": files, "warnings": notes, "prerequisites": needs}, indent=1, ensure_ascii=False)
        )
        return
    for name, text in files.items():
        click.echo(str(into / name) if into is not None else f"# {name}\n{text}")
    for line in notes:
        click.echo(f"warning: {line}", err=True)
    for line in needs:
        click.echo(f"needs: {line}", err=True)


def _write(folder: Path, files: dict[str, str]) -> None:
    if there := [str(folder / name) for name in files if (folder / name).exists()]:
        fail("init", *(f"{path} is there already: nothing was written" for path in there))
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
