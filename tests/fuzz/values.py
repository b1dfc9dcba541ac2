"""Any JSON value goes into an attribute and back, or is refused; keys and sort texts keep what they promise."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

from api_lambdas.shared.json_text import NotJson, dumps, loads
from contract.keys import MAX_KEY_TEXT_BYTES, MAX_SORT_VALUE_BYTES, index_sort, key_text, scalar_text, sortable_text
from contract.mapping import Field, FieldType, Misfit
from contract.values import NotStorable, from_attribute, item_bytes, to_attribute
from tests.fuzz.mutate import NUMBERS, TEXTS, written
from tests.fuzz.parts import Target, is_line, join, split
from worker.projection.convert import DoesNotFit, convert
from worker.projection.fields import as_text, reader
from worker.projection.ranking import rank
from worker.records.envelope import parse
from worker.records.errors import PoisonRecord
from worker.records.protect import TokenKey
from worker.records.rows import row_body

HEAD_BYTES: Final = 1
"""The type that values are read as."""

Scalars = list[Any]


def check(data: bytes) -> None:
    """Take every value of the parts through all that a column's value may meet. Raises for a finding."""
    head, parts = split(data, HEAD_BYTES)
    scalars: Scalars = []
    for part in parts:
        _api_text(part)
        try:
            document = parse(part)
        except PoisonRecord:
            continue
        for value in filter(_kept, document.values()):
            _value(value, tuple(FieldType)[head[0] % len(FieldType)])
            if isinstance(value, (str, bool, int, Decimal)):
                scalars.append(value)
    _orders(scalars[:8])


def _kept(value: Any) -> bool:
    """Whether a row with it can be stored; all others are parked before."""
    try:
        return bool(row_body({"a": value}))
    except (TypeError, ValueError):
        return False


def _value(value: Any, field_type: FieldType) -> None:
    _stored(value)
    rank(value)
    for misfit in Misfit:
        read = reader(Field("a", "a", field_type, misfit, (("P", "paid"), (None, "none")), ("1",) if misfit else ()))
        plain = reader(Field("a", "a", field_type, misfit))
        for one in (read, plain):
            try:
                _stored(one(value) if one else value)
            except DoesNotFit as problem:
                _refused(problem, misfit)
    try:
        once = convert(value, field_type)
    except DoesNotFit:
        return
    if field_type not in (FieldType.JSON, FieldType.BINARY, FieldType.TIMESTAMPTZ, FieldType.TIMESTAMP):
        assert convert(once, field_type) == once, "a converted value converts to another one"


def _refused(problem: DoesNotFit, misfit: Misfit) -> None:
    is_line(str(problem))
    assert misfit is Misfit.PARK, "a lenient field refuses a value"


def _stored(value: Any) -> None:
    try:
        attribute = to_attribute(value)
    except NotStorable:
        return
    assert from_attribute(attribute) == value, "an attribute is another value"
    try:
        assert item_bytes({"a": attribute}) > 0
    except UnicodeEncodeError:
        return
    assert loads(dumps(value)) == value, "the API shows another value"
    assert isinstance(as_text(value), str | None)


def _orders(scalars: Scalars) -> None:
    token = TokenKey("k1", b"0123456789abcdef0123456789abcdef")
    for one in scalars:
        assert len(key_text([one]).encode("utf-8", "surrogatepass")) <= MAX_KEY_TEXT_BYTES
        assert len(sortable_text(one).encode("utf-8", "surrogatepass")) <= max(MAX_SORT_VALUE_BYTES, 1010)
        for other in scalars:
            same = scalar_text(one) == scalar_text(other)
            assert (key_text([one, 1]) == key_text([other, 1])) == same, "two keys meet"
            assert (token.token(one) == token.token(other)) == same or "e" in f"{one}{other}".lower()
            if _numbers(one, other) and _short(one, other):
                assert (index_sort([one], "k") < index_sort([other], "k")) == (one < other), "an index sorts wrongly"


def _numbers(*values: Any) -> bool:
    return all(isinstance(value, (int, Decimal)) and not isinstance(value, bool) for value in values)


def _short(*values: Any) -> bool:
    """What an index can hold: a storable number."""
    try:
        return bool([to_attribute(value) for value in values])
    except NotStorable:
        return False


def _api_text(part: bytes) -> None:
    try:
        value = loads(part)
    except NotJson:
        return
    assert loads(dumps(value)) == value
    dumps(value, sort_keys=True).encode()


def seeds() -> Iterator[bytes]:
    """Numbers and texts that were trouble somewhere, for every type."""
    usable = {f"n{at}": number for at, number in enumerate(NUMBERS[:18])}
    for number in range(len(FieldType)):
        head = bytes([number])
        yield join(head, [written(usable).encode()])
        yield join(
            head, [written({"a": text, "b": [text], "c": {"x": text}}).encode() for text in TEXTS[number::9]][:6]
        )
        yield join(head, [b'{"a": 1.50, "b": -0.0, "c": "1.5", "d": true, "e": null, "f": "2024-07-29 00:58:17.5+02"}'])


TARGET: Final = Target("values", check, seeds)
