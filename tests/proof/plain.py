"""The second oracle: documents from all rows of all tables, joined in plain Python as the mapping's data says.

It shares nothing with the engine, the reader or `verify`. What only a full implementation could tell is ANYTHING.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal, localcontext
from typing import Any, Final

from tests.proof.attributes import Tree, column_of, names_of
from tests.proof.schema import Column, Schema
from tests.proof.shown import ANYTHING, Anything, as_text, delivered, exact, typed
from tests.proof.values import Kind, identifier

Row = dict[str, str | None]
Tables = dict[str, list[Row]]
Documents = dict[tuple[str, str], Any]


_SESSION: Final = (
    "SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; SET bytea_output = 'hex'; SET extra_float_digits = 1"
)


def read_tables(connection: Any, schema: Schema) -> Tables:
    """Every row as texts."""
    found: Tables = {}
    with connection.cursor() as cursor:
        cursor.execute(_SESSION)
        for table in schema.tables.values():
            columns = ", ".join(f"{identifier(name)}::text" for name in table.columns)
            cursor.execute(f"SELECT {columns} FROM {schema.qualified(table.name)}")  # noqa: S608  names are quoted
            found[table.name] = [dict(zip(table.columns, row, strict=True)) for row in cursor.fetchall()]
    return found


def documents(schema: Schema, tables: Tables, trees: list[Tree]) -> Documents:
    """Every document by aggregate and the texts of its key."""
    join = _Join(schema, tables)
    found: Documents = {}
    for tree in map(expanded, trees):
        table = tree["source"].partition(".")[2]
        for row in tables[table]:
            if join.passes(tree, row):
                key = tuple(join.key_part(table, row, name) for name in _names(tree["key"]))
                found[tree["aggregate"], json.dumps(key)] = _visible(tree, join.document(tree, row))
    return found


class _Join:
    def __init__(self, schema: Schema, tables: Tables) -> None:
        self._schema = schema
        self._tables = tables

    def document(self, node: Tree, row: Row) -> Tree:
        """With everything that is hidden: paths may lead through it."""
        table = self._table(node)
        shown: Tree = {}
        computed: Tree = {}
        for name, spec in map(names_of, node.get("fields", ())):
            column = column_of(name, spec)
            if column is None:
                computed[name] = spec
            else:
                shown[name] = self._field(table, row, column, spec if isinstance(spec, dict) else {})
        for name, child in node.get("one", {}).items():
            found = self._pointed_at(node, child, row)
            shown[name] = ANYTHING if "lookup" in child else next((self.document(child, r) for r in found), None)
        for name, child in node.get("many", {}).items():
            shown[name] = list(self._elements(node, child, row))
        return shown | {name: self._computed(node, row, shown, spec) for name, spec in computed.items()}

    def passes(self, node: Tree, row: Row) -> bool:
        return all(
            _passes(test, delivered(self._column(self._table(node), column), row[column]))
            for column, test in node.get("where", {}).items()
        )

    def key_part(self, table: str, row: Row, column: str) -> str | None:
        """A value as keys compare it."""
        return as_text(delivered(self._column(table, column), row[column]))

    def _field(self, table: str, row: Row, name: str, spec: Tree) -> Any:
        column = self._column(table, name)
        if "values" in spec:
            text = self.key_part(table, row, name)
            text = spec["values"][text] if text in spec["values"] else None if text is None else spec["otherwise"]
            return Decimal(text) if text is not None and spec.get("type") == "integer" else text
        return ANYTHING if "misfit" in spec else typed(column, row[name], spec.get("type"))

    def _computed(self, node: Tree, row: Row, shown: Tree, spec: Tree) -> Any:
        if "constant" in spec:
            return {"integer": Decimal, "boolean": lambda t: t == "true"}.get(spec.get("type", ""), str)(
                spec["constant"]
            )
        if "template" in spec:
            return self._template(node, row, shown, spec["template"])
        ((function, path),) = spec.items()
        values: list[Any] = shown[path.split(".")[0]]
        if function == "count":
            return Decimal(len(values))
        for step in path.split(".")[1:]:
            values = [value and value[step] for value in values if not isinstance(value, Anything)]
        return _derived(function, [value for value in values if value is not None])

    def _template(self, node: Tree, row: Row, shown: Tree, template: str) -> Any:
        text = ""
        for piece in re.split(r"(\{\{|\}\}|\{[^{}]*\})", template):
            if not piece.startswith("{") or piece == "{{":
                text += piece[:1] if piece in ("{{", "}}") else piece
                continue
            one, _, attribute = piece[1:-1].rpartition(".")
            looked_up = shown[one] if one else None
            if isinstance(looked_up, Anything):
                return ANYTHING
            column = self._column(self._table(node), attribute) if not one else None
            value = delivered(column, row[attribute]) if column else looked_up and looked_up[attribute]
            if value is None:
                return None
            if isinstance(value, Anything) or (column and column.type.kind is Kind.FLOAT):
                return ANYTHING
            text += as_text(value) or ""
        return text

    def _pointed_at(self, node: Tree, child: Tree, row: Row) -> Iterator[Row]:
        wanted = [self.key_part(self._table(node), row, name) for name in _names(child["join"])]
        yield from self._with(child, child.get("to", child["key"]), wanted)

    def _elements(self, node: Tree, child: Tree, row: Row) -> Iterator[Any]:
        wanted = [self.key_part(self._table(node), row, name) for name in _names(child.get("to", node["key"]))]
        found = sorted(self._with(child, child["join"], wanted), key=lambda r: self._rank(child, r))
        for each in found:
            element: Any = self.document(child, each)
            if "unwrap" in child:
                element = element[child["unwrap"]]
                if element is None:
                    continue
            yield element

    def _with(self, child: Tree, columns: Any, wanted: list[str | None]) -> Iterator[Row]:
        table = self._table(child)
        for row in self._tables[table]:
            held = [self.key_part(table, row, name) for name in _names(columns)]
            if None not in held and held == wanted and self.passes(child, row):
                yield row

    def _rank(self, child: Tree, row: Row) -> list[tuple[int, Any]]:
        table = self._table(child)
        ranks: list[tuple[int, Any]] = []
        for name in (*_names(child.get("order_by", [])), *_names(child["key"])):
            value = delivered(self._column(table, name), row[name])
            if isinstance(value, str) and self._column(table, name).type.kind is Kind.TIMESTAMP:  # tokens end otherwise
                value = value.removesuffix("Z")
            ranks.append((1, 0) if value is None else (0, value))
        return ranks

    def _table(self, node: Tree) -> str:
        name: str = node["source"].partition(".")[2]
        return name

    def _column(self, table: str, name: str) -> Column:
        return self._schema.tables[table].columns[name]


def _visible(node: Tree, value: Any) -> Any:
    """A document without its hidden relations."""
    if isinstance(value, list):
        return [_visible(node, item) for item in value]
    if not isinstance(value, dict):
        return value
    if "unwrap" in node:
        node = node["one"][node["unwrap"]]
    below = {**node.get("one", {}), **node.get("many", {})}
    kept = {name: item for name, item in value.items() if not below.get(name, {}).get("hidden")}
    return {name: _visible(below[name], item) if name in below else item for name, item in kept.items()}


def expanded(tree: Tree) -> Tree:
    """The tree with every `depth` written out."""
    grown = dict(tree)
    for relation in ("one", "many"):
        if relation in tree:
            grown[relation] = {name: _grown(relation, name, child) for name, child in tree[relation].items()}
    return grown


def _grown(relation: str, name: str, child: Tree) -> Tree:
    inner = expanded(child)
    depth = inner.pop("depth", 1)
    for _ in range(depth - 1):
        level = expanded(child)
        del level["depth"]
        level[relation] = {**level.get(relation, {}), name: inner}
        inner = level
    return inner


def _passes(test: Any, value: Any) -> bool:
    if not isinstance(test, dict):
        return as_text(value) in (test if isinstance(test, list) else [test])
    for name, wanted in test.items():
        if name == "not":
            if as_text(value) in (wanted if isinstance(wanted, list) else [wanted]):
                return False
        elif value is None or not _within(name, value, wanted):
            return False
    return True


def _within(test: str, value: Any, bound: str) -> bool:
    mine: Any = value if isinstance(value, Decimal) else as_text(value)
    other: Any = Decimal(bound) if isinstance(value, Decimal) else bound
    holds = {"at_least": mine >= other, "at_most": mine <= other, "above": mine > other, "below": mine < other}
    return bool(holds[test])


def _derived(function: str, values: list[Any]) -> Any:
    """Only what is plain: numbers alone, or texts alone that are no times."""
    numbers = all(isinstance(value, Decimal) for value in values)
    if function == "sum":
        if not numbers:
            return ANYTHING
        with localcontext() as context:
            context.prec = 400
            return exact(sum(values, Decimal(0)))
    if not values:
        return None
    if not numbers and not all(isinstance(value, str) and not value.endswith("Z") for value in values):
        return ANYTHING
    return min(values) if function == "min" else max(values)


def _names(columns: Any) -> list[str]:
    return [columns] if isinstance(columns, str) else columns


def difference(mine: Any, other: Any, place: str = "") -> str | None:
    """Where a document of this oracle is not one of another's; floats are compared by their value."""
    if isinstance(mine, Anything):
        return None
    if isinstance(mine, dict) and isinstance(other, dict):
        for name in mine.keys() | other.keys():
            if name not in mine or name not in other:
                return f"{place}.{name}: only on one side"
        return next(filter(None, (difference(mine[name], other[name], f"{place}.{name}") for name in mine)), None)
    if isinstance(mine, list) and isinstance(other, list) and len(mine) == len(other):
        pairs = enumerate(zip(mine, other, strict=True))
        return next(filter(None, (difference(a, b, f"{place}[{at}]") for at, (a, b) in pairs)), None)
    if isinstance(mine, Decimal) and isinstance(other, (int, Decimal)) and not isinstance(other, bool):
        same = mine == other or float(mine) == float(other)
    else:
        same = type(mine) is type(other) and bool(mine == other)
    return None if same else f"{place}: Python {mine!r}, SQL {other!r}"
