"""A document beside what an example wants: the places where they differ."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import orjson

from worker.examples.model import Position, Wanted
from worker.records.rows import raw_number


@dataclass(frozen=True, slots=True)
class Difference:
    """What differs where: in the document by its path, in the file by its position."""

    path: str
    at: Position
    message: str


def differences(wanted: Wanted, found: Any, path: str = "") -> Iterator[Difference]:
    """All differences; numbers are equal by value, a number is never equal to a text or a boolean.

    Where nothing is expected in an object, it is shown as a whole: an example may begin with `{}`.
    """
    if isinstance(wanted.value, dict) and isinstance(found, dict) and (wanted.value or not found):
        for name, value in wanted.value.items():
            inner = f"{path}.{name}" if path else name
            if name in found:
                yield from differences(value, found[name], inner)
            else:
                yield Difference(inner, value.at, f"expected {shown(value)}, is not there")
        for name, surplus in found.items():
            if name not in wanted.value:
                inner = f"{path}.{name}" if path else name
                yield Difference(inner, wanted.at, f"not expected, is {text_of(surplus)}")
    elif isinstance(wanted.value, tuple) and isinstance(found, list):
        for at, value in enumerate(wanted.value):
            if at < len(found):
                yield from differences(value, found[at], f"{path}[{at}]")
            else:
                yield Difference(f"{path}[{at}]", value.at, f"expected {shown(value)}, is not there")
        for at in range(len(wanted.value), len(found)):
            yield Difference(f"{path}[{at}]", wanted.at, f"not expected, is {text_of(found[at])}")
    elif not _equal(wanted.value, found):
        yield Difference(path, wanted.at, f"expected {shown(wanted)}, is {text_of(found)}")


def _equal(wanted: Any, found: Any) -> bool:
    if isinstance(wanted, bool) or isinstance(found, bool):
        return wanted is found
    if isinstance(wanted, (int, Decimal)) and isinstance(found, (int, Decimal)):
        return wanted == found
    return type(wanted) is type(found) and bool(wanted == found)


def shown(wanted: Wanted) -> str:
    """A wanted value as JSON text."""
    return text_of(_plain(wanted))


def text_of(value: Any) -> str:
    """A value as JSON text; it is an example's, nobody's data."""
    return orjson.dumps(value, default=raw_number).decode()


def _plain(wanted: Wanted) -> Any:
    if isinstance(wanted.value, dict):
        return {name: _plain(value) for name, value in wanted.value.items()}
    if isinstance(wanted.value, tuple):
        return [_plain(value) for value in wanted.value]
    return wanted.value
