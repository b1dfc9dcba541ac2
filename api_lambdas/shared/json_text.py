"""JSON text of documents and commands, both ways, without losing a digit. Pure."""

from __future__ import annotations

import json
from decimal import Decimal
from json.encoder import encode_basestring
from typing import Any, Final, NoReturn

MAX_DEPTH: Final = 64


class NotJson(ValueError):
    """The text is no JSON that means one thing everywhere; the message never holds the text."""


class _NeedsDigits(Exception):
    """A number has more digits than a float."""


def dumps(value: Any, *, sort_keys: bool = False) -> str:
    """Compact JSON of None, bool, int, Decimal, str, dict and list; every number keeps its value."""
    try:
        return (_SORTED if sort_keys else _UNSORTED).encode(value)
    except _NeedsDigits:
        parts: list[str] = []
        _write(value, parts.append, sort_keys)
        return "".join(parts)


def _exact_float(number: Decimal) -> float:
    """The standard library's encoder is fast but writes no Decimal: most are floats that print the same value."""
    approximate = float(number)
    if Decimal(repr(approximate)) != number:
        raise _NeedsDigits
    return approximate


_OPTIONS: Final[dict[str, Any]] = {
    "ensure_ascii": False,
    "separators": (",", ":"),
    "default": _exact_float,
    "check_circular": False,
}
_UNSORTED: Final = json.JSONEncoder(**_OPTIONS)
_SORTED: Final = json.JSONEncoder(**_OPTIONS, sort_keys=True)


def _write(value: Any, put: Any, sort_keys: bool) -> None:
    if isinstance(value, str):
        put(encode_basestring(value))
    elif value is None:
        put("null")
    elif isinstance(value, bool):  # before int: a bool is an int
        put("true" if value else "false")
    elif isinstance(value, (int, Decimal)):
        put(str(value))
    elif isinstance(value, dict):
        opening = "{"
        for name in sorted(value) if sort_keys else value:
            put(f"{opening}{encode_basestring(name)}:")
            _write(value[name], put, sort_keys)
            opening = ","
        put("}" if value else "{}")
    else:
        opening = "["
        for item in value:
            put(opening)
            _write(item, put, sort_keys)
            opening = ","
        put("]" if value else "[]")


def loads(data: bytes | str) -> Any:
    """The value of a JSON text: int and Decimal for numbers, names in an object only once. Raises NotJson."""
    try:
        value = json.loads(
            data.decode() if isinstance(data, bytes) else data,
            parse_float=Decimal,
            parse_constant=_refuse_constant,
            object_pairs_hook=_object,
        )
        if _is_deep(value):
            raise NotJson("nested too deeply")
        dumps(value).encode()  # an escaped half of a surrogate pair is no text
    except NotJson:
        raise
    except (ValueError, ArithmeticError) as error:
        raise NotJson("not well-formed JSON in UTF-8") from error
    except RecursionError as error:
        raise NotJson("nested too deeply") from error
    return value


def _is_deep(value: Any) -> bool:
    """Whether objects and lists stand in each other more than MAX_DEPTH times."""
    level = [value]
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                below += item.values()
            elif isinstance(item, list):
                below += item
        if not below:
            return False
        level = below
    return any(isinstance(item, (dict, list)) for item in level)


def _refuse_constant(name: str) -> NoReturn:
    raise NotJson(f"{name} is no JSON")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):  # readers differ in which one they take
        raise NotJson("an object has a name twice")
    return members
