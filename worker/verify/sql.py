"""One SQL statement per aggregate that lets the source itself join every expected document. Pure.

Each place of the tree is a sub-select correlated with the place above it, so that rows flow through the server one
document at a time. `jsonb_agg(... ORDER BY ...)` makes a `many`; a `one` without a row is NULL.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from contract.keys import scalar_text
from contract.mapping import Aggregate, Field, Kind, Mapping, Node
from worker.verify import render
from worker.verify.columns import FLOATS, Catalog, SourceTable
from worker.verify.compare import Shape

# PostgreSQL functions take at most 100 arguments, a name and a value for each attribute
_PAIRS_A_CALL: Final = 50


@dataclass(frozen=True, slots=True)
class Statement:
    """Gives (key values as a JSON list, document as JSON) per expected document, in key order."""

    aggregate: Aggregate
    sql: str
    shape: Shape


def statement(aggregate: Aggregate, catalog: Catalog, unfit: str) -> Statement:
    """The statement of an aggregate that has no `problems`; `unfit` stands for every value not of its type."""
    writer = _Writer(catalog, unfit)
    root = aggregate.root
    alias = writer.alias()
    table = catalog[root.table]
    shape: Shape = {}
    document = writer.object(root, alias, shape)
    key = ", ".join(render.delivered(table.columns[name], _reference(alias, name)) for name in root.key)
    where = writer.filters(root, alias)
    order = ", ".join(render.sort_keys(table.columns[name], _reference(alias, name)) for name in root.key)
    # OFFSET 0 keeps the sort below the documents: narrow rows are sorted, each document is built when it is fetched
    rows = _select("*", f"{_table(root)} {alias}{_where(where)} ORDER BY {order} OFFSET 0")
    text = _select(f"jsonb_build_array({key})::text, ({document})::text", f"({rows}) {alias}")
    return Statement(aggregate, text, shape)


def problems(mapping: Mapping, catalog: Catalog, tables: list[str]) -> list[str]:
    """What keeps the source from being read as the mapping says: one line each, empty when all is well.

    `tables` are the names of all tables of the source, from which a misspelt one is guessed.
    """
    found: list[str] = []
    for aggregate in mapping.aggregates:
        for place, parent, node in _places(aggregate.root, aggregate.name, None):
            if node.table in catalog:
                found += _node_problems(place, parent, node, catalog)
            else:
                found.append(f"{place}: the source has no table {node.table}{_meant(node.table, tables)}")
    return list(dict.fromkeys(found))


def _places(node: Node, place: str, parent: Node | None) -> Iterator[tuple[str, Node | None, Node]]:
    yield place, parent, node
    for child in node.children:
        yield from _places(child, f"{place}.{child.name}", node)


def _node_problems(place: str, parent: Node | None, node: Node, catalog: Catalog) -> Iterator[str]:
    table = catalog[node.table]
    own = [*node.key, *node.order_by, *(f.column for f in node.fields), *(rule.column for rule in node.where)]
    holder = parent if node.kind is Kind.ONE else node
    missing = [(table, name) for name in own if name not in table.columns]
    if holder is not None and holder.table in catalog:
        joined = catalog[holder.table]
        missing += [(joined, name) for name in node.join if name not in joined.columns]
        floats = [(joined, name) for name in node.join if _is_float(joined, name)]
    else:
        floats = []
    for owner, name in missing:
        yield f'{place}: table {owner.name} has no column "{name}"{_meant(name, owner.columns)}'
    for owner, name in [*floats, *((table, name) for name in node.key if _is_float(table, name))]:
        yield f"{place}: {owner.name}.{name} is a float, which cannot be a key: two texts may mean one value"
    if missing:
        return
    if not table.is_key(node.key):
        yield f"{place}: ({', '.join(node.key)}) of {node.table} is neither its primary key nor unique"
    for name in node.key:
        if table.columns[name].nullable:
            yield f"{place}: key column {node.table}.{name} may be NULL; declare it NOT NULL"


def _is_float(table: SourceTable, name: str) -> bool:
    return name in table.columns and table.columns[name].category in FLOATS


def _meant(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f', did you mean "{close[0]}"?' if close else ""


@dataclass(slots=True)
class _Writer:
    """Writes the expressions of one statement; every place gets an alias of its own."""

    catalog: Catalog
    unfit: str
    aliases: int = field(default=0)

    def alias(self) -> str:
        self.aliases += 1
        return f"t{self.aliases}"

    def object(self, node: Node, alias: str, shape: Shape) -> str:
        """jsonb of a row at its place with everything below it; notes in `shape` what needs care."""
        pairs = [f"{render.literal(item.name)}, {self.field(node, item, alias, shape)}" for item in node.fields]
        for child in node.children:
            below: Shape = {}
            value = self.one(node, child, alias, below) if child.kind is Kind.ONE else None
            value = value or self.many(node, child, alias, below)
            pairs.append(f"{render.literal(child.name)}, {value}")
            if below:
                shape[child.name] = below
        chunks = [pairs[start : start + _PAIRS_A_CALL] for start in range(0, len(pairs), _PAIRS_A_CALL)] or [[]]
        return " || ".join(f"jsonb_build_object({', '.join(chunk)})" for chunk in chunks)

    def field(self, node: Node, item: Field, alias: str, shape: Shape) -> str:
        column = self.catalog[node.table].columns[item.column]
        rendered = render.field(column, _reference(alias, item.column), item.type, self.unfit)
        if rendered.leaf is not None:
            shape[item.name] = rendered.leaf
        return rendered.sql

    def one(self, parent: Node, child: Node, parent_alias: str, shape: Shape) -> str:
        """The row that my columns point at; a NULL in any of them points nowhere, as SQL's `=` has it."""
        alias = self.alias()
        joined = self.join(parent, child.join, parent_alias, child, child.key, alias)
        where = [*joined, *self.filters(child, alias)]
        return f"({_select(self.object(child, alias, shape), f'{_table(child)} {alias}{_where(where)}')})"

    def many(self, parent: Node, child: Node, parent_alias: str, shape: Shape) -> str:
        """The rows whose columns point at me, in order, or with `unwrap` what each of them points at."""
        alias = self.alias()
        joined = self.join(parent, parent.key, parent_alias, child, child.join, alias)
        where = _where([*joined, *self.filters(child, alias)])
        columns = self.catalog[child.table].columns
        ordered = dict.fromkeys((*child.order_by, *child.key))
        order = ", ".join(render.sort_keys(columns[name], _reference(alias, name)) for name in ordered)
        if child.unwrap is None:
            element, present, beside = self.object(child, alias, shape), "", ""
        else:
            far = next(c for c in child.children if c.name == child.unwrap)
            element = f"{alias}f.document"
            present = f" FILTER (WHERE {element} IS NOT NULL)"
            # OFFSET 0 keeps the planner from building each far side twice, once for the filter
            beside = f", LATERAL (SELECT {self.one(child, far, alias, shape)} AS document OFFSET 0) {alias}f"
        aggregated = f"jsonb_agg({element} ORDER BY {order}){present}"
        return f"coalesce(({_select(aggregated, f'{_table(child)} {alias}{beside}{where}')}), '[]'::jsonb)"

    def join(
        self, parent: Node, mine: tuple[str, ...], parent_alias: str, child: Node, theirs: tuple[str, ...], alias: str
    ) -> Iterator[str]:
        above, below = self.catalog[parent.table].columns, self.catalog[child.table].columns
        for my_name, their_name in zip(mine, theirs, strict=True):
            yield render.equal(
                below[their_name], _reference(alias, their_name), above[my_name], _reference(parent_alias, my_name)
            )

    def filters(self, node: Node, alias: str) -> Iterator[str]:
        """Conditions of `where`: one of the values, compared as key text."""
        for rule in node.where:
            shown = render.text(self.catalog[node.table].columns[rule.column], _reference(alias, rule.column))
            values = [render.literal(scalar_text(value)) for value in rule.values if value is not None]
            choices = [f'({shown}) COLLATE "C" IN ({", ".join(values)})'] if values else []
            if None in rule.values:
                choices.append(f"({shown}) IS NULL")
            yield f"({' OR '.join(choices) or 'false'})"


def _select(columns: str, rows: str) -> str:
    return f"SELECT {columns} FROM {rows}"  # noqa: S608 - every name is quoted, every constant escaped


def _where(conditions: Iterator[str] | list[str]) -> str:
    text = " AND ".join(conditions)
    return f" WHERE {text}" if text else ""


def _table(node: Node) -> str:
    schema, _, name = node.table.partition(".")
    return f"{render.identifier(schema)}.{render.identifier(name)}"


def _reference(alias: str, column: str) -> str:
    return f"{alias}.{render.identifier(column)}"
