"""Reads whole tables for the full load, several at once, each row as the text that the log would carry."""

import random
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from psycopg2 import extensions, sql

from local.dms.catalog import connection
from local.dms.records import Record, TableRecords
from local.dms.settings import Settings
from local.dms.tables import Table

BATCH_ROWS = 500
Wait = Callable[[float], None]


def load_table(
    url: str, records: TableRecords, settings: Settings, put: Callable[[Sequence[Record]], None], wait: Wait
) -> None:
    """Read the table in one statement and hand its records to `put`, a batch at a time.

    `wait` sleeps for the seconds given, or raises Stopped: before the statement, or with the rows in hand, if the
    settings say so.
    """
    wait(settings.load_delay_seconds)
    chance = random.Random(0)
    for number, rows in enumerate(_batches(url, records.table)):
        if number == 0:
            wait(settings.load_hold_seconds)
        if settings.shuffle_load:
            chance.shuffle(rows)
        put([records.load(row, datetime.now(UTC)) for row in rows])


def _batches(url: str, table: Table) -> Iterator[list[tuple[str | None, ...]]]:
    with connection(url) as connected:
        connected.autocommit = False
        extensions.register_type(_as_text(), connected)
        with connected.cursor(name="nearview_load") as cursor:
            cursor.execute(_select(table))
            while rows := cursor.fetchmany(BATCH_ROWS):
                yield rows
        connected.rollback()


def _select(table: Table) -> sql.Composable:
    return sql.SQL("SELECT {} FROM {} {}").format(
        sql.SQL(", ").join(sql.Identifier(column.name) for column in table.columns),
        sql.SQL("" if table.partitioned else "ONLY"),
        sql.Identifier(table.schema, table.name),
    )


def _as_text() -> Any:
    """A typecaster that leaves every type that psycopg2 would convert as the server's text."""
    known = tuple(oid for oid in extensions.string_types if isinstance(oid, int))
    return extensions.new_type(known, "SERVER_TEXT", extensions.UNICODE)
