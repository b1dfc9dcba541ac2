"""JSON Schemas of documents, and examples of them, from compiled mappings. Pure; used where functions are packed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from contract.mapping import (
    Aggregate,
    Computed,
    Constant,
    Derived,
    Field,
    FieldType,
    Function,
    Kind,
    Misfit,
    Node,
    Template,
)

Schema = dict[str, Any]

_TIMESTAMP: Final = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?$"
_TIMESTAMPTZ: Final = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$"
_TYPES: Final[Mapping[FieldType, Schema]] = {
    FieldType.DELIVERED: {"description": "As the source database delivers it."},
    FieldType.TEXT: {"type": "string"},
    FieldType.INTEGER: {"type": "integer"},
    FieldType.DECIMAL: {"type": "number", "description": "Exact; it may have more digits than a float."},
    FieldType.BOOLEAN: {"type": "boolean"},
    FieldType.DATE: {"type": "string", "pattern": r"^\d{4}-\d\d-\d\d$"},
    FieldType.TIMESTAMP: {"type": "string", "pattern": _TIMESTAMP, "description": "Without a time zone."},
    FieldType.TIMESTAMPTZ: {"type": "string", "pattern": _TIMESTAMPTZ, "description": "In UTC."},
    FieldType.JSON: {"description": "Any JSON."},
    FieldType.BINARY: {"type": "string", "contentEncoding": "base64"},
}
_EXAMPLES: Final[Mapping[FieldType, Any]] = {
    FieldType.DELIVERED: "text",
    FieldType.TEXT: "text",
    FieldType.INTEGER: 42,
    FieldType.DECIMAL: 19.95,
    FieldType.BOOLEAN: True,
    FieldType.DATE: "2026-03-01",
    FieldType.TIMESTAMP: "2026-03-01T08:00:00",
    FieldType.TIMESTAMPTZ: "2026-03-01T08:00:00Z",
    FieldType.JSON: {"any": ["JSON"]},
    FieldType.BINARY: "AQID",
}


def document_schema(aggregate: Aggregate) -> Schema:
    """Of a whole document. No attribute is required: a request may ask for some only."""
    described = {"description": f"A document of aggregate {aggregate.name}. `fields` leaves attributes out."}
    return {**_object(aggregate.root), **described, "examples": [example(aggregate.root)]}


def shown(node: Node) -> Node:
    """The place whose objects stand in the document for this one."""
    if node.virtual:
        return shown(node.children[0])
    if node.unwrap is not None:
        return shown(next(child for child in node.children if child.name == node.unwrap))
    return node


def is_list(node: Node) -> bool:
    """Whether the document has a list at this place."""
    return not node.first if node.virtual else node.kind is Kind.MANY


def example(node: Node) -> dict[str, Any]:
    """An object with a value of the declared type for every attribute."""
    found: dict[str, Any] = {field.name: _field_example(node, field) for field in node.fields}
    for child in node.children:
        if not child.hidden:
            inner = example(shown(child))
            found[child.name] = [inner] if is_list(child) else inner
    for entry in node.computed:
        found[entry.name] = _computed_example(entry)
    return found


def field_schema(field: Field) -> Schema:
    """Of one attribute; NULL of the source is null, whatever the type."""
    if (field.values or field.otherwise) and field.type in (FieldType.DELIVERED, FieldType.TEXT):
        return _values_schema(field)
    schema = _TYPES[field.type]
    if field.misfit is Misfit.TEXT and "type" in schema:
        types = [schema["type"], "string"] if schema["type"] != "string" else ["string"]
        return {"type": [*types, "null"], "description": "As text where the source has no such value."}
    return _nullable(schema)


def _object(node: Node) -> Schema:
    properties: dict[str, Schema] = {field.name: field_schema(field) for field in node.fields}
    for child in node.children:
        if not child.hidden:
            inner = _object(shown(child))
            properties[child.name] = {"type": "array", "items": inner} if is_list(child) else _nullable(inner)
    for entry in node.computed:
        properties[entry.name] = _computed_schema(node, entry)
    return {"type": "object", "properties": properties}


def _nullable(schema: Schema) -> Schema:
    return {**schema, "type": [schema["type"], "null"]} if "type" in schema else dict(schema)


def _values_schema(field: Field) -> Schema:
    texts = {text for _, text in field.values} | {*field.otherwise}
    as_it_is = not field.otherwise and field.misfit is Misfit.TEXT
    if as_it_is:
        return {"type": ["string", "null"]}
    return {"enum": [*sorted(text for text in texts if text is not None), None]}


def _computed_schema(node: Node, entry: Computed) -> Schema:
    if isinstance(entry, Constant):
        return _nullable(_TYPES[entry.type])
    if isinstance(entry, Template):
        return {"type": ["string", "null"]}
    if entry.function is Function.COUNT:
        return {"type": "integer", "minimum": 0}
    if entry.function is Function.SUM:
        return _TYPES[FieldType.DECIMAL] | {}
    return _derived_schema(node, entry)


def _derived_schema(node: Node, entry: Derived) -> Schema:
    """The smallest and the largest are values of an attribute further down; null of none."""
    place = node
    for name in entry.path[:-1]:
        child = next((child for child in shown(place).children if child.name == name), None)
        if child is None:
            return {}
        place = shown(child)
    found = next((field for field in place.fields if field.name == entry.path[-1]), None)
    return field_schema(found) if found is not None else {}


def _field_example(node: Node, field: Field) -> Any:
    if field.values and field.type in (FieldType.DELIVERED, FieldType.TEXT):
        return next((text for _, text in field.values if text is not None), None)
    if field.type is FieldType.DELIVERED and field.column in node.key:
        return 42
    return _EXAMPLES[field.type]


def _computed_example(entry: Computed) -> Any:
    if isinstance(entry, Constant):
        return _EXAMPLES[entry.type] if entry.type is not FieldType.DELIVERED else entry.text
    if isinstance(entry, Template):
        return "text"
    return 1 if entry.function in (Function.COUNT, Function.SUM) else None
