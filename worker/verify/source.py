"""The source PostgreSQL, read in snapshots: its catalog, and expected documents as a stream. Reads only.

The only module here that talks to PostgreSQL. Memory is bounded by a few documents: rows come by a server-side cursor.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

import psycopg2
import psycopg2.extensions
from psycopg2.extensions import make_dsn

from worker.source_secret import Login, SecretError, connected
from worker.verify.columns import Catalog, Column, SourceTable, category_of
from worker.verify.compare import Shape
from worker.verify.errors import VerifyError
from worker.verify.expected import Expected, Reader
from worker.verify.marks import Tokens
from worker.verify.sql import Statement

_FETCHED_AT_ONCE: Final = 50
_CONNECT_SECONDS: Final = 10
_DATA_EXCEPTION: Final = "22"

# Rendering must not depend on how the server or the role is set up.
_SESSION: Final = """
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, YMD';
SET IntervalStyle = 'postgres';
SET bytea_output = 'hex';
SET extra_float_digits = 1;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SET xmloption = 'content';
SET lc_monetary = 'C';
SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET jit = off;
SET row_security = off
"""  # jit: compiling such long expressions takes longer than running them; row_security: an error, not hidden rows

_COLUMNS: Final = """
WITH RECURSIVE base (type, current, modifier) AS (
  SELECT oid, oid, -1 FROM pg_type
  UNION ALL
  SELECT b.type, t.typbasetype, t.typtypmod FROM base b JOIN pg_type t ON t.oid = b.current WHERE t.typtype = 'd')
SELECT n.nspname || '.' || c.relname, a.attname, tn.nspname, t.typname, t.typcategory::text,
       CASE WHEN b.type = b.current THEN a.atttypmod ELSE b.modifier END, a.attnotnull
FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  JOIN base b ON b.type = a.atttypid
  JOIN pg_type t ON t.oid = b.current AND t.typtype <> 'd'
  JOIN pg_namespace tn ON tn.oid = t.typnamespace
WHERE n.nspname || '.' || c.relname = ANY(%s) AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
ORDER BY 1, a.attnum
"""

_TABLES: Final = """
SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_'
ORDER BY 1
"""

_UNIQUE: Final = """
SELECT n.nspname || '.' || c.relname,
       (SELECT array_agg(a.attname::text ORDER BY k.place)
        FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, place)
          JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum
        WHERE k.place <= i.indnkeyatts)
FROM pg_index i
  JOIN pg_class c ON c.oid = i.indrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname || '.' || c.relname = ANY(%s)
  AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND 0 <> ALL(i.indkey)
ORDER BY 1, i.indisprimary DESC, i.indexrelid
"""


@contextmanager
def open_source(url: str, login: Login | None = None) -> Iterator[Source]:
    """The database behind a libpq URL, with what a secret adds to it, read in snapshots. Raises VerifyError."""
    connection = _connect(url, login)
    try:
        connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
        with connection.cursor() as cursor, _translated("the settings of the session"):
            cursor.execute(_SESSION)
        connection.commit()  # else the settings would end with the first snapshot
        yield Source(connection)
    finally:
        with suppress(psycopg2.Error):
            connection.close()


def _connect(url: str, login: Login | None) -> Any:
    if "://" in url and not url.startswith(("postgresql://", "postgres://")):
        raise VerifyError("--source: verify reads PostgreSQL only: postgresql://user:password@host:port/database")
    try:
        parts = psycopg2.extensions.parse_dsn(url)
    except psycopg2.ProgrammingError:
        # its message repeats parts of the URL, a password perhaps
        raise VerifyError("--source is no PostgreSQL URL: postgresql://user:password@host:port/database") from None
    if "@" in parts.get("host", ""):
        raise VerifyError('--source: write "@" in the password as %40')
    named = {"connect_timeout": str(_CONNECT_SECONDS), "application_name": "nearview verify"}
    try:
        return connected(lambda parts: psycopg2.connect(make_dsn(url, **named, **parts)), login)
    except SecretError as error:
        raise VerifyError(str(error)) from None
    except psycopg2.OperationalError as error:
        raise VerifyError(f"cannot connect to the source: {_first_line(error)}") from None


class Source:
    """Reads of one snapshot, which begins with the first of them. Every method raises VerifyError."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    @property
    def name(self) -> str:
        """Which database this is."""
        info = self._connection.info
        return f"{info.host}:{info.port}/{info.dbname}"

    def end_snapshot(self) -> None:
        """The next read sees what is committed then; rows that nobody else sees any more can be vacuumed."""
        with _translated("the end of a snapshot"):
            self._connection.rollback()

    def tables(self) -> list[str]:
        """Names of all tables, as `schema.table`."""
        with self._connection.cursor() as cursor, _translated("the catalog"):
            cursor.execute(_TABLES)
            return [name for (name,) in cursor]

    def catalog(self, tables: Iterable[str]) -> Catalog:
        """Columns and unique keys of those of the tables (`schema.table`) that exist."""
        names = list(tables)
        columns: dict[str, dict[str, Column]] = {}
        unique: dict[str, list[tuple[str, ...]]] = {}
        with self._connection.cursor() as cursor, _translated("the catalog"):
            cursor.execute(_COLUMNS, (names,))
            for table, name, schema, type_name, type_category, modifier, not_null in cursor:
                category = category_of(schema, type_name, type_category, modifier)
                full = type_name if schema == "pg_catalog" else f"{schema}.{type_name}"
                columns.setdefault(table, {})[name] = Column(name, full, category, not not_null, modifier >= 0)
            cursor.execute(_UNIQUE, (names,))
            for table, key in cursor:
                unique.setdefault(table, []).append(tuple(key))
        return {table: SourceTable(table, columns[table], tuple(unique.get(table, ()))) for table in columns}

    def documents(
        self, statement: Statement, sql: str | None = None, tokens: Tokens | None = None
    ) -> Iterator[Expected]:
        """The expected documents that one of the statement's texts gives; of all, if none is given."""
        text = statement.after(None, None) if sql is None else sql
        return self._read(statement, text, Reader(statement.shape, statement.marks, tokens))

    def rows(self, of: Statement, sql: str, shape: Shape, tokens: Tokens | None) -> Iterator[Expected]:
        """Rows that a document is made of, with their key texts and columns."""
        return self._read(of, sql, Reader(shape, of.marks, tokens))

    def _read(self, of: Statement, sql: str, reader: Reader) -> Iterator[Expected]:
        with self._connection.cursor(name="nearview_verify") as cursor, _translated(f"aggregate {of.aggregate.name}"):
            cursor.itersize = _FETCHED_AT_ONCE
            cursor.execute(sql)
            for line in cursor:
                yield reader.expected(*line)


@contextmanager
def _translated(place: str) -> Iterator[None]:
    try:
        yield
    except psycopg2.Error as error:
        code = error.pgcode or ""
        # messages of this class repeat the value
        reason = f"SQLSTATE {code}" if code.startswith(_DATA_EXCEPTION) else _first_line(error)
        raise VerifyError(f"the source cannot be read ({place}): {reason}") from None


def _first_line(error: psycopg2.Error) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
