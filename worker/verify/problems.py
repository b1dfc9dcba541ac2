"""What keeps a source from being read as a mapping says. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import replace

from contract.mapping import Filter, Kind, Mapping, Node, Template, Test
from worker.verify.columns import FLOATS, Catalog, SourceTable


def problems(mapping: Mapping, catalog: Catalog, tables: list[str], *, with_tokens: bool = False) -> list[str]:
    """What keeps the source from being read as the mapping says: one line each, empty when all is well.

    `tables` are the names of all tables of the source, from which a misspelt one is guessed.
    """
    found: list[str] = []
    for aggregate in mapping.aggregates:
        for place, parent, node in _places(aggregate.root, aggregate.name, None):
            if node.table not in catalog:
                found.append(f"{place}: the source has no table {node.table}{_meant(node.table, tables)}")
            else:
                found += _node_problems(place, parent, node, catalog)
                found += _token_problems(place, node, catalog[node.table], with_tokens)
    return list(dict.fromkeys(found))


def _places(node: Node, place: str, parent: Node | None) -> Iterator[tuple[str, Node | None, Node]]:
    """Every place of rows, with the place of the rows it is joined to: virtual ones are no rows."""
    yield place, parent, node
    for child in node.children:
        if not child.virtual:
            yield from _places(child, f"{place}.{child.name}", node)
            continue
        for rows in child.children:
            # what both sides hold: my columns are the virtual place's join, theirs the join of the rows below
            yield from _places(rows, f"{place}.{child.name}", replace(node, key=child.join))


def _node_problems(place: str, parent: Node | None, node: Node, catalog: Catalog) -> Iterator[str]:
    table = catalog[node.table]
    joined = [(table, name) for name in node.join] if node.kind is Kind.MANY else []
    if parent is not None and parent.table in catalog:
        mine = node.join if node.kind is Kind.ONE else parent.key
        joined += [(catalog[parent.table], name) for name in mine]
    columns = [(table, name) for name in dict.fromkeys((*node.key, *_others(node)))] + joined
    missing = [(owner, name) for owner, name in columns if name not in owner.columns]
    for owner, name in dict.fromkeys((owner.name, name) for owner, name in missing):
        yield f'{place}: table {owner} has no column "{name}"{_meant(name, catalog[owner].columns)}'
    if missing:
        return
    for owner, name in dict.fromkeys((o.name, n) for o, n in [*joined, *((table, name) for name in node.key)]):
        if catalog[owner].columns[name].category in FLOATS:
            yield f"{place}: {owner}.{name} is a float, which cannot be a key: two texts may mean one value"
    if not table.is_key(node.key):
        yield f"{place}: ({', '.join(node.key)}) of {node.table} is neither its primary key nor unique"
    for name in node.key:
        if table.columns[name].nullable:
            yield f"{place}: key column {node.table}.{name} may be NULL; declare it NOT NULL"


def _others(node: Node) -> Iterator[str]:
    """Columns of its table that a place consults beside its key and joins."""
    yield from node.order_by
    yield from (item.column for item in node.fields)
    yield from (rule.column for rule in node.where)
    templates = (part for entry in node.computed if isinstance(entry, Template) for part in entry.parts)
    yield from (part[0] for part in templates if not isinstance(part, str) and len(part) == 1)


def _token_problems(place: str, node: Node, table: SourceTable, with_tokens: bool) -> Iterator[str]:
    tokened = {column.name for column in table.columns.values() if column.tokened}
    for rule in node.where:
        if rule.column in tokened and not _asks_for_null(rule):
            yield f"{place}: where tests {table.name}.{rule.column}, whose tokens the source does not know"
    if node.kind is Kind.ROOT and not with_tokens and tokened & set(node.key):
        yield f"{place}: its key is tokened, so documents cannot be found without the key of the tokens"


def _asks_for_null(rule: Filter) -> bool:
    return rule.test in (Test.IN, Test.NOT) and set(rule.values) <= {None}


def _meant(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f', did you mean "{close[0]}"?' if close else ""
