"""One mapping file to one aggregate. Every problem is noted and reading goes on, so that one run shows them all."""

from __future__ import annotations

import re
from typing import Final

import yaml

from contract.mapping import Aggregate, Field, FieldType, Filter, Index, Kind, Node
from worker.mapping.problems import MAX_DEPTH, File, suggestion

NODE_KEYS: Final = ("source", "key", "fields", "where", "one", "many")
ROOT_KEYS: Final = ("aggregate", "collection", "generation", *NODE_KEYS, "indexes")
ONE_KEYS: Final = (*NODE_KEYS, "join")
MANY_KEYS: Final = (*ONE_KEYS, "order_by", "unwrap")
FIELD_KEYS: Final = ("column", "type")
INDEX_KEYS: Final = ("partition", "sort")
MAX_INDEXES: Final = 3

_NAME: Final = re.compile(r"[a-z][a-z0-9_-]*")
_RESERVED: Final = ("pk", "sk")
_LIST_PARAMETERS: Final = ("limit", "cursor", "order", "index")  # of the API's lists, beside the attribute
_TABLE: Final = re.compile(r"[^#\s.]+\.[^#\s]+")


def read_aggregate(text: str, file: File) -> Aggregate | None:
    """The aggregate of a file's text; None when anything is wrong (see the file's problems)."""
    root = file.compose(text)
    if root is None:
        return None
    entries = file.known(root, "mapping", ROOT_KEYS)
    name = _name(file, root, entries, "aggregate")
    collection = _name(file, root, entries, "collection") if "collection" in entries else f"{name}s"
    generation = _generation(file, entries)
    node = _node(file, root, entries, name or "?", Kind.ROOT, (), 0)
    if node is None or name is None:
        return None
    for part in _attributes(node.fields, node.children):
        if part in _RESERVED:
            file.problem(root, f"{part} is a key of the documents table: give the attribute another name")
    indexes = _indexes(file, entries["indexes"], node) if "indexes" in entries else ()
    return None if file.problems else Aggregate(name, collection or "", node, indexes, generation)


def _name(file: File, root: yaml.Node, entries: dict[str, yaml.Node], key: str) -> str | None:
    if key not in entries:
        file.problem(root, f"{key} is missing")
        return None
    name = file.text(entries[key], key)
    if name is not None and not _NAME.fullmatch(name):
        file.problem(
            entries[key], f"{key}: {name} must be lower-case letters, digits, _ and -, beginning with a letter"
        )
    return name


def _generation(file: File, entries: dict[str, yaml.Node]) -> int:
    if "generation" not in entries:
        return 1
    text = file.text(entries["generation"], "generation") or ""
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) > 0):
        file.problem(entries["generation"], "generation: expected a whole number from 1 on")
        return 1
    return int(text)


def _node(
    file: File,
    at: yaml.Node,
    entries: dict[str, yaml.Node],
    name: str,
    kind: Kind,
    parent_key: tuple[str, ...],
    depth: int,
) -> Node | None:
    if depth > MAX_DEPTH:
        file.problem(at, f"{name}: nested deeper than {MAX_DEPTH} levels")
        return None
    before = len(file.problems)
    for required in ("source", "key", "fields", *(("join",) if kind is not Kind.ROOT else ())):
        if required not in entries and not (required == "fields" and "unwrap" in entries):
            file.problem(at, f"{name}: {required} is missing")
    table = _table(file, entries["source"], name) if "source" in entries else None
    key = _columns(file, entries, "key", name)
    join = _columns(file, entries, "join", name)
    paired = key if kind is Kind.ONE else parent_key
    if join and paired and len(join) != len(paired):
        with_what = "its key" if kind is Kind.ONE else "the key of what it belongs to"
        file.problem(
            entries["join"],
            f"{name}: join names {_count(join)}, {with_what} has {_count(paired)} ({', '.join(paired)}):"
            " they go in pairs",
        )
    fields = _fields(file, entries["fields"], name) if "fields" in entries else ()
    children = _children(file, entries, key, depth)
    _unique(file, at, name, _attributes(fields, children))
    unwrap = _unwrap(file, entries, children, name)
    where = _where(file, entries["where"], name) if "where" in entries else ()
    if len(file.problems) > before or table is None:
        return None
    order_by = _columns(file, entries, "order_by", name)
    return Node(name, kind, table, key, join, fields, children, order_by, where, unwrap)


def _children(file: File, entries: dict[str, yaml.Node], key: tuple[str, ...], depth: int) -> tuple[Node, ...]:
    found: list[Node] = []
    for relation, kind, allowed in (("one", Kind.ONE, ONE_KEYS), ("many", Kind.MANY, MANY_KEYS)):
        if relation not in entries:
            continue
        for name, (at, value) in file.entries(entries[relation], relation).items():
            _attribute(file, at, name)
            inner = file.known(value, f"{relation} {name}", allowed)
            child = _node(file, at, inner, name, kind, key, depth + 1)
            if child is not None:
                found.append(child)
    return tuple(found)


def _table(file: File, node: yaml.Node, name: str) -> str | None:
    table = file.text(node, f"{name}: source")
    if table is not None and not _TABLE.fullmatch(table):
        file.problem(node, f"{name}: source {table} must be schema.table")
        return None
    return table


def _columns(file: File, entries: dict[str, yaml.Node], key: str, name: str) -> tuple[str, ...]:
    if key not in entries:
        return ()
    columns = file.texts(entries[key], f"{name}: {key}")
    for column in columns:
        if "#" in column or "," in column:
            file.problem(entries[key], f"{name}: {key}: a column name with # or , is not supported")
    _unique(file, entries[key], f"{name}: {key}", list(columns))
    return columns


def _fields(file: File, node: yaml.Node, name: str) -> tuple[Field, ...]:
    if not isinstance(node, yaml.SequenceNode):
        file.problem(node, f"{name}: fields: expected a list")
        return ()
    found: list[Field] = []
    for item in node.value:
        if isinstance(item, yaml.ScalarNode):
            column = file.text(item, f"{name}: fields")
            if column is not None:
                _attribute(file, item, column)
                found.append(Field(column, column))
            continue
        for attribute, (at, value) in file.entries(item, f"{name}: fields").items():
            _attribute(file, at, attribute)
            found.append(_field(file, attribute, value))
    return tuple(found)


def _field(file: File, attribute: str, value: yaml.Node) -> Field:
    if isinstance(value, yaml.ScalarNode):
        return Field(attribute, file.text(value, f"field {attribute}") or attribute)
    entries = file.known(value, f"field {attribute}", FIELD_KEYS)
    column = file.text(entries["column"], f"field {attribute}: column") if "column" in entries else attribute
    field_type = FieldType.DELIVERED
    if "type" in entries:
        text = file.text(entries["type"], f"field {attribute}: type") or ""
        if text in tuple(FieldType):
            field_type = FieldType(text)
        else:
            file.problem(entries["type"], f"field {attribute}: unknown type {text}{suggestion(text, FieldType)}")
    return Field(attribute, column or attribute, field_type)


def _attribute(file: File, node: yaml.Node, name: str) -> None:
    if name.startswith("_"):
        file.problem(node, f"{name}: attributes beginning with _ are nearview's own; give it another name")


def _where(file: File, node: yaml.Node, name: str) -> tuple[Filter, ...]:
    found: list[Filter] = []
    for column, (_, value) in file.entries(node, f"{name}: where").items():
        nodes = value.value if isinstance(value, yaml.SequenceNode) else [value]
        values: list[str | None] = []
        for item in nodes:
            if not isinstance(item, yaml.ScalarNode):
                file.problem(item, f"{name}: where {column}: expected a value or a list of values")
            else:
                values.append(None if item.tag == "tag:yaml.org,2002:null" else str(item.value))
        found.append(Filter(column, tuple(values)))
    return tuple(found)


def _unwrap(file: File, entries: dict[str, yaml.Node], children: tuple[Node, ...], name: str) -> str | None:
    if "unwrap" not in entries:
        return None
    unwrap = file.text(entries["unwrap"], f"{name}: unwrap")
    ones = [child.name for child in children if child.kind is Kind.ONE]
    if unwrap is not None and unwrap not in ones:
        file.problem(entries["unwrap"], f"{name}: unwrap names no `one` of it: {unwrap}{suggestion(unwrap, ones)}")
    return unwrap


def _indexes(file: File, node: yaml.Node, root: Node) -> tuple[Index, ...]:
    attributes = [field.name for field in root.fields]
    found: list[Index] = []
    for slot, (name, (at, value)) in enumerate(file.entries(node, "indexes").items(), start=1):
        if slot == MAX_INDEXES + 1:
            file.problem(at, f"indexes: at most {MAX_INDEXES} per aggregate")
        entries = file.known(value, f"index {name}", INDEX_KEYS)
        parts = {part: file.texts(entries[part], f"index {name}: {part}") for part in INDEX_KEYS if part in entries}
        for part, named in parts.items():
            for attribute in named:
                if attribute not in attributes:
                    close = suggestion(attribute, attributes)
                    file.problem(entries[part], f"index {name}: {part}: no field {attribute} at the top level{close}")
        if len(parts.get("partition", ())) != 1:
            file.problem(at, f"index {name}: partition is missing or more than one attribute")
            continue
        (partition,) = parts["partition"]
        if partition in _LIST_PARAMETERS:
            meaning = f"index {name}: partition: {partition} is a parameter of every list"
            file.problem(entries["partition"], f"{meaning}: give the attribute another name")
        found.append(Index(name, slot, partition, parts.get("sort", ())))
    return tuple(found)


def _attributes(fields: tuple[Field, ...], children: tuple[Node, ...]) -> list[str]:
    return [field.name for field in fields] + [child.name for child in children]


def _unique(file: File, node: yaml.Node, what: str, names: list[str]) -> None:
    for name in sorted({name for name in names if names.count(name) > 1}):
        file.problem(node, f"{what}: {name} is given twice")


def _count(columns: tuple[str, ...]) -> str:
    return "1 column" if len(columns) == 1 else f"{len(columns)} columns"
