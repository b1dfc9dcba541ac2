"""Mappings of one table: the document holds the row, so it needs neither row image nor edges. Pure.

A *flat* document has its row's version in `_v`, and every kept column can be read from it. What its attributes do not
say exactly (a boolean that came as text, a timestamp with more zeros) stands beside them in `_raw`. Its `_fp` names the
mapping and which of the changing attributes are there: two flat documents with the same `_fp` have the same attributes,
so that setting all of them replaces the document.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from operator import itemgetter
from typing import Any, Final

import orjson

from contract.keys import document_pk
from contract.mapping import Aggregate, Derived, Field, FieldType, Mapping
from contract.values import MAX_ITEM_BYTES, AttributeValue, Item, NotStorable, from_attribute, item_bytes, to_attribute
from worker.projection.computed import computation
from worker.projection.convert import DoesNotFit
from worker.projection.fields import Read, reader
from worker.projection.merge import read_stored
from worker.projection.operations import Condition, Encoded, number, text
from worker.records.rows import MAX_ROW_BYTES, Row, row_body

VERSION: Final = "_v"
CLAIMED: Final = "_claimed"
"""In the place of `_v` once the row is on its way into an image: no flat write may touch the document any more."""
FORM: Final = "_fp"
DELETED: Final = "_deleted"
_RAW: Final = "_raw"

_TOMBSTONE: Final = "-"
_HAS_RAW: Final = "r"
MAX_NAMES_CHARACTERS: Final = 5_000
"""What the names may take in a statement that sets all attributes; DynamoDB takes 8,192 characters."""
_SYSTEM_BYTES: Final = 4_000
"""More than keys and system attributes take."""
_INDEXES_BESIDE_A_ROW: Final = (MAX_ITEM_BYTES - MAX_ROW_BYTES - MAX_NAMES_CHARACTERS - _SYSTEM_BYTES) // 2_000
_MICROSECOND_DIGITS: Final = 6
_FOR_A_TUPLE: Final = 2
"""Of fewer columns `itemgetter` gives the value alone."""


class NotFlat(Exception):
    """The row cannot stand in a flat document: a value does not fit, or all together are too much for one item."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How the flat documents of one mapping become rows again: column, attribute and type of each kept column."""

    table: str
    columns: tuple[tuple[str, str, FieldType], ...]

    def row(self, item: Item) -> Row | None:
        """The row in a document; None in a deleted one."""
        if DELETED in item:
            return None
        row = {column: _as_delivered(from_attribute(item[name]), type_) for column, name, type_ in self.columns}
        if _RAW in item:
            row.update(read_stored(item[_RAW]["S"]))
        return row

    def written(self) -> str:
        """For `read_recipe`."""
        return json.dumps({"table": self.table, "columns": self.columns})


def read_recipe(written: str) -> Recipe:
    """The recipe that `written` gave."""
    parts = json.loads(written)
    columns = ((column, name, FieldType(type_)) for column, name, type_ in parts["columns"])
    return Recipe(parts["table"], tuple(columns))


def digest_of(item: Item) -> str:
    """The mapping that wrote a flat document, as its recipe is filed."""
    digest: str = item[FORM]["S"].partition(".")[0]
    return digest


@dataclass(frozen=True, eq=False, slots=True)
class Flat:
    """An aggregate whose documents hold their row.

    `fields`: attribute, column, how it is read (None: as delivered), and its type if the column is recovered from it.
    `generation`: as stored. `repeats`: something may stand in the document more than once, so that it may be larger
    than a row may be. `names`: of all public attributes, in their order. `delivered`: the columns of all attributes, if
    all of them show one as it was delivered. `forms`: of documents seen so far, by their changing attributes, the form
    and the names of all that is set.
    """

    aggregate: Aggregate
    recipe: Recipe
    fields: tuple[tuple[str, str, Read | None, FieldType | None], ...]
    computed: tuple[tuple[str, Callable[[Row, dict[str, Any]], Any]], ...]
    indexed: tuple[str, ...]
    repeats: bool
    generation: AttributeValue
    names: tuple[str, ...]
    delivered: Callable[[Row], tuple[Any, ...]] | None
    forms: dict[str, tuple[Condition, tuple[str, ...]]] = field(default_factory=dict)

    @property
    def table(self) -> str:
        """The one table."""
        return self.recipe.table

    def pk(self, key: str) -> str:
        """Partition of a row's document."""
        return document_pk(self.aggregate.name, key)

    @property
    def tombstone(self) -> Condition:
        """That a document has the `_fp` of a deleted one."""
        return (self.forms.get(_TOMBSTONE) or self._form(_TOMBSTONE, ()))[0]

    def body(self, key: str, row: Row, version: str, as_of: AttributeValue) -> tuple[Encoded, Condition]:
        """What every write of a row's document sets, and the `_fp` of such a document.

        That is all but its key, `_fp`, `_gen` and `_rev`. No row is larger than MAX_ROW_BYTES; one that lacks a kept
        column, as no mapping kept it so far, is not flat. Raises NotFlat.
        """
        try:
            shown, raw = self._shown(row)
        except (DoesNotFit, NotStorable, KeyError) as problem:
            raise NotFlat from problem
        present = ""
        more: tuple[str, ...] = ()
        if raw:
            present, more = _HAS_RAW, (_RAW,)
            shown.append({"S": row_body(raw).decode()})
        if self.indexed:
            there = dict(zip(self.names, shown, strict=False))
            indexes = self.aggregate.index_attributes(key, {name: from_attribute(there[name]) for name in self.indexed})
            present, more = present + ",".join(indexes), (*more, *indexes)
            shown += [{"S": value} for value in indexes.values()]
        form, names = self.forms.get(present) or self._form(present, more)
        if (raw or self.repeats) and item_bytes(dict(zip(names, shown, strict=False))) > MAX_ITEM_BYTES - _SYSTEM_BYTES:
            raise NotFlat
        shown += ({"S": version}, as_of)
        return Encoded(names, orjson.dumps(shown)[1:-1]), form

    def _form(self, present: str, more: tuple[str, ...]) -> tuple[Condition, tuple[str, ...]]:
        condition = Condition(FORM, "=", text(f"{self.aggregate.digest}.{present}"))
        found = self.forms[present] = condition, (*self.names, *more, VERSION, "_as_of")
        return found

    def _shown(self, row: Row) -> tuple[list[AttributeValue], Row]:
        """The public attributes, and what they do not say of the row."""
        raw: Row = {}
        if self.delivered is not None:
            values = self.delivered(row)
            try:
                "".join(values)  # are all of them texts? a look at each takes longer
                return [{"S": value} for value in values], raw
            except TypeError:
                pass
        shown: list[AttributeValue] = []
        for _, column, read, type_ in self.fields:
            value = row[column]
            if read is None and type(value) is str:  # most of them
                shown.append({"S": value})
                continue
            read_value = value if read is None else read(value)
            shown.append(to_attribute(read_value))
            if type_ is not None and not _says(read_value, value, type_):
                raw[column] = value
        shown += [to_attribute(compute(row, {})) for _, compute in self.computed]
        return shown, raw


def flat_aggregates(mapping: Mapping) -> dict[str, Flat]:
    """By table: the aggregates whose documents hold their row.

    One table without relations that nothing else uses, no row left out, every kept column shown as it is or through a
    type. All else needs row images: what they keep is not in the documents.
    """
    uses: dict[str, int] = {}
    for aggregate in mapping.aggregates:
        for node in aggregate.root.walk():
            table = node.table.partition("@")[0]
            uses[table] = uses.get(table, 0) + 1
    found = (_flat(aggregate, mapping) for aggregate in mapping.aggregates if uses[aggregate.root.table] == 1)
    return {flat.table: flat for flat in found if flat is not None}


def _flat(aggregate: Aggregate, mapping: Mapping) -> Flat | None:
    root = aggregate.root
    if root.children or root.where or any(isinstance(entry, Derived) for entry in root.computed):
        return None
    shown: dict[str, tuple[str, str, FieldType]] = {}
    for entry in root.fields:
        if not entry.values and not entry.otherwise:
            shown.setdefault(entry.column, (entry.column, entry.name, entry.type))
    names = [entry.name for entry in (*root.fields, *root.computed)]
    if any(column not in shown for column in mapping.tables[root.table].columns):
        return None
    if sum(len(name) + len('SET "" = ? ') for name in names) > MAX_NAMES_CHARACTERS:
        return None
    recovered = {name: type_ for _, name, type_ in shown.values()}
    in_indexes = {name for index in aggregate.indexes for name in (index.partition, *index.sort)}
    return Flat(
        aggregate=aggregate,
        recipe=Recipe(root.table, tuple(shown[column] for column in sorted(shown))),
        fields=tuple((entry.name, entry.column, reader(entry), recovered.get(entry.name)) for entry in root.fields),
        computed=tuple((entry.name, computation(entry)) for entry in root.computed),
        names=tuple(names),
        delivered=_delivered(root.fields, root.computed),
        indexed=tuple(name for name in names if name in in_indexes),
        generation=number(aggregate.generation),
        repeats=bool(root.computed) or len(shown) < len(root.fields) or len(aggregate.indexes) > _INDEXES_BESIDE_A_ROW,
    )


def _delivered(fields: Sequence[Field], computed: Sequence[object]) -> Callable[[Row], tuple[Any, ...]] | None:
    if computed or len(fields) < _FOR_A_TUPLE or any(reader(entry) is not None for entry in fields):
        return None
    return itemgetter(*(entry.column for entry in fields))


def _says(shown: Any, value: Any, type_: FieldType) -> bool:
    """Whether the delivered value can be told from what is shown; numbers by value, not by how they were written."""
    if isinstance(value, (dict, list)) or (type_ is FieldType.JSON and value is not None):
        return False
    back = _as_delivered(shown, type_)
    if isinstance(value, (int, Decimal)) and not isinstance(value, bool):
        return isinstance(back, (int, Decimal)) and not isinstance(back, bool) and back == value
    return type(back) is type(value) and back == value


def _as_delivered(shown: Any, type_: FieldType) -> Any:
    """What DMS mostly delivers for a shown value of a type."""
    if not isinstance(shown, str):
        return shown
    if type_ is FieldType.TIMESTAMP or type_ is FieldType.TIMESTAMPTZ:
        seconds, point, fraction = shown.removesuffix("Z").partition(".")
        return f"{seconds}{point}{fraction.ljust(_MICROSECOND_DIGITS, '0') if point else ''}Z"
    if type_ is FieldType.BINARY:
        return f"0x{_bytes(shown).hex()}"
    return shown


def _bytes(shown: str) -> bytes:
    try:
        return base64.b64decode(shown, validate=True)
    except ValueError:  # `misfit: text` shows what is no binary
        return b""
