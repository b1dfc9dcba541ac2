"""A table at its place in an aggregate: what an entry of `one` or `many`, and the file itself, have in common."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

import yaml

from contract.mapping import VIRTUAL_SEPARATOR, Filter, Kind, Lookup, Node
from worker.mapping import language
from worker.mapping.facts import ForeignKey, Pair, TableKey, Use
from worker.mapping.fields import Attributes, check_attribute, read_fields
from worker.mapping.filters import read_where
from worker.mapping.language import Place
from worker.mapping.paths import attributes, check_computed
from worker.mapping.problems import File, suggestion

_TABLE: Final = re.compile(language.TABLE_PATTERN)
_PLACES: Final = {Kind.ROOT: Place.FILE, Kind.ONE: Place.ONE, Kind.MANY: Place.MANY}
_RESERVED: Final = ("pk", "sk")
_COPY_KEYS: Final = ("source", "key", "join", "fields", "hidden", "lookup", "spread")

Entries = dict[str, yaml.Node]


@dataclass(frozen=True, slots=True)
class Above:
    """What an entry belongs to; `path`: the names of the relations from the root down to it."""

    path: tuple[str, ...] = ()
    table: str | None = None
    key: tuple[str, ...] = ()


def read_root(file: File, at: yaml.Node, entries: Entries, name: str) -> Node | None:
    """The root's node with all below it; None when anything is wrong with it."""
    return _node(file, at, entries, name, Kind.ROOT, Above(), ())


def _relation(file: File, at: yaml.Node, entries: Entries, name: str, kind: Kind, above: Above) -> Node | None:
    """A relation's node as the compiled mapping has it: repeated, and behind a virtual place where `to` is given."""
    path = (*above.path, name)
    file.facts.spots[path] = file.spot(at)
    if len(path) > language.MAX_LEVELS:
        file.problem(at, f"{name}: nested deeper than {language.MAX_LEVELS} levels")
        return None
    before = len(file.problems)
    to = columns(file, entries, "to", name)
    hidden = "hidden" in entries and file.word(entries["hidden"], f"{name}: hidden", ("true", "false")) == "true"
    lookup = file.word(entries["lookup"], f"{name}: lookup", Lookup) if "lookup" in entries else None
    spread = file.whole(entries["spread"], f"{name}: spread", 1, language.MAX_SPREAD) if "spread" in entries else None
    node = _node(file, at, entries, name, kind, replace(above, path=path), to)
    if node is None or len(file.problems) > before:
        return None
    if lookup == Lookup.COPY:
        _check_copy(file, entries, node)
    node = replace(node, hidden=hidden, lookup=Lookup(lookup or Lookup.FOLLOW), spread=spread or 1)
    node = _repeated(file, entries, node, above)
    node = _virtual(node, above, to) if to else node
    if spread is not None and above.table is not None:
        parent = node.table
        file.facts.spreads.append(ForeignKey(above.table, node.join, parent, spread, file.spot(entries["spread"])))
    return node if len(file.problems) == before else None


def _node(
    file: File, at: yaml.Node, entries: Entries, name: str, kind: Kind, above: Above, to: tuple[str, ...]
) -> Node | None:
    before = len(file.problems)
    for required in language.needed(_PLACES[kind]):
        if required not in entries and required != "aggregate":
            file.problem(at, f"{name}: {required} is missing")
    if kind is Kind.MANY and not {"fields", "unwrap"} & {*entries}:
        file.problem(at, f"{name}: fields is missing")
    table = _table(file, entries["source"], name) if "source" in entries else None
    key = columns(file, entries, "key", name)
    if table is not None and key:
        file.facts.keys.append(TableKey(table, key, file.spot(entries["key"])))
        _use(file, entries["key"], table, key)
    join = columns(file, entries, "join", name)
    _check_join(file, entries, Node(name, kind, table or "", key, join), above, to)
    found = read_fields(file, entries["fields"], table, name) if "fields" in entries else Attributes([], [], [])
    children, unread = _children(file, entries, found, Above(above.path, table, key))
    check_computed(file, found.computed, children, unread)
    _check_names(file, name, found.names, root=kind is Kind.ROOT)
    unwrap = _unwrap(file, entries, children, name)
    where: tuple[Filter, ...] = read_where(file, entries["where"], table, name) if "where" in entries else ()
    order_by = columns(file, entries, "order_by", name)
    if table is None or len(file.problems) > before:
        return None
    _use(file, entries.get("order_by", at), table, order_by)
    computed = tuple(entry for entry, _ in found.computed)
    return Node(name, kind, table, key, join, tuple(found.fields), children, order_by, where, unwrap, computed)


def _children(
    file: File, entries: Entries, found: Attributes, above: Above
) -> tuple[tuple[Node, ...], dict[str, Kind]]:
    """The relations below, and those that could not be read."""
    children: list[Node] = []
    unread: dict[str, Kind] = {}
    for relation in (Kind.ONE, Kind.MANY):
        if relation not in entries:
            continue
        for name, (at, value) in file.entries(entries[relation], relation).items():
            check_attribute(file, at, name)
            found.names.append((name, at))
            inner = file.known(value, f"{relation} {name}", language.names(_PLACES[relation]))
            child = _relation(file, at, inner, name, relation, above)
            if child is None:
                unread[name] = relation
            else:
                children.append(child)
    return tuple(children), unread


def _table(file: File, node: yaml.Node, name: str) -> str | None:
    table = file.text(node, f"{name}: source")
    if table is not None and not _TABLE.fullmatch(table):
        file.problem(node, f"{name}: source {table} must be schema.table")
        return None
    return table


def columns(file: File, entries: Entries, key: str, name: str) -> tuple[str, ...]:
    """The columns under a key, none when it is not given."""
    if key not in entries:
        return ()
    found = file.texts(entries[key], f"{name}: {key}")
    for column in found:
        if "#" in column or "," in column:
            file.problem(entries[key], f"{name}: {key}: a column name with # or , is not supported")
    for column in sorted({column for column in found if found.count(column) > 1}):
        file.problem(entries[key], f"{name}: {key}: {column} is given twice")
    return found


def _check_names(file: File, name: str, names: list[tuple[str, yaml.Node]], *, root: bool) -> None:
    """An attribute once in an object; the root's stand beside the keys of the documents table."""
    seen: set[str] = set()
    for attribute, node in names:
        if root and attribute in _RESERVED:
            file.problem(node, f"{attribute} is a key of the documents table: give the attribute another name")
        if attribute in seen:
            file.problem(node, f"{name}: {attribute} is given twice")
        seen.add(attribute)


def _unwrap(file: File, entries: Entries, children: tuple[Node, ...], name: str) -> str | None:
    if "unwrap" not in entries:
        return None
    unwrap = file.text(entries["unwrap"], f"{name}: unwrap")
    ones = [key.value for key, _ in entries["one"].value] if isinstance(entries.get("one"), yaml.MappingNode) else []
    if unwrap is not None and unwrap not in ones:
        file.problem(entries["unwrap"], f"{name}: unwrap names no `one` of it: {unwrap}{suggestion(unwrap, ones)}")
    elif any(child.name == unwrap and child.hidden for child in children):
        file.problem(entries["unwrap"], f"{name}: unwrap names a hidden `one`: nothing of it would be shown")
    return unwrap


def _check_join(file: File, entries: Entries, node: Node, above: Above, to: tuple[str, ...]) -> None:
    """Pairs of columns, and the facts of both tables; a node without a table has its problem noted elsewhere."""
    one = node.kind is Kind.ONE
    key = node.key if one else above.key
    paired = to or key
    if not node.join or not paired:
        return
    if to and {*to} == {*key}:
        what = "its key" if one else "the key of what it belongs to"
        file.problem(entries["to"], f"{node.name}: to names {what}: leave it out and give join in the key's order")
        return
    if len(node.join) != len(paired):
        with_what = "to" if to else "its key" if one else "the key of what it belongs to"
        hint = "they go in pairs" if to else "they go in pairs; to join to other columns name them in `to`"
        file.problem(
            entries["join"],
            f"{node.name}: join names {_count(node.join)}, {with_what} has {_count(paired)}"
            f" ({', '.join(paired)}): {hint}",
        )
        return
    if not node.table or above.table is None:
        return
    mine, theirs = (above.table, node.table) if one else (node.table, above.table)
    _use(file, entries["join"], mine, node.join)
    if to:
        _use(file, entries["to"], theirs, to)
    spot = file.spot(entries["join"])
    file.facts.pairs += [
        Pair((mine, column), (theirs, other), spot) for column, other in zip(node.join, paired, strict=True)
    ]


def _check_copy(file: File, entries: Entries, node: Node) -> None:
    for key in sorted({*entries} - {*_COPY_KEYS}):
        file.problem(entries[key], f"{node.name}: {key} does not go with `lookup: copy`, which keeps columns only")
    if node.computed:
        names = ", ".join(entry.name for entry in node.computed)
        file.problem(
            entries["fields"],
            f"{node.name}: {names}: `lookup: copy` keeps columns only; compute it in the entry above",
        )


def _repeated(file: File, entries: Entries, node: Node, above: Above) -> Node:
    """The entry inside itself, `depth` times in all."""
    if "depth" not in entries:
        return node
    at, name = entries["depth"], node.name
    depth = file.whole(at, f"{name}: depth", 1, language.MAX_LEVELS)
    if depth is None:
        return node
    if node.table != above.table:
        file.problem(at, f"{name}: depth is for a table that points at itself; this one belongs to {above.table}")
    elif "to" in entries:
        file.problem(at, f"{name}: depth does not go with to: write the levels out")
    elif name in (*attributes(node), *(child.name for child in node.children)):
        file.problem(at, f"{name}: {name} is the name of the next level: give its attribute of that name another one")
    elif _size(node) * depth > language.MAX_PLACES:
        file.problem(at, f"{name}: depth makes more than {language.MAX_PLACES} places: lower it")
        return node
    level = node
    for _ in range(depth - 1):
        level = replace(node, children=(*node.children, level))
    return level


def _virtual(node: Node, above: Above, to: tuple[str, ...]) -> Node:
    """The value that both sides hold as a place of its own, with the rows that hold it below."""
    one = node.kind is Kind.ONE
    table = node.table if one else above.table
    return Node(
        name=node.name,
        kind=Kind.ONE,
        table=f"{table}{VIRTUAL_SEPARATOR}{','.join(to)}",
        key=to,
        join=node.join if one else to,
        children=(replace(node, kind=Kind.MANY, join=to if one else node.join, spread=1),),
        hidden=node.hidden,
        spread=node.spread,
        first=one,
    )


def _size(node: Node) -> int:
    return sum(1 for _ in node.walk())


def _use(file: File, at: yaml.Node, table: str, used: tuple[str, ...]) -> None:
    file.facts.uses += [Use(table, column, file.spot(at)) for column in used]


def _count(found: tuple[str, ...]) -> str:
    return "1 column" if len(found) == 1 else f"{len(found)} columns"
