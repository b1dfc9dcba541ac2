"""The mapping language as data: every key, where it stands, its shape and its meaning.

The reader's allowed keys, the JSON Schema and the reference in the documentation are all made from it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from contract.mapping import FieldType, Function, Lookup, Misfit, Policy, Test

MAX_LEVELS: Final = 24
"""Levels of `one` and `many`, repetitions by `depth` included."""

MAX_PLACES: Final = 500
"""Tables at places of one aggregate, repetitions by `depth` included."""

MAX_NAME_CHARACTERS: Final = 128
"""Of names of our own: aggregates, collections, indexes. Keys hold them."""

MAX_NAMED_BYTES: Final = 500
"""Of a table's name with the columns of a join: with a row's key they are a DynamoDB sort key of 1,024 bytes."""

MAX_SPREAD: Final = 256
MAX_INDEXES: Final = 3
MAX_SORT: Final = 8
"""Attributes of an index's order: eight numbers of 38 digits still fit into a key."""

NAME_PATTERN: Final = "[a-z][a-z0-9_-]*"
TABLE_PATTERN: Final = r"[^#@\s.]+\.[^#@\s]+"


class Place(StrEnum):
    """What a key can stand in; the value is its heading in the reference."""

    FILE = "File of an aggregate"
    ONE = "Entry of `one`"
    MANY = "Entry of `many`"
    COLUMN = "Attribute from a column"
    CONSTANT = "Constant attribute"
    TEMPLATE = "Attribute made of texts and values"
    DERIVED = "Attribute computed over a `many`"
    FILTER = "Test of a column in `where`"
    INDEX = "Entry of `indexes`"
    TABLES = "File of tables"
    TABLE = "Entry of `tables`"


@dataclass(frozen=True, slots=True)
class Shape:
    """What a value may look like: in words, and as JSON Schema."""

    words: str
    schema: dict[str, Any]


def word(values: Iterable[str]) -> Shape:
    """One of some words; YAML reads an unquoted `null`, `true` or `false` as no text, but it is meant here."""
    listed = [str(value) for value in values]
    readings = {"null": None, "true": True, "false": False}
    also = [readings[value] for value in listed if value in readings]
    return Shape(" or ".join(f"`{value}`" for value in listed), {"enum": [*listed, *also]})


def refer(words: str, definition: str) -> Shape:
    """A shape that the schema defines under a name."""
    return Shape(words, {"$ref": f"#/definitions/{definition}"})


def number(low: int, high: int) -> Shape:
    """A whole number; in quotes it is one as well."""
    digits = {"type": "string", "pattern": "^[0-9]+$"}
    return Shape(f"{low} to {high}", {"anyOf": [{"type": "integer", "minimum": low, "maximum": high}, digits]})


def named(words: str, definition: str, names: str = "") -> Shape:
    """Entries `name: value` whose values are of one shape."""
    schema: dict[str, Any] = {"type": "object", "additionalProperties": {"$ref": f"#/definitions/{definition}"}}
    return Shape(words, {**schema, **({"propertyNames": {"pattern": f"^{names}$"}} if names else {})})


TEXT: Final = refer("text", "text")
COLUMNS: Final = refer("column or list of columns", "texts")
ATTRIBUTE: Final = r"[^_][\s\S]*"
# an editor reads a plain `true` as no text; here it is a name like any other
NAME: Final = Shape("name", {"type": ["string", "boolean"], "pattern": f"^{NAME_PATTERN}$"})
SOURCE: Final = Shape("`schema.table`", {"type": "string", "pattern": f"^{TABLE_PATTERN}$"})
FIELDS: Final = Shape("list of attributes", {"type": "array", "items": {"$ref": "#/definitions/attribute"}})
WHERE: Final = named("columns with values or tests", "where")
BOOLEAN: Final = word(("true", "false"))
TYPE: Final = word(FieldType)
VALUES: Final = Shape(
    "value: text", {"type": "object", "minProperties": 1, "additionalProperties": {"$ref": "#/definitions/value"}}
)
BOUND: Final = refer("value", "constant")
PATH: Final = Shape("path", {"type": "string", "pattern": r"^[^.]+(\.[^.]+)*$"})


@dataclass(frozen=True, slots=True)
class Key:
    """A key of the language at the places where it means one thing."""

    name: str
    places: tuple[Place, ...]
    shape: Shape
    meaning: str
    needed: bool = False


_NODES: Final = (Place.FILE, Place.ONE, Place.MANY)
_RELATIONS: Final = (Place.ONE, Place.MANY)

KEYS: Final = (
    Key("aggregate", (Place.FILE,), NAME, "Name of the aggregate, unique: one kind of document.", needed=True),
    Key("collection", (Place.FILE,), NAME, "Its name in the API's paths, unique; default: the name with an `s`."),
    Key(
        "generation",
        (Place.FILE,),
        number(1, 999_999_999),
        "Raise it with every change of the mapping that changes documents; default 1.",
    ),
    Key("source", _NODES, SOURCE, "The table, spelled as in the database.", needed=True),
    Key("key", _NODES, COLUMNS, "The table's primary key, the same wherever the table stands.", needed=True),
    Key("join", (Place.ONE,), COLUMNS, "My columns that hold their `key` (or `to`), in its order.", needed=True),
    Key("join", (Place.MANY,), COLUMNS, "Their columns that hold my `key` (or `to`), in its order.", needed=True),
    Key("to", (Place.ONE,), COLUMNS, "Their unique columns that `join` holds, when that is not their `key`."),
    Key("to", (Place.MANY,), COLUMNS, "My columns that their `join` holds, when that is not my `key`."),
    Key("fields", (Place.FILE, Place.ONE), FIELDS, "The attributes shown.", needed=True),
    Key("fields", (Place.MANY,), FIELDS, "The attributes shown; with `unwrap` they may be left out."),
    Key("where", _NODES, WHERE, "Only rows that pass every test are there."),
    Key("order_by", (Place.MANY,), COLUMNS, "Columns that order the elements; default: their key."),
    Key("unwrap", (Place.MANY,), TEXT, "A `one` of the elements whose object stands for each of them (N:M)."),
    Key(
        "depth",
        _RELATIONS,
        number(1, MAX_LEVELS),
        "For a table that points at itself: how often the entry is repeated inside itself, itself counted.",
    ),
    Key("hidden", _RELATIONS, BOOLEAN, "`true`: it only feeds computed attributes and is not shown."),
    Key(
        "lookup",
        (Place.ONE,),
        word(Lookup),
        "`follow` (default) shows their row as it is now, `copy` as it was when first known.",
    ),
    Key(
        "spread",
        (Place.ONE,),
        number(1, MAX_SPREAD),
        "For a row that very many point at: over how many partitions that is noted; default 1.",
    ),
    Key("one", _NODES, named("name: entry", "one", ATTRIBUTE), "Rows looked up: objects."),
    Key("many", _NODES, named("name: entry", "many", ATTRIBUTE), "Rows that belong to it: lists."),
    Key("indexes", (Place.FILE,), named("name: entry", "index"), f"Up to {MAX_INDEXES} lists of the API."),
    Key("examples", (Place.FILE,), Shape("list", {"type": "array"}), "Changes and the documents expected of them."),
    Key("column", (Place.COLUMN,), TEXT, "The column; default: the attribute's name."),
    Key("type", (Place.COLUMN,), TYPE, "How the value stands in the document; default `delivered`."),
    Key("misfit", (Place.COLUMN,), word(Misfit), "What becomes of a value that does not fit; default `park`."),
    Key("values", (Place.COLUMN,), VALUES, "Values and the texts that stand for them, before `type` applies."),
    Key("otherwise", (Place.COLUMN,), refer("text or `null`", "value"), "What stands for a value not in `values`."),
    Key("constant", (Place.CONSTANT,), refer("value", "constant"), "The same in every document.", needed=True),
    Key("type", (Place.CONSTANT,), TYPE, "How the constant is read; default: as text."),
    Key(
        "template",
        (Place.TEMPLATE,),
        TEXT,
        "Text with `{column}` of this row and `{one.attribute}` of a row looked up; null when one of them is.",
        needed=True,
    ),
    Key(Function.COUNT, (Place.DERIVED,), TEXT, "Number of elements of a `many`."),
    Key(Function.SUM, (Place.DERIVED,), PATH, "Sum over `many.attribute` or `many.one.attribute`; of nothing: 0."),
    Key(Function.MIN, (Place.DERIVED,), PATH, "The smallest of the same; of nothing: null."),
    Key(Function.MAX, (Place.DERIVED,), PATH, "The largest of the same; of nothing: null."),
    Key(Test.NOT, (Place.FILTER,), refer("value or list of values", "values"), "None of these values."),
    Key(Test.AT_LEAST, (Place.FILTER,), BOUND, "This value or a larger one."),
    Key(Test.AT_MOST, (Place.FILTER,), BOUND, "This value or a smaller one."),
    Key(Test.ABOVE, (Place.FILTER,), BOUND, "A larger value."),
    Key(Test.BELOW, (Place.FILTER,), BOUND, "A smaller value."),
    Key("partition", (Place.INDEX,), TEXT, "Attribute whose value a list is of.", needed=True),
    Key("sort", (Place.INDEX,), refer("attribute or list of them", "texts"), "Order in a list; default: by key."),
    Key(
        "tables",
        (Place.TABLES,),
        named("table: entry", "table", TABLE_PATTERN),
        "Tables, by `schema.table`.",
        needed=True,
    ),
    Key(
        "sensitive",
        (Place.TABLE,),
        Shape("column: policy", {"type": "object", "additionalProperties": word(Policy).schema}),
        "Columns that must not leave the source: `drop` them, or keep a keyed `token` of their value.",
    ),
)


def keys(place: Place) -> tuple[Key, ...]:
    """The keys that can stand somewhere, in the order of the definition."""
    return tuple(key for key in KEYS if place in key.places)


def names(place: Place) -> tuple[str, ...]:
    """Their names."""
    return tuple(str(key.name) for key in keys(place))


def needed(place: Place) -> tuple[str, ...]:
    """The names of those that must stand there."""
    return tuple(str(key.name) for key in keys(place) if key.needed)
