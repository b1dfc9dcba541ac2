"""Python values to DynamoDB attribute values and back: None, bool, int, Decimal, str, dict and list."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

AttributeValue = dict[str, Any]
Item = dict[str, AttributeValue]

# DynamoDB: 38 significant digits, 1E-130 to 9.99E+125 (Developer Guide, "Data types")
MAX_DIGITS: Final = 38
# 32 levels in all (Service quotas, "Nested attribute depth"), a document's own attributes included
MAX_DEPTH: Final = 31
MIN_EXPONENT: Final = -130
MAX_EXPONENT: Final = 125
SHORT_INTEGER: Final = 10**18
_DIGITS: Final = "0123456789"
_NEGATIVE: Final = frozenset(f"-{digit}" for digit in "123456789")


class NotStorable(ValueError):
    """The value has no DynamoDB form: a number of more than 38 digits or out of range, or a foreign type."""


def to_attribute(value: Any, depth: int = 0) -> AttributeValue:
    """AttributeValue of a JSON-like value. Raises NotStorable; the message never holds the value."""
    if value is None:
        return {"NULL": True}
    kind = type(value)
    if kind is dict:
        if depth >= MAX_DEPTH or "" in value:
            raise _not_nestable(depth)
        return {"M": _to_attributes(value, depth + 1)}
    if kind is int or kind is Decimal:
        return {"N": number_text(value)}
    if isinstance(value, str):
        return {"S": value}
    if isinstance(value, (list, tuple)):
        if depth >= MAX_DEPTH:
            raise _not_nestable(depth)
        return {"L": [to_attribute(item, depth + 1) for item in value]}
    if kind is bool:
        return {"BOOL": value}
    raise NotStorable(f"a {type(value).__name__} has no DynamoDB form")


def _to_attributes(values: dict[str, Any], depth: int) -> Item:
    found: Item = {}
    for name, value in values.items():
        kind = type(value)
        if kind is str:
            found[name] = {"S": value}
        elif kind is int and -SHORT_INTEGER < value < SHORT_INTEGER:
            found[name] = {"N": str(value)}
        elif value is None:
            found[name] = {"NULL": True}
        elif kind is list and depth < MAX_DEPTH - 1:  # mostly of objects: a call less for each
            found[name] = {
                "L": [
                    {"M": _to_attributes(item, depth + 2)}
                    if type(item) is dict and "" not in item
                    else to_attribute(item, depth + 1)
                    for item in value
                ]
            }
        elif kind is dict and depth < MAX_DEPTH and "" not in value:
            found[name] = {"M": _to_attributes(value, depth + 1)}
        else:
            found[name] = to_attribute(value, depth)
    return found


def _not_nestable(depth: int) -> NotStorable:
    return NotStorable(
        f"nested deeper than {MAX_DEPTH} levels" if depth >= MAX_DEPTH else "an object with an empty name"
    )


def number_text(value: int | Decimal) -> str:
    """A number as DynamoDB takes it. Raises NotStorable instead of rounding."""
    if type(value) is int and -SHORT_INTEGER < value < SHORT_INTEGER:
        return str(value)
    plain = str(value)
    # few digits, and no zero with a sign: only zeros behind a point may have to go
    if len(plain) <= MAX_DIGITS and "E" not in plain and (plain[0] in _DIGITS or plain[:2] in _NEGATIVE):
        return plain.rstrip("0").rstrip(".") if "." in plain else plain
    number = Decimal(value)
    if not number.is_finite():
        raise NotStorable("not a finite number")
    if number == 0:
        return "0"
    digits = "".join(map(str, number.as_tuple().digits)).rstrip("0").lstrip("0")
    if len(digits) > MAX_DIGITS or not MIN_EXPONENT <= number.adjusted() <= MAX_EXPONENT:
        raise NotStorable("a number has more than 38 digits or is out of range")
    plain = format(number, "f")
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


def from_attribute(attribute: AttributeValue) -> Any:
    """The Python value; numbers become int where they are whole, else Decimal."""
    ((kind, value),) = attribute.items()
    if kind == "S" or kind == "BOOL":
        return value
    if kind == "NULL":
        return None
    if kind == "N":
        return int(value) if value.lstrip("-").isdigit() else Decimal(value)
    if kind == "M":
        return {name: from_attribute(item) for name, item in value.items()}
    if kind == "L":
        return [from_attribute(item) for item in value]
    raise NotStorable(f"attribute type {kind} is not used here")


def to_item(values: dict[str, Any]) -> Item:
    """A whole item."""
    return _to_attributes(values, 0)


def from_item(item: Item) -> dict[str, Any]:
    """A whole item, back."""
    return {name: from_attribute(value) for name, value in item.items()}


MAX_ITEM_BYTES: Final = 400_000
"""DynamoDB refuses items above 400 KB (409,600 bytes); a little is kept back for what a count cannot know."""


def item_bytes(item: Item) -> int:
    """Size of an item as DynamoDB counts it: names, values, 3 bytes for a list or map and 1 for each entry."""
    return sum(len(name.encode()) + attribute_bytes(value) for name, value in item.items())


def attribute_bytes(attribute: AttributeValue) -> int:
    """Size of one value; numbers by the upper bound of 1 byte for two digits and 2 more."""
    ((kind, value),) = attribute.items()
    if kind == "S":
        return len(value.encode())
    if kind == "N":
        return len(value) // 2 + 3
    if kind == "M":
        return 3 + sum(1 + len(name.encode()) + attribute_bytes(item) for name, item in value.items())
    if kind == "L":
        return 3 + sum(1 + attribute_bytes(item) for item in value)
    return 1
