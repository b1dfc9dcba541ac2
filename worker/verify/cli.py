"""`nearview verify` on the command line. The report goes to stdout, progress and errors to stderr."""

from __future__ import annotations

import json
import os
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from contract.mapping import Mapping
from worker.dms.documents import NotSettings, Settings, settings_of
from worker.mapping.loader import load_mappings
from worker.pace import Pace
from worker.source_secret import Login, SecretError, login_of, source_secret_option
from worker.verify import show
from worker.verify.errors import VerifyError
from worker.verify.options import Options, Settle
from worker.verify.report import Report
from worker.verify.tokens import tokens_of

if TYPE_CHECKING:
    from worker.repair import RowStore

EXIT_EQUAL: Final = 0
EXIT_DIFFERENT: Final = 1
EXIT_UNUSABLE: Final = 2
EXIT_MOVING: Final = 3


@click.command()
@click.option(
    "--source",
    envvar="NEARVIEW_SOURCE_URL",
    default="",
    metavar="URL",
    show_envvar=True,
    help="The source database: postgresql://user:password@host:port/database.",
)
@source_secret_option
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
    "--rows-table",
    envvar="NEARVIEW_ROWS_TABLE",
    default="nearview-rows",
    show_default=True,
    show_envvar=True,
    metavar="NAME",
    help="DynamoDB table of the rows, for --repair.",
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
@click.option(
    "--repair",
    is_flag=True,
    help="Rebuild documents that differ from the stored rows, compare again, and name rows to be reloaded.",
)
@click.option(
    "--state",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Keep how far the run came; run again with the same file to go on. It is removed at the end.",
)
@click.option(
    "--rows-per-second",
    type=click.FloatRange(min=0, min_open=True),
    metavar="N",
    help="Read at most so many documents a second, from either side.  [default: as fast as it goes]",
)
@click.option(
    "--settle-seconds",
    type=click.FloatRange(min=0),
    default=5.0,
    show_default=True,
    metavar="N",
    help="How long to wait before what differed is looked at again: longer than documents lag behind.",
)
@click.option(
    "--settle-rounds",
    type=click.IntRange(min=1),
    default=3,
    show_default=True,
    metavar="N",
    help="How often to look again at documents that move.",
)
@click.option(
    "--dms-settings",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="FILE",
    help="Settings of the DMS task or an endpoint, as `aws dms describe-...` prints them: compare what they carry.",
)
def verify(
    source: str,
    source_secret: str,
    mappings: Path,
    documents_table: str,
    rows_table: str,
    first: int,
    show_values: bool,
    as_json: bool,
    repair: bool,
    state: Path | None,
    rows_per_second: float | None,
    settle_seconds: float,
    settle_rounds: int,
    dms_settings: tuple[Path, ...],
) -> None:
    """Prove that every document equals what SQL on the source says.

    Reads the source in short read-only snapshots and the documents table strongly consistent; writes nothing unless
    asked to repair. What differs is looked at again after a while, so that documents on their way do not count: a
    difference is what stays while neither side changes.

    Exit codes: 0 no difference, 1 differences, 2 nothing could be verified, 3 no difference, but some documents moved
    at every look.
    """
    try:
        if not source and not source_secret:
            raise VerifyError("name the source: --source, NEARVIEW_SOURCE_URL, or --source-secret")
        options = Options(
            settle=Settle(settle_seconds, settle_rounds),
            pace=Pace(rows_per_second),
            state=state,
            tokens=tokens_of(os.environ),
            dms=_dms(dms_settings),
        )
        login = login_of(source_secret, os.environ)
        report = _run(
            (source, login), _mapping(mappings), documents_table, rows_table if repair else None, first, options
        )
    except (VerifyError, SecretError) as error:
        for line in str(error).splitlines():
            click.echo(f"nearview verify: {line}", err=True)
        raise SystemExit(EXIT_UNUSABLE) from None
    if as_json:
        click.echo(json.dumps(show.as_json(report, values=show_values), indent=1))
    else:
        show.print_report(report, values=show_values)
    raise SystemExit(EXIT_DIFFERENT if report.differences else EXIT_MOVING if report.moving else EXIT_EQUAL)


def _dms(files: tuple[Path, ...]) -> Settings | None:
    if not files:
        return None
    try:
        return settings_of({str(file): json.loads(file.read_text("utf-8")) for file in files})
    except OSError as error:
        raise VerifyError(f"--dms-settings {error.filename}: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise VerifyError("--dms-settings: a file is no JSON text in UTF-8") from None
    except NotSettings as error:
        raise VerifyError(f"--dms-settings {error}") from None


def _mapping(folder: Path) -> Mapping:
    engine = os.environ.get("NEARVIEW_SOURCE_ENGINE") or "postgresql"
    if engine != "postgresql":
        raise VerifyError(f"NEARVIEW_SOURCE_ENGINE is {engine}: verify reads PostgreSQL only")
    mapping, problems = load_mappings(folder)
    if mapping is None:
        raise VerifyError("\n".join(map(str, problems)) or f"{folder} holds no mapping files")
    return mapping


def _run(
    at: tuple[str, Login | None],
    mapping: Mapping,
    documents_table: str,
    rows_table: str | None,
    first: int,
    options: Options,
) -> Report:
    try:
        from worker.verify.run import verify as run
        from worker.verify.source import open_source
    except ModuleNotFoundError as error:  # the worker's own image has no driver of the source: the worker needs none
        raise VerifyError(f"{error.name} is not installed: pip install nearview[verify]") from None
    from worker.repair import RepairError
    from worker.verify.target import Documents

    with open_source(*at) as source, ExitStack() as stack:
        documents = Documents(documents_table)
        store = None
        try:
            if rows_table is not None:
                store = stack.enter_context(closing(_row_store(mapping, rows_table, documents_table)))
            return run(source, documents, mapping, limit=first, progress=_progress, options=options, store=store)
        except RepairError as error:
            raise VerifyError(f"--repair: {error}") from None


def _row_store(mapping: Mapping, rows_table: str, documents_table: str) -> RowStore:
    from worker.repair import RowStore

    region, endpoint_url = os.environ.get("AWS_REGION", ""), os.environ.get("AWS_ENDPOINT_URL", "")
    if not region:
        raise VerifyError("--repair needs AWS_REGION")
    return RowStore.open(mapping, rows_table, documents_table, os.environ, region=region, endpoint_url=endpoint_url)


def _progress(line: str) -> None:
    click.echo(line, err=True)
