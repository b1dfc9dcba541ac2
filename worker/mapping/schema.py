"""The mapping language as JSON Schema (draft 7), for editors: the first look, where the reader has the last word."""

from __future__ import annotations

import json
from typing import Any, Final

from worker.mapping.language import ATTRIBUTE, Place, keys, needed

Schema = dict[str, Any]

_TEXT: Final[Schema] = {"type": ["string", "number", "boolean"], "minLength": 1}
_VALUE: Final[Schema] = {"type": ["string", "number", "boolean", "null"]}
_FORMS: Final = (Place.COLUMN, Place.CONSTANT, Place.TEMPLATE, Place.DERIVED)


def schema() -> Schema:
    """The whole schema, for a file of either kind."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "nearview mapping",
        "if": {"type": "object", "required": ["tables"]},
        "then": _entry(Place.TABLES),
        "else": _entry(Place.FILE),
        "definitions": {
            "text": _TEXT,
            "texts": _one_or_more("text"),
            "value": _VALUE,
            "values": _one_or_more("value"),
            "constant": {"type": ["string", "number", "boolean"]},
            "where": {"anyOf": [{"$ref": "#/definitions/values"}, {**_entry(Place.FILTER), "minProperties": 1}]},
            "attribute": {"anyOf": [{"allOf": [{"$ref": "#/definitions/text"}, _named()]}, _fields()]},
            "field": {"anyOf": [{"$ref": "#/definitions/text"}, *(_entry(form) for form in _FORMS)]},
            "one": _entry(Place.ONE),
            "many": _entry(Place.MANY),
            "index": _entry(Place.INDEX),
            "table": _entry(Place.TABLE),
        },
    }


def text() -> str:
    """As it stands in the file."""
    return json.dumps(schema(), indent=1) + "\n"


def _entry(place: Place) -> Schema:
    found: Schema = {
        "type": "object",
        "properties": {str(key.name): {"description": key.meaning, **key.shape.schema} for key in keys(place)},
        "additionalProperties": False,
    }
    if needed(place):
        found["required"] = list(needed(place))
    if place is Place.MANY:
        found["anyOf"] = [{"required": ["fields"]}, {"required": ["unwrap"]}]
    elif place is Place.COLUMN:
        found["dependencies"] = {"otherwise": ["values"]}
    elif place is Place.DERIVED:
        found |= {"minProperties": 1, "maxProperties": 1}
    return found


def _one_or_more(definition: str) -> Schema:
    one = {"$ref": f"#/definitions/{definition}"}
    return {"anyOf": [one, {"type": "array", "items": one, "minItems": 1}]}


def _named() -> Schema:
    return {"pattern": f"^{ATTRIBUTE}$"}


def _fields() -> Schema:
    return {
        "type": "object",
        "propertyNames": _named(),
        "additionalProperties": {"$ref": "#/definitions/field"},
    }
