"""`nearview console` on the command line."""

from __future__ import annotations

import os
import webbrowser
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import click

from worker.console.collect import Collector
from worker.console.reader import Reader
from worker.console.server import Server
from worker.operator_cli import mappings_option, one_line_errors, operator_settings
from worker.projection.operations import TableName
from worker.projection.plan import make_plan
from worker.source_settings import read_mapping

NEEDED: Final = ("region", "endpoint_url", "rows_table", "documents_table", "parked_table", "http_port")
DEFAULT_PORT: Final = 9480


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


@click.command()
@click.option(
    "--worker",
    "workers",
    multiple=True,
    metavar="URL",
    help="Where a worker serves its metrics; may be repeated. Default: this machine, port NEARVIEW_HTTP_PORT.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=DEFAULT_PORT,
    show_default=True,
    help="Port on 127.0.0.1; 0 takes a free one.",
)
@mappings_option
@click.option("--show-payload", is_flag=True, help="Show the keys of parked documents, too: business data.")
@click.option("--open", "opens", is_flag=True, help="Open it in the browser of this machine.")
@one_line_errors("console")
def console(workers: tuple[str, ...], port: int, mappings: Path, show_payload: bool, opens: bool) -> None:
    """Serve a read-only web page on this machine: lag, throughput, what is parked, documents with their rows.

    Tables come from the environment, as the worker's: AWS_REGION, NEARVIEW_ROWS_TABLE, NEARVIEW_DOCUMENTS_TABLE,
    NEARVIEW_PARKED_TABLE. It listens on 127.0.0.1 only, and answers only who has the key in the printed address. It
    changes nothing. Ctrl-C ends it.

    Exit codes: 0 ended, 2 could not be served (settings, mappings, port).
    """
    settings = operator_settings(os.environ, NEEDED)
    urls = [url.rstrip("/") for url in workers] or [f"http://127.0.0.1:{settings.http_port}"]
    wrong = [url for url in urls if not _is_address(url)]
    if wrong:
        raise click.UsageError(f"--worker takes an address like http://10.0.0.7:9464, not {wrong[0]!r}")
    tables = {TableName.ROWS: settings.rows_table, TableName.DOCUMENTS: settings.documents_table}
    plan = make_plan(read_mapping(mappings))
    where = settings.region, settings.endpoint_url
    reader = Reader(plan, *where, tables, settings.parked_table, parked_keys=show_payload)
    collector = Collector(urls)
    server = Server(port, reader, collector.report)
    collector.start()
    click.echo(f"console  {server.door.url}")
    click.echo("workers  " + ", ".join(urls))
    if opens:
        webbrowser.open(server.door.url)
    try:
        server.run()
    except KeyboardInterrupt:
        click.echo("ended")
    finally:
        collector.stop()
        server.server_close()
