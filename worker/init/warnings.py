"""What in a schema DMS and nearview cannot carry, and what the database needs before capture. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from worker.init.model import Catalog, SourceTable
from worker.init.propose import Draft, unmappable

# what DMS takes for a large object: left out of before images, dropped where a table has no primary key
_LARGE: Final = frozenset({"text", "json", "jsonb", "bytea", "xml", "hstore", "tsvector", "citext"})


def used_tables(drafts: Iterable[Draft]) -> list[str]:
    """Every table of the drafts, once."""
    found: dict[str, None] = {}
    pending = [draft.root for draft in drafts]
    while pending:
        node = pending.pop(0)
        found[node.table] = None
        pending += node.children
    return list(found)


def warnings(catalog: Catalog, drafts: Iterable[Draft]) -> list[str]:
    """One line for each thing to look at; tables that were left out among them."""
    used = used_tables(drafts)
    lines = [line for table in catalog.tables.values() for line in _left_out(table)]
    for name in used:
        lines += _of_table(catalog.tables[name])
    return lines


def _left_out(table: SourceTable) -> Iterator[str]:
    if not table.key:
        large = [column.name for column in table.columns if _is_large(column.type)]
        lost = f", and its large columns ({', '.join(large)}) not at all" if large else ""
        yield (
            f"{table.name} is left out: it has no primary key. DMS sends neither its updates nor its deletes{lost}:"
            " give it a primary key"
        )
    elif reason := unmappable(table):
        yield f"{table.name} is left out: {reason}"


def _of_table(table: SourceTable) -> Iterator[str]:
    for name in table.key:
        kind = table.column(name).type
        if _is_large(kind):
            yield (
                f"{table.name}.{name}: a key of type {kind} is a large object for DMS and not in before images: a"
                " changed key would leave the old row behind. Use varchar(n)"
            )
    for column in table.columns:
        if column.type == "numeric" and column.size is None:
            yield (
                f"{table.name}.{column.name}: a numeric without precision may be rounded or cut by DMS: declare one, or"
                " compare with verify"
            )
    if table.replica_identity == "n":
        yield f"{table.name}: no replica identity: ALTER TABLE {table.name} REPLICA IDENTITY DEFAULT"


def _is_large(kind: str) -> bool:
    return kind in _LARGE or kind.startswith("_")


def prerequisites(catalog: Catalog, drafts: Iterable[Draft]) -> list[str]:
    """What must be so before DMS captures these tables, each with what it is now where the catalog shows it."""
    tables = used_tables(drafts)
    level = "" if catalog.wal_level == "logical" else f" (it is {catalog.wal_level})"
    return [
        f"wal_level = logical{level}: postgresql.conf and a restart; on Amazon RDS rds.logical_replication = 1",
        "a role that may replicate: ALTER ROLE name REPLICATION; on Amazon RDS GRANT rds_replication TO name",
        f"a publication, where the plugin is pgoutput: CREATE PUBLICATION nearview FOR TABLE {', '.join(tables)}",
        "the replica identity of every table DEFAULT (its primary key) or FULL",
        "DMS: before image on, transaction details on, NULLs included; all settings: docs/operations/dms-settings.md",
    ]
