"""Equality of two documents, value for value: a digest of one, or the first place where two differ. Pure.

Numbers are equal as decimals, whatever their scale. A number from a float4 or float8 column is equal when both texts
read as the same float of that size, because a float has several exact texts (2.2 and 2.20000005 are one float4).
Nothing else is equal to anything of another type: 1, "1" and true differ, and null differs from an absent attribute.
"""

from __future__ import annotations

import hashlib
import json
import re
import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from json.encoder import encode_basestring_ascii
from typing import Any, Final

_PLAIN_NAME = re.compile(r"[^\W\d]\w*")
_LONGEST_SHOWN: Final = 200


class Leaf(StrEnum):
    """Attributes that need more than their text to be compared."""

    FLOAT4 = "float4"
    FLOAT8 = "float8"
    JSON_TEXT = "json"  # the source gives the text of a JSON value, the document holds the value
    JSON_OR_NULL = "json or null"  # the same, null where the text is no JSON
    JSON_OR_TEXT = "json or text"  # the same, the text itself where it is no JSON
    UNCOMPARED = "uncompared"  # left out on both sides
    ANY_ORDER = "any order"  # stands under the name "": the elements of the list come in an order not known here


class Unfit:
    """Stands in an expected document for a value that its field's type or DynamoDB does not take."""


class Anything:
    """Stands in an expected document for a value that DMS cannot carry: whatever is stored will do."""


UNFIT: Final = Unfit()
ANYTHING: Final = Anything()

# The attributes, at their places in the tree, that need care; lists are transparent, other attributes are left out.
Shape = dict[str, "Leaf | Shape"]


@dataclass(frozen=True, slots=True)
class Difference:
    """The first place where two documents differ. `note` holds no value; `expected` and `stored` do."""

    path: str
    note: str
    expected: Any = None
    stored: Any = None


def digest(document: dict[str, Any], shape: Shape) -> bytes:
    """16 bytes that are equal for two documents when `first_difference` finds nothing, and only then.

    An expected document that holds `ANYTHING` has a digest that no stored one has.
    """
    return hashlib.blake2b(_canonical(document, shape).encode(), digest_size=16).digest()


def _canonical(value: Any, shape: Leaf | Shape | None) -> str:
    """One text for all values that are equal."""
    pieces: list[str] = []
    _write(value, shape, pieces.append)
    return "".join(pieces)


def _write(value: Any, shape: Leaf | Shape | None, write: Callable[[str], None]) -> None:
    if isinstance(value, str):
        write(encode_basestring_ascii(_text(value, shape)))
    elif isinstance(value, dict):
        write("{")
        for name in _compared(value, shape):
            write(encode_basestring_ascii(name))
            write(":")
            _write(value[name], _below(shape, name), write)
            write(",")
        write("}")
    elif isinstance(value, list):
        write("[")
        for item in _ordered(value, shape):
            _write(item, shape, write)
            write(",")
        write("]")
    elif isinstance(value, (int, Decimal)) and not isinstance(value, bool):
        write(_number(value, shape))
    elif isinstance(value, Unfit):
        write("unfit")  # no stored document has it
    elif isinstance(value, Anything):
        write("anything")  # nor this: such a document is looked at value for value
    else:
        write({None: "null", True: "true", False: "false"}[value])


def _compared(names: Iterable[str], shape: Leaf | Shape | None) -> list[str]:
    return sorted(name for name in names if _below(shape, name) is not Leaf.UNCOMPARED)


def _ordered(items: list[Any], shape: Leaf | Shape | None) -> list[Any]:
    """In an order that depends on the items alone, where theirs is not known."""
    if _below(shape, "") is not Leaf.ANY_ORDER:
        return items
    return sorted(items, key=lambda item: _canonical(item, shape))


def _below(shape: Leaf | Shape | None, name: str) -> Leaf | Shape | None:
    return shape.get(name) if isinstance(shape, dict) else None


def _number(value: int | Decimal, shape: Leaf | Shape | None) -> str:
    """Canonical text of a number, digits without trailing zeros and an exponent: exact for any number of digits."""
    if shape in (Leaf.FLOAT4, Leaf.FLOAT8):
        return _float_text(str(value), shape)
    sign, digits, exponent = Decimal(value).as_tuple()
    text = "".join(map(str, digits)).lstrip("0")
    significant = text.rstrip("0")
    if not significant:
        return "0"
    assert isinstance(exponent, int)  # noqa: S101 - JSON and DynamoDB know neither NaN nor Infinity
    return f"{'-' if sign else ''}{significant}e{exponent + len(text) - len(significant)}"


def _text(value: str, shape: Leaf | Shape | None) -> str:
    """A float declared as text is still a float."""
    return _float_text(value, shape) if shape in (Leaf.FLOAT4, Leaf.FLOAT8) else value


def _float_text(text: str, leaf: Leaf | Shape | None) -> str:
    try:
        number = float(text)
        if leaf is Leaf.FLOAT4:
            (number,) = struct.unpack("f", struct.pack("f", number))
    except (ValueError, OverflowError):
        return text
    return repr(number)


def first_difference(expected: Any, stored: Any, shape: Leaf | Shape | None) -> Difference | None:
    """The first difference in the order of attribute names and list positions, None if there is none."""
    return next(_differences(expected, stored, shape, ()), None)


def _differences(
    expected: Any, stored: Any, shape: Leaf | Shape | None, path: tuple[str | int, ...]
) -> Iterator[Difference]:
    if isinstance(expected, Anything):
        return
    if isinstance(expected, Unfit):
        yield Difference(path_text(path), "the value does not fit, so the document should be parked", None, stored)
    elif isinstance(expected, dict) and isinstance(stored, dict):
        for name in _compared(expected.keys() | stored.keys(), shape):
            here = (*path, name)
            if name not in stored:
                yield Difference(path_text(here), "attribute absent in the document", expected[name])
            elif name not in expected:
                yield Difference(path_text(here), "attribute the mapping does not make", None, stored[name])
            else:
                yield from _differences(expected[name], stored[name], _below(shape, name), here)
    elif isinstance(expected, list) and isinstance(stored, list):
        pairs = zip(_ordered(expected, shape), _ordered(stored, shape), strict=False)
        for position, (mine, theirs) in enumerate(pairs):
            yield from _differences(mine, theirs, shape, (*path, position))
        if len(expected) != len(stored):
            yield Difference(
                path_text(path), f"{len(expected)} elements expected, {len(stored)} stored", expected, stored
            )
    elif _kind(expected) != _kind(stored):
        yield Difference(path_text(path), f"{_kind(expected)} expected, {_kind(stored)} stored", expected, stored)
    elif _canonical(expected, shape) != _canonical(stored, shape):
        yield Difference(path_text(path), f"another {_kind(expected)}", expected, stored)


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, (int, Decimal)):
        return "number"
    return {str: "text", dict: "object", list: "list", Unfit: "nothing that fits"}[type(value)]


def path_text(path: Iterable[str | int]) -> str:
    """`lines[3].product.title`; a name that is no plain word stands in quotes."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif _PLAIN_NAME.fullmatch(step):
            text += f".{step}" if text else step
        else:
            text += f"[{json.dumps(step)}]"
    return text


def printable(text: str) -> str:
    """Text without control characters, which could play tricks on a terminal."""
    return "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in text)


def value_text(value: Any) -> str:
    """A value as JSON, with exact numbers, cut after 200 characters, without control characters."""
    text = printable("".join(_json(value)))
    return text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "..."


def _json(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        inner = (f"{json.dumps(name, ensure_ascii=False)}: {''.join(_json(item))}" for name, item in value.items())
        yield "{" + ", ".join(inner) + "}"
    elif isinstance(value, list):
        yield "[" + ", ".join("".join(_json(item)) for item in value) + "]"
    elif isinstance(value, (int, Decimal)) and not isinstance(value, bool):
        yield str(value)
    elif isinstance(value, Unfit):
        yield "(does not fit)"
    elif isinstance(value, Anything):
        yield "(not comparable)"
    else:
        yield json.dumps(value, ensure_ascii=False)
