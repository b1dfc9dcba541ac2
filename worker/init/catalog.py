"""The source PostgreSQL's catalog. Reads only the catalog, never a row; the only module here that talks to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final

import psycopg2
import psycopg2.extensions
from psycopg2.extensions import make_dsn

from worker.init.errors import InitError
from worker.init.model import Catalog, Column, ForeignKey, SourceTable
from worker.source_secret import Login, SecretError, connected

_CONNECT_SECONDS: Final = 10

_HERE: Final = """
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
    AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_'
    AND (n.nspname = ANY(%(schemas)s::text[]) OR cardinality(%(schemas)s::text[]) = 0)
"""

_TABLES: Final = f"""
SELECT c.oid, n.nspname || '.' || c.relname, coalesce(obj_description(c.oid, 'pg_class'), ''), c.relreplident::text,
       coalesce((SELECT array_agg(a.attname::text ORDER BY k.place)
                 FROM pg_constraint p, unnest(p.conkey) WITH ORDINALITY k (number, place), pg_attribute a
                 WHERE p.conrelid = c.oid AND p.contype = 'p' AND a.attrelid = c.oid AND a.attnum = k.number), '{{}}')
{_HERE} ORDER BY 2
"""  # noqa: S608  both texts are ours

# of a domain its base type and, where it has one, the domain's own length
_COLUMNS: Final = """
WITH RECURSIVE base (type, current, modifier) AS (
  SELECT oid, oid, -1 FROM pg_type
  UNION ALL
  SELECT b.type, t.typbasetype, greatest(b.modifier, t.typtypmod)
  FROM base b JOIN pg_type t ON t.oid = b.current WHERE t.typtype = 'd')
SELECT a.attrelid, a.attname, t.typname, NOT a.attnotnull, greatest(a.atttypmod, b.modifier)
FROM pg_attribute a
  JOIN base b ON b.type = a.atttypid
  JOIN pg_type t ON t.oid = b.current AND t.typtype <> 'd'
WHERE a.attrelid = ANY(%(tables)s::oid[]) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attrelid, a.attnum
"""

_FOREIGN_KEYS: Final = """
SELECT f.conrelid, f.confrelid, f.confdeltype = 'c',
       (SELECT array_agg(a.attname::text ORDER BY k.place) FROM unnest(f.conkey) WITH ORDINALITY k (number, place)
        JOIN pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = k.number),
       (SELECT array_agg(a.attname::text ORDER BY k.place) FROM unnest(f.confkey) WITH ORDINALITY k (number, place)
        JOIN pg_attribute a ON a.attrelid = f.confrelid AND a.attnum = k.number)
FROM pg_constraint f
WHERE f.contype = 'f' AND f.conparentid = 0
  AND f.conrelid = ANY(%(tables)s::oid[]) AND f.confrelid = ANY(%(tables)s::oid[])
ORDER BY f.conrelid, f.conkey, f.confrelid
"""

_ESTIMATES: Final = f"SELECT n.nspname || '.' || c.relname, c.reltuples::bigint {_HERE}"


def read_catalog(url: str, schemas: Sequence[str], login: Login | None = None) -> Catalog:
    """All tables of the schemas (of every schema of the database's users without any). Raises InitError."""
    with _connected(url, login) as cursor:
        cursor.execute("SHOW wal_level")
        ((wal_level,),) = cursor.fetchall()
        cursor.execute(_TABLES, {"schemas": list(schemas)})
        tables = cursor.fetchall()
        names = {oid: name for oid, name, *_ in tables}
        cursor.execute(_COLUMNS, {"tables": list(names)})
        columns: dict[int, list[Column]] = {}
        for oid, name, kind, nullable, modifier in cursor.fetchall():
            columns.setdefault(oid, []).append(Column(name, kind, nullable, _size(kind, modifier)))
        cursor.execute(_FOREIGN_KEYS, {"tables": list(names)})
        foreign: dict[int, list[ForeignKey]] = {}
        for oid, parent, owned, mine, theirs in cursor.fetchall():
            foreign.setdefault(oid, []).append(ForeignKey(tuple(mine), names[parent], tuple(theirs), owned))
    return Catalog(
        {
            name: SourceTable(
                name, tuple(columns.get(oid, ())), tuple(key), tuple(foreign.get(oid, ())), comment, identity
            )
            for oid, name, comment, identity, key in tables
        },
        wal_level,
    )


def row_estimates(url: str, login: Login | None = None) -> dict[str, int]:
    """Rows by table as the planner's statistics have them; tables never analysed are left out. Raises InitError."""
    with _connected(url, login) as cursor:
        cursor.execute(_ESTIMATES, {"schemas": []})
        return {name: count for name, count in cursor.fetchall() if count >= 0}


def _size(kind: str, modifier: int) -> int | None:
    """Characters of a varchar(n) or char(n), digits of a numeric(p, s); None without any."""
    if modifier < 4:
        return None
    return (modifier - 4) >> 16 & 0xFFFF if kind == "numeric" else modifier - 4


@contextmanager
def _connected(url: str, login: Login | None) -> Iterator[Any]:
    try:
        psycopg2.extensions.parse_dsn(url)
    except psycopg2.ProgrammingError:
        # its message repeats parts of the URL, a password perhaps
        raise InitError("the source is no PostgreSQL URL: postgresql://user:password@host:port/database") from None
    named = {"connect_timeout": str(_CONNECT_SECONDS), "application_name": "nearview init"}
    try:
        connection = connected(lambda parts: psycopg2.connect(make_dsn(url, **named, **parts)), login)
    except SecretError as error:
        raise InitError(str(error)) from None
    except psycopg2.OperationalError as error:
        raise InitError(f"cannot connect to the source: {_first_line(error)}") from None
    try:
        connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
        with connection.cursor() as cursor:
            yield cursor
    except psycopg2.Error as error:
        raise InitError(f"the source's catalog cannot be read: {_first_line(error)}") from None
    finally:
        with suppress(psycopg2.Error):
            connection.close()


def _first_line(error: psycopg2.Error) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
