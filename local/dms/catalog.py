"""Asks the source database what it has: its settings, tables, publication and slot."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg2
from psycopg2 import errors, sql

from local.dms.errors import Disconnected, DmsError
from local.dms.pgoutput import Relation
from local.dms.state import parse_lsn
from local.dms.table_mappings import TableMappings
from local.dms.tables import Column, Table

# Text output that does not depend on the server's or the role's own settings.
SESSION = "-c datestyle=ISO -c intervalstyle=postgres -c timezone=UTC -c bytea_output=hex -c extra_float_digits=3"
PLUGIN = "pgoutput"
_OLDEST_SERVER = 130000  # the first that publishes partitions as their table
# SQLSTATEs of what passes: connection lost, no connection free, server stopping, slot still held by a process
# that was just killed.
_PASSING = ("08", "53", "57P", "55006")

_TABLES = """
SELECT c.oid, n.nspname, c.relname, c.relkind = 'p', c.relreplident
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence = 'p'
  AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_toast%'
ORDER BY 2, 3
"""
_COLUMNS = """
SELECT a.attrelid, a.attname, a.atttypid, a.atttypmod, NOT a.attnotnull
FROM pg_attribute a
WHERE a.attrelid = ANY(%s::oid[]) AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
ORDER BY a.attrelid, a.attnum
"""
_KEYS = """
SELECT i.indrelid, a.attname
FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY k(attnum, place)
JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
WHERE i.indrelid = ANY(%s::oid[]) AND i.indisprimary ORDER BY i.indrelid, k.place
"""
_FOREIGN = """
SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE NOT pg_has_role(c.relowner, 'USAGE')
"""
_TYPES = "SELECT oid, typtype, typbasetype, typtypmod, typcategory FROM pg_type"


@contextmanager
def connection(url: str) -> Iterator[Any]:
    """A connection in autocommit; every failure of the database comes out as a DmsError of one line."""
    made = None
    try:
        made = psycopg2.connect(url, options=SESSION, application_name="nearview-dms", connect_timeout=10)
        made.set_client_encoding("UTF8")
        made.autocommit = True
        yield made
    except psycopg2.Error as error:
        raise translated(error) from error
    finally:
        if made is not None:
            made.close()


def translated(error: psycopg2.Error) -> DmsError:
    """The error as one of ours: Disconnected if it may pass. Its detail, which may hold values, is left out."""
    if error.pgcode is None and isinstance(error, psycopg2.ProgrammingError):
        # The library's own text repeats the URL, and with it a password.
        return DmsError("source: not a database URL; write postgresql://user:password@host:port/database")
    lines = str(error).strip().splitlines()
    line = f"source: {lines[0].removeprefix('FATAL:').strip() if lines else type(error).__name__}"
    passes = error.pgcode is None or error.pgcode.startswith(_PASSING)
    return Disconnected(line) if passes else DmsError(line)


class Catalog:
    """The source's own description, over one connection."""

    def __init__(self, connected: Any) -> None:
        self._connection = connected
        self._types: dict[int, tuple[int, int, str]] = {}

    def check(self) -> None:
        """Raise DmsError unless the server and the role can replicate logically."""
        level = self._rows("SHOW wal_level")[0][0]
        if level != "logical":
            raise DmsError(
                f"source: wal_level is {level}, it must be logical: set wal_level = logical in postgresql.conf "
                "and restart the server (on Amazon RDS: rds.logical_replication = 1)"
            )
        if self._connection.server_version < _OLDEST_SERVER:
            raise DmsError("source: PostgreSQL 13 or newer is needed")
        user, may = self._rows(
            "SELECT current_user, rolsuper OR rolreplication OR EXISTS (SELECT FROM pg_roles WHERE "
            "rolname = 'rds_replication' AND pg_has_role(oid, 'member')) FROM pg_roles WHERE rolname = current_user"
        )[0]
        if not may:
            raise DmsError(f'source: role {user} may not replicate: ALTER ROLE "{user}" REPLICATION')

    def tables(self, mappings: TableMappings) -> tuple[Table, ...]:
        """The selected tables; raises DmsError if one is unknown or cannot be captured."""
        known = self._rows(_TABLES)
        missing = mappings.unmatched((schema, name) for _, schema, name, _, _ in known)
        if missing:
            raise DmsError(
                f"TableMappings: no table in the source matches {', '.join(map(str, missing))}; "
                "correct the selection rule or create the table"
            )
        chosen = [row for row in known if mappings.selects(row[1], row[2])]
        identities = {f"{row[1]}.{row[2]}": row[4] for row in chosen}
        tables = self._describe([row[:4] for row in chosen])
        for table in tables:
            _check_table(table, identities[table.full_name])
        return tables

    def table(self, relation: Relation) -> Table:
        """The table as a log message describes it; what the message lacks comes from the catalog of today."""
        today = self._describe(
            [row[:4] for row in self._rows(_TABLES) if (row[1], row[2]) == (relation.schema, relation.table)]
        )
        now_nullable = {column.name: column.nullable for table in today for column in table.columns}
        names = {column.name for column in relation.columns}
        key = today[0].key if today and today[0].key and names.issuperset(today[0].key) else None
        columns = tuple(
            self._column(c.name, c.type_oid, c.type_modifier, now_nullable.get(c.name, True)) for c in relation.columns
        )
        identity = tuple(column.name for column in relation.columns if column.is_identity)
        return Table(relation.schema, relation.table, columns, key or identity)

    def prepare(self, name: str, slot: str, tables: Sequence[Table]) -> int:
        """Make the publication and the slot anew; the log position from which the slot has every change."""
        self.drop(name, slot)
        identifiers = sql.SQL(", ").join(_published(table) for table in tables)
        options = "publish = 'insert, update, delete', publish_via_partition_root = true"
        statement = sql.SQL("CREATE PUBLICATION {} FOR TABLE {} WITH ({})").format(
            sql.Identifier(name), identifiers, sql.SQL(options)
        )
        with self._connection.cursor() as cursor:
            try:
                cursor.execute(statement)
            except errors.InsufficientPrivilege as error:
                raise DmsError(self._lacking(tables) or str(translated(error))) from error
            # After the publication: the plugin looks it up as of the position of each change.
            cursor.execute("SELECT lsn FROM pg_create_logical_replication_slot(%s, %s)", (slot, PLUGIN))
            return parse_lsn(cursor.fetchone()[0])

    def _lacking(self, tables: Sequence[Table]) -> str:
        """What the role needs to publish the tables, each with the statement that grants it."""
        role, database, may_create = self._rows(
            "SELECT current_user, current_database(), has_database_privilege(current_database(), 'CREATE')"
        )[0]
        foreign = {(row[0], row[1]) for row in self._rows(_FOREIGN)}
        unowned = [table for table in tables if (table.schema, table.name) in foreign]
        lines = []
        if not may_create:
            lines.append(
                f"role {role} may not make a publication in database {database}: "
                f'GRANT CREATE ON DATABASE "{database}" TO "{role}"'
            )
        if unowned:
            names = ", ".join(table.full_name for table in unowned)
            first = f'"{unowned[0].schema}"."{unowned[0].name}"'
            lines.append(
                f"role {role} must own the tables it captures, or be superuser, and does not own {names}: "
                f'ALTER TABLE {first} OWNER TO "{role}"'
            )
        return f"source: {'; '.join(lines)}" if lines else ""

    def slot_exists(self, slot: str) -> bool:
        """Whether the slot is there and still has the log it needs; raises DmsError if the log is gone."""
        rows = self._rows("SELECT wal_status FROM pg_replication_slots WHERE slot_name = %s", slot)
        if rows and rows[0][0] == "lost":
            raise DmsError(
                f"source: slot {slot} lost log that was not read yet (max_slot_wal_keep_size); changes are "
                "missing: run the drop command and load again"
            )
        return bool(rows)

    def drop(self, name: str, slot: str) -> None:
        """Remove slot and publication if they exist; raises DmsError if the slot is in use."""
        with self._connection.cursor() as cursor:
            cursor.execute("SELECT active_pid FROM pg_replication_slots WHERE slot_name = %s", (slot,))
            found = cursor.fetchone()
            if found and found[0] is not None:
                raise DmsError(f"source: slot {slot} is in use by another process; stop it first")
            if found:
                cursor.execute("SELECT pg_drop_replication_slot(%s)", (slot,))
            cursor.execute(sql.SQL("DROP PUBLICATION IF EXISTS {}").format(sql.Identifier(name)))

    def _rows(self, statement: str, *arguments: object) -> list[tuple[Any, ...]]:
        with self._connection.cursor() as cursor:
            cursor.execute(statement, arguments or None)
            rows: list[tuple[Any, ...]] = cursor.fetchall()
            return rows

    def _describe(self, rows: Sequence[tuple[Any, ...]]) -> tuple[Table, ...]:
        oids = [row[0] for row in rows]
        columns: dict[int, list[Column]] = {oid: [] for oid in oids}
        for oid, name, kind, modifier, nullable in self._rows(_COLUMNS, oids):
            columns[oid].append(self._column(name, kind, modifier, nullable))
        keys: dict[int, list[str]] = {oid: [] for oid in oids}
        for oid, name in self._rows(_KEYS, oids):
            keys[oid].append(name)
        return tuple(
            Table(schema, name, tuple(columns[oid]), tuple(keys[oid]), partitioned)
            for oid, schema, name, partitioned in rows
        )

    def _column(self, name: str, type_oid: int, modifier: int, nullable: bool) -> Column:
        base, base_modifier, category = self._type(type_oid)
        return Column(name, base, modifier if modifier >= 0 else base_modifier, category, nullable)

    def _type(self, oid: int) -> tuple[int, int, str]:
        """The type behind any domains, with the modifier that a domain fixed."""
        if oid not in self._types:
            rows = {row[0]: row[1:] for row in self._rows(_TYPES)}
            self._types = {known: _resolved(rows, known) for known in rows}
        return self._types.get(oid, (oid, -1, "U"))


def _resolved(rows: dict[int, tuple[Any, ...]], oid: int) -> tuple[int, int, str]:
    modifier = -1
    kind, base, fixed, category = rows[oid]
    while kind == "d":
        modifier = fixed if modifier < 0 else modifier
        oid = base
        kind, base, fixed, category = rows[oid]
    return oid, modifier, category


def _published(table: Table) -> sql.Composable:
    identifier = sql.Identifier(table.schema, table.name)
    # ONLY: tables that inherit are selected, loaded and published by themselves.
    return identifier if table.partitioned else sql.SQL("ONLY {}").format(identifier)


def _check_table(table: Table, identity: str) -> None:
    if not table.key:
        raise DmsError(
            f"table {table.full_name}: has no primary key, so its changes cannot be captured: add one, or add an "
            "exclude rule to TableMappings"
        )
    if identity not in ("d", "f"):
        raise DmsError(
            f"table {table.full_name}: its replica identity does not log the primary key: "
            f"ALTER TABLE {table.full_name} REPLICA IDENTITY DEFAULT"
        )
