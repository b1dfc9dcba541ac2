"""A catalog to draft aggregates: which tables are documents, what they show, what belongs to them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from contract.mapping import FieldType, Kind
from worker.init.errors import InitError
from worker.init.model import Catalog, Column, ForeignKey, SourceTable
from worker.init.names import aggregate_name, below, free, plural, referring, singular, table_word, without_suffix

SELF_DEPTH: Final = 3
MAX_LEVELS: Final = 4
MAX_NUMBER_DIGITS: Final = 38

_TYPES: Final = {
    "bool": FieldType.BOOLEAN,
    "numeric": FieldType.DECIMAL,
    "date": FieldType.DATE,
    "timestamp": FieldType.TIMESTAMP,
    "timestamptz": FieldType.TIMESTAMPTZ,
    "json": FieldType.JSON,
    "jsonb": FieldType.JSON,
    "bytea": FieldType.BINARY,
}
_BULKY: Final = frozenset({"json", "jsonb", "bytea", "xml"})
_RESERVED: Final = ("pk", "sk")
_PLACES: Final = frozenset({"position", "place", "ordinal", "sort_order", "sequence", "seq", "rank"})


@dataclass(frozen=True, slots=True)
class DraftField:
    """One attribute."""

    name: str
    column: str
    type: FieldType


@dataclass(frozen=True, slots=True)
class DraftNode:
    """One table at one place. `to` pairs with `join` where that is not a primary key."""

    name: str
    kind: Kind
    table: str
    key: tuple[str, ...]
    join: tuple[str, ...] = ()
    to: tuple[str, ...] = ()
    fields: tuple[DraftField, ...] = ()
    children: tuple[DraftNode, ...] = ()
    order_by: tuple[str, ...] = ()
    unwrap: str = ""
    depth: int = 1


@dataclass(frozen=True, slots=True)
class Draft:
    """One proposed aggregate."""

    name: str
    collection: str
    comment: str
    root: DraftNode


@dataclass(slots=True)
class _Schema:
    """The usable tables, and which of them belong to which."""

    tables: dict[str, SourceTable]
    owners: dict[str, list[ForeignKey]] = field(default_factory=dict)

    def children(self, parent: str) -> Iterator[tuple[SourceTable, ForeignKey]]:
        for name, keys in self.owners.items():
            yield from ((self.tables[name], key) for key in keys if key.parent == parent and name != parent)


def propose(catalog: Catalog, roots: Sequence[str]) -> list[Draft]:
    """Drafts for the roots given, else for every table that belongs to no other. Raises InitError."""
    tables = usable(catalog)
    schema = _Schema(tables)
    referenced = {key.parent for table in tables.values() for key in table.foreign_keys if key.parent != table.name}
    for table in tables.values():
        owners = [key for key in _owners(table, leaf=table.name not in referenced) if key.parent in tables]
        if owners:
            schema.owners[table.name] = owners
    if unknown := [root for root in roots if root not in tables]:
        raise InitError(f"--root: no usable table {', '.join(unknown)} (usable: {', '.join(tables)})")
    chosen = list(roots) or [name for name in tables if name not in schema.owners]
    drafts: list[Draft] = []
    for name in chosen:
        drafts.append(_draft(schema, tables[name], drafts))
    return drafts


def usable(catalog: Catalog) -> dict[str, SourceTable]:
    """The tables that a mapping can name: with a primary key, and with names that the language takes."""
    return {name: table for name, table in catalog.tables.items() if table.key and not unmappable(table)}


def unmappable(table: SourceTable) -> str:
    """What in its names the language does not take; empty if nothing."""
    if any(character in "#@" or character.isspace() for character in table.name) or table.name.startswith("."):
        return "its name holds #, @ or a blank"
    bad = [c for k in (table.key, *(key.columns for key in table.foreign_keys)) for c in k if set(c) & set("#,")]
    return f"key column {bad[0]} holds # or a comma" if bad else ""


def _owners(table: SourceTable, *, leaf: bool) -> list[ForeignKey]:
    """The foreign keys by which a table is a part of others: in its primary key, deleted with the parent, or, for a
    table that nothing points at, its only obligatory one (or the one to a table whose name its own begins with)."""
    within = [key for key in table.foreign_keys if set(key.columns) <= set(table.key) and key.parent != table.name]
    within = [key for key in within if set(key.columns) != set(table.key)] or [key for key in within if key.owned]
    owned = [key for key in table.foreign_keys if key.owned and key.parent != table.name]
    if within or owned:
        return list(dict.fromkeys((*within, *owned)))
    obligatory = [
        key
        for key in table.foreign_keys
        if key.parent != table.name and not any(table.column(column).nullable for column in key.columns)
    ]
    if not leaf:
        return []
    if len(obligatory) == 1:
        return obligatory
    own = table_word(table.name).lower()
    return [key for key in obligatory if own.startswith(singular(table_word(key.parent)).lower())]


def _draft(schema: _Schema, table: SourceTable, others: list[Draft]) -> Draft:
    name = aggregate_name(table.name)
    if name in {draft.name for draft in others}:
        name = free(aggregate_name(f".{table.name.replace('.', '_')}"), {draft.name for draft in others})
    collection = plural(name)
    root = _node(schema, table, name, Kind.ROOT, (), 0)
    return Draft(name, free(collection, {draft.collection for draft in others}), table.comment, root)


def _node(
    schema: _Schema, table: SourceTable, name: str, kind: Kind, hidden: tuple[str, ...], level: int,
    above: frozenset[str] = frozenset(),
) -> DraftNode:  # fmt: skip
    """A row with all it shows. `hidden` columns are the foreign key that led here; `above` are its parents' tables."""
    fields = _fields(table, hidden, root=kind is Kind.ROOT, bulky=True)
    taken = {entry.name for entry in fields}
    children: list[DraftNode] = []
    for key in table.foreign_keys:
        if key.parent in schema.tables and not (hidden and set(key.columns) <= set(hidden)):
            child = _lookup(schema.tables, table, key, taken)
            taken.add(child.name)
            children.append(child)
    if level < MAX_LEVELS:
        for of, key in schema.children(table.name):
            if of.name not in above:
                child = _part(schema, table, of, key, taken, level, above | {table.name})
                taken.add(child.name)
                children.append(child)
    return DraftNode(name, kind, table.name, table.key, fields=fields, children=tuple(children))


def _lookup(tables: dict[str, SourceTable], table: SourceTable, key: ForeignKey, taken: set[str]) -> DraftNode:
    parent = tables[key.parent]
    join, to = _paired(key.columns, key.parent_columns, parent.key)
    node = DraftNode(
        free(_lookup_name(table, key, taken), taken),
        Kind.ONE,
        parent.name,
        parent.key,
        join,
        to,
        _fields(parent, (), root=False, bulky=False),
    )
    return replace(node, depth=SELF_DEPTH) if parent.name == table.name and not to else node


def _lookup_name(table: SourceTable, key: ForeignKey, taken: set[str]) -> str:
    others = {c for other in table.foreign_keys if other != key for c in other.columns}
    own = [column for column in key.columns if column not in others] or list(key.columns)
    if len(own) == 1 and (name := without_suffix(own[0])) != own[0] and name not in taken:
        return name
    related = referring(own[0], key.parent, to_itself=key.parent == table.name) if len(own) == 1 else None
    if related is not None:
        return related
    name = singular(table_word(key.parent))
    return f"{name}_row" if name in taken else name


def _part(
    schema: _Schema, parent: SourceTable, table: SourceTable, key: ForeignKey, taken: set[str], level: int,
    above: frozenset[str],
) -> DraftNode:  # fmt: skip
    join, to = _paired(key.columns, key.parent_columns, parent.key)
    far = _far_side(table, key)
    linked = far is not None and far.parent in schema.tables
    name = below(table.name, parent.name)
    if far is not None and linked and not _says_more(table, key, far):
        name = next((word for word in (plural(table_word(far.parent)), name) if word not in taken), name)
    if sum(other.parent == key.parent for other in table.foreign_keys) > 1:
        name = f"{name}_by_{without_suffix(key.columns[-1])}"
    node = _node(schema, table, free(name, taken), Kind.MANY, key.columns, level + 1, above)
    node = replace(node, join=join, to=to, order_by=_order(table, key, far))
    if linked and len(table.columns) == len(table.key):  # nothing but the link
        one = next(child for child in node.children if child.kind is Kind.ONE)
        return replace(node, fields=(), children=(one,), unwrap=one.name)
    return node


def _says_more(table: SourceTable, key: ForeignKey, far: ForeignKey) -> bool:
    """Whether the rows of a link table are things of their own: they hold more than the link and its place."""
    own = {column.name for column in table.columns} - {*key.columns, *far.columns}
    return any(name.lower() not in _PLACES for name in own)


def _order(table: SourceTable, key: ForeignKey, far: ForeignKey | None) -> tuple[str, ...]:
    """What is left of a composite key; of a link the column that looks like a place in an order."""
    if far is not None:
        own = (column.name for column in table.columns if column.name not in (*key.columns, *far.columns))
        return tuple(name for name in own if name.lower() in _PLACES)[:1]
    rest = tuple(column for column in table.key if column not in key.columns)
    return rest if len(rest) < len(table.key) else ()


def _far_side(table: SourceTable, key: ForeignKey) -> ForeignKey | None:
    """The foreign key to the far side of a link table: two foreign keys make the whole of its primary key."""
    others = [other for other in table.foreign_keys if other != key and not set(key.columns) & set(other.columns)]
    pairs = [other for other in others if {*key.columns, *other.columns} == set(table.key)]
    return pairs[0] if len(pairs) == 1 else None


def _paired(
    mine: tuple[str, ...], theirs: tuple[str, ...], key: tuple[str, ...]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The columns that hold a key, in the key's order; with the key's columns if they are not the primary key."""
    if set(theirs) != set(key):
        return mine, theirs
    pairs = dict(zip(theirs, mine, strict=True))
    return tuple(pairs[column] for column in key), ()


def _fields(table: SourceTable, hidden: tuple[str, ...], *, root: bool, bulky: bool) -> tuple[DraftField, ...]:
    found: list[DraftField] = []
    for column in table.columns:
        if column.name in hidden or (not bulky and column.type in _BULKY):
            continue
        taken = {*(entry.name for entry in found), *(_RESERVED if root else ())}
        found.append(DraftField(free(column.name, taken), column.name, _type(column)))
    return tuple(found)


def _type(column: Column) -> FieldType:
    if column.type == "numeric" and (column.size or 0) > MAX_NUMBER_DIGITS:
        return FieldType.TEXT
    return _TYPES.get(column.type, FieldType.DELIVERED)
