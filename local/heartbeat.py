"""python -m local.heartbeat: writes the heartbeat table of a local stack's own PostgreSQL every second."""

from __future__ import annotations

import signal
import threading
from contextlib import closing
from typing import Any, Final

import click
import psycopg2

from worker.heartbeat.statements import rows_needed, statements
from worker.records.positions import Engine

TABLE: Final = "nearview.heartbeat"
NAME: Final = "heartbeat"
EVERY_SECONDS: Final = 1.0


def make(cursor: Any, shards: int) -> None:
    """Create the table, with rows for so many shards."""
    sql = statements(Engine.POSTGRESQL, TABLE, rows_needed(TABLE, shards))
    cursor.execute("CREATE SCHEMA nearview")
    cursor.execute(sql.make)
    cursor.execute(sql.fill)


def beat(url: str, stop: threading.Event) -> None:
    """Write until told to stop; a source that is away is tried again."""
    sql = statements(Engine.POSTGRESQL, TABLE, 0).beat
    while not stop.is_set():
        try:
            with closing(psycopg2.connect(url, application_name=NAME)) as connection:
                connection.autocommit = True
                with connection.cursor() as cursor:
                    while not stop.wait(EVERY_SECONDS):
                        cursor.execute(sql)
        except psycopg2.OperationalError:
            stop.wait(EVERY_SECONDS)


@click.command(help=__doc__)
@click.option("--database-url", required=True, help="libpq URL of the source")
def main(database_url: str) -> None:
    stop = threading.Event()
    for kind in (signal.SIGTERM, signal.SIGINT):
        signal.signal(kind, lambda *_: stop.set())
    beat(database_url, stop)


if __name__ == "__main__":
    main()
