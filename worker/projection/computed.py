"""Attributes that are computed once a row's fields and relations are there: constants, templates, derived ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Context, Decimal, Inexact, InvalidOperation, Overflow
from typing import Any, Final

from contract.keys import scalar_text
from contract.mapping import Computed, Constant, Derived, Function, Template
from worker.projection.convert import MAX_NUMBER_CHARACTERS, DoesNotFit, convert
from worker.projection.ranking import rank
from worker.records.rows import Row

Compute = Callable[[Row, dict[str, Any]], Any]
"""From a row's columns and its body so far; raises DoesNotFit."""

# a number has at most MAX_NUMBER_CHARACTERS digits on either side of the point; a sum is exact or a misfit
_EXACT: Final = Context(prec=4 * MAX_NUMBER_CHARACTERS, traps=[Inexact, InvalidOperation, Overflow])


def computation(entry: Computed) -> Compute:
    """How a computed attribute gets its value."""
    if isinstance(entry, Constant):
        return _constant(entry)
    if isinstance(entry, Template):
        return _template(entry)
    return _derived(entry)


def kind(entry: Computed) -> str:
    """What an attribute is, for the line that names a misfit."""
    return entry.function.value if isinstance(entry, Derived) else type(entry).__name__.lower()


def _constant(entry: Constant) -> Compute:
    return lambda _row, _body: convert(entry.text, entry.type)


def _template(entry: Template) -> Compute:
    def compute(row: Row, body: dict[str, Any]) -> str | None:
        texts: list[str] = []
        for part in entry.parts:
            if isinstance(part, str):
                texts.append(part)
                continue
            value = row.get(part[0]) if len(part) == 1 else _follow(body, part)
            if value is None:
                return None
            if isinstance(value, (dict, list)):
                raise DoesNotFit(f"{'.'.join(part)} is an object or a list")
            texts.append(scalar_text(value))
        return "".join(texts)

    return compute


def _derived(entry: Derived) -> Compute:
    many, path = entry.path[0], entry.path[1:]
    if entry.function is Function.COUNT:
        return lambda _row, body: len(body[many])
    what = ".".join(entry.path)
    over = {Function.SUM: _sum, Function.MIN: _smallest, Function.MAX: _largest}[entry.function]
    return lambda _row, body: over(what, _values(body[many], path))


def _values(elements: list[Any], path: tuple[str, ...]) -> Iterator[Any]:
    found = (_follow(element, path) for element in elements)
    return (value for value in found if value is not None)


def _follow(value: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value


def _sum(what: str, values: Iterator[Any]) -> int | Decimal:
    total: int | Decimal = 0
    for value in values:
        if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
            raise DoesNotFit(f"{what} is not a number everywhere")
        if isinstance(value, int) and isinstance(total, int):
            total += value
            continue
        try:
            total = _EXACT.add(Decimal(total), Decimal(value))
        except (Inexact, InvalidOperation, Overflow):
            raise DoesNotFit(f"{what} has no exact sum") from None
    return total


def _smallest(what: str, values: Iterator[Any]) -> Any:
    return min(_ranked(what, values), key=rank, default=None)


def _largest(what: str, values: Iterator[Any]) -> Any:
    return max(_ranked(what, values), key=rank, default=None)


def _ranked(what: str, values: Iterator[Any]) -> Iterator[Any]:
    for value in values:
        if isinstance(value, (dict, list)):
            raise DoesNotFit(f"{what} is an object or a list")
        yield value
