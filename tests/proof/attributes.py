"""Random attributes, filters and indexes of one place: what the language says about one table's columns."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any, Final

from tests.proof.schema import Column, Schema, Table
from tests.proof.values import Kind

Tree = dict[str, Any]

_PLAIN: Final = (Kind.NUMBER, Kind.BOOLEAN, Kind.TEXT, Kind.DATE)


def names_of(entry: Any) -> tuple[str, Any]:
    """Attribute and specification of one entry of `fields`."""
    if isinstance(entry, str):
        return entry, entry
    ((name, spec),) = entry.items()
    return name, spec


def column_of(name: str, spec: Any) -> str | None:
    """The column that an entry of `fields` shows; None if it is computed."""
    if isinstance(spec, str):
        return spec
    if {"constant", "template", "count", "sum", "min", "max"} & spec.keys():
        return None
    column: str = spec.get("column", name)
    return column


def field(rng: random.Random, column: Column, number: int) -> Any:
    """One way to show a column."""
    name = f"f{number}" if rng.random() < 0.8 else f"{column.name} {number}"
    way = rng.random()
    if column.policy:  # a token is a text and nothing else
        return column.name if way < 0.5 else {name: {"column": column.name, "type": "text"}}
    if way < 0.3:
        return column.name
    if way < 0.55:
        return {name: column.name}
    if way < 0.65 and _is_plain(column):
        return {name: {"column": column.name, **_values(rng, column)}}
    if way < 0.72 and column.type.misfits:
        misfit = rng.choice(("null", "null", "text", "park"))
        return {name: {"column": column.name, "type": rng.choice(column.type.misfits), "misfit": misfit}}
    if column.type.fits:
        return {name: {"column": column.name, "type": rng.choice(column.type.fits)}}
    return column.name


def untyped(entries: list[Any], table: Table) -> list[Any]:
    """The same columns as delivered: `verify` does not see copies, so what parks in one could not be foreseen."""
    shown = {name: column_of(name, spec) or "" for name, spec in map(names_of, entries)}
    return [{name: column} for name, column in shown.items() if not table.columns[column].strange] or [table.key[0]]


def _values(rng: random.Random, column: Column) -> Tree:
    """A value map; what is not in it is something else, as a misfit would park nearly every document."""
    taken: list[str | None] = list(_some_texts(rng, column))
    if rng.random() < 0.5:
        taken.append(None)
    numbers = rng.random() < 0.3
    spec: Tree = {"values": {value: str(n) if numbers else f"v{n}" for n, value in enumerate(taken)}}
    if numbers:
        spec["type"] = "integer"
    return {**spec, "otherwise": None if rng.random() < 0.3 else "99" if numbers else "other"}


def where(rng: random.Random, table: Table) -> Tree:
    """Tests of one or two columns."""
    columns = [c for c in table.columns.values() if _is_plain(c) or (c.policy == "token" and c.nullable)]
    chosen = rng.sample(columns, min(len(columns), rng.choice((1, 1, 2))))
    return {column.name: _test(rng, column) for column in chosen}


def _test(rng: random.Random, column: Column) -> Any:
    if column.policy:
        return rng.choice((None, {"not": [None]}))
    texts: list[str | None] = list(_some_texts(rng, column))
    if column.nullable and rng.random() < 0.4:
        texts.append(None)
    way = rng.random()
    if way < 0.5:
        return texts if len(texts) > 1 or rng.random() < 0.5 else texts[0]
    if way < 0.75:
        return {"not": texts}
    bounds = rng.sample(("at_least", "at_most", "above", "below"), rng.choice((1, 1, 2)))
    return {bound: next(_some_texts(rng, column)) for bound in bounds}


def _some_texts(rng: random.Random, column: Column) -> Iterator[str]:
    for value in rng.sample(column.type.values, rng.randint(1, min(3, len(column.type.values)))):
        yield _plain_text(column, value)


def _is_plain(column: Column) -> bool:
    """Whether a value can be written in the mapping as the source's text."""
    return column.type.kind in _PLAIN and not (column.large or column.strange or column.policy)


def _plain_text(column: Column, value: str) -> str:
    """A number's text has no zeros behind its fraction; a char(n) ends with its last letter."""
    if column.type.kind is Kind.NUMBER and "." in value:
        return value.rstrip("0").rstrip(".")
    return value


def computed(rng: random.Random, node: Tree, table: Table, schema: Schema) -> list[Tree]:
    """Constants, templates, and what is derived from the lists below."""
    found: list[Tree] = []
    if rng.random() < 0.15:
        text, field_type = rng.choice(
            (("x", None), ("12", "integer"), ("true", "boolean"), ("ä😀", "text"), ("007", None))
        )
        found.append({"const": {"constant": text, **({"type": field_type} if field_type else {})}})
    if rng.random() < 0.2 and (text := _template(rng, node, table, schema)):
        found.append({"label": {"template": text}})
    for number, (name, many) in enumerate(node.get("many", {}).items()):
        if rng.random() < 0.5:
            found.append({f"d{number}": {"count": name}})
        function = rng.choice(("sum", "sum", "min", "max"))
        numbers = function == "sum" and rng.random() < 0.9  # the sum of anything else parks its documents
        if rng.random() < 0.7 and (paths := list(_paths(name, many, schema, numbers=numbers))):
            found.append({f"e{number}": {function: rng.choice(paths)}})
    return found


def _template(rng: random.Random, node: Tree, table: Table, schema: Schema) -> str:
    columns = [c for c in table.columns.values() if not c.large and c.policy != "drop"]
    parts = [f"{{{column.name}}}" for column in columns if column.type.kind in (*_PLAIN, Kind.TIMESTAMP)]
    for name, one in node.get("one", {}).items():
        parts += [f"{{{name}.{attribute}}}" for attribute in _scalars(one, schema)]
    chosen = rng.sample(parts, min(len(parts), rng.choice((1, 2, 2))))
    return rng.choice(("", "no ", "{{")) + rng.choice((" of ", "-", "}}")).join(chosen) + rng.choice(("", "!"))


def _scalars(node: Tree, schema: Schema, *, numbers: bool = False) -> Iterator[str]:
    """Attributes from columns without a type of their own: they are no objects and no lists."""
    columns = schema.tables[node["source"].partition(".")[2]].columns
    for name, spec in map(names_of, node.get("fields", ())):
        if isinstance(spec, str) and "." not in name:
            column = columns[spec]
            if not numbers or (column.type.kind is Kind.NUMBER and not column.policy):
                yield name


def _paths(name: str, many: Tree, schema: Schema, *, numbers: bool) -> Iterator[str]:
    """Attributes of the elements, and of the rows these look up."""
    shown = many["one"][many["unwrap"]] if "unwrap" in many else many
    yield from (f"{name}.{attribute}" for attribute in _scalars(shown, schema, numbers=numbers))
    for below, one in shown.get("one", {}).items():
        if "lookup" in one and not numbers:
            continue
        yield from (f"{name}.{below}.{attribute}" for attribute in _scalars(one, schema, numbers=numbers))


def indexes(rng: random.Random, tree: Tree, table: Table) -> Tree:
    """A list of the API over attributes of the root."""
    names = []
    for name, spec in map(names_of, tree["fields"]):
        column = table.columns.get(column_of(name, spec) or "")
        if column is None or column.type.kind in (Kind.JSON, Kind.FLOAT) or column.large or column.strange:
            continue
        if isinstance(spec, str) or spec.get("type") not in ("json", "binary"):
            names.append(name)
    if not names or rng.random() < 0.4:
        return {}
    sort = rng.sample(names, min(len(names), rng.choice((0, 1, 1, 2))))
    return {"by_it": {"partition": rng.choice(names), **({"sort": sort} if sort else {})}}
