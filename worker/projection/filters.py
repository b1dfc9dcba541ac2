"""Row filters as functions of a row."""

from __future__ import annotations

import operator
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from contract.keys import scalar_text
from contract.mapping import FieldType, Filter, Test
from worker.projection.convert import DoesNotFit, convert
from worker.records.rows import Row

Passes = Callable[[Row], bool]

_BOUNDS: Final[dict[Test, Callable[[Any, Any], bool]]] = {
    Test.AT_LEAST: operator.ge,
    Test.AT_MOST: operator.le,
    Test.ABOVE: operator.gt,
    Test.BELOW: operator.lt,
}


def passes(rule: Filter) -> Passes:
    """Whether a row passes one filter; a column that the row does not have counts as NULL."""
    column = rule.column
    if rule.test in _BOUNDS:
        within = _within(rule)
        return lambda row: within(row.get(column))
    listed = _listed(rule)
    if rule.test is Test.IN:
        return lambda row: listed(row.get(column))
    return lambda row: not listed(row.get(column))


def _listed(rule: Filter) -> Callable[[Any], bool]:
    null = None in rule.values
    texts = frozenset(scalar_text(value) for value in rule.values if value is not None)

    def listed(value: Any) -> bool:
        if isinstance(value, str):
            return value in texts
        if value is None:
            return null
        return not isinstance(value, (dict, list)) and scalar_text(value) in texts

    return listed


def _within(rule: Filter) -> Callable[[Any], bool]:
    """A number meets the bound as a number, everything else as text; NULL, objects and lists are within no bound."""
    compare = _BOUNDS[rule.test]
    bound = rule.values[0]
    if bound is None:
        return lambda _: False
    bound_text, bound_number = scalar_text(bound), _number(bound)

    def within(value: Any) -> bool:
        if value is None or isinstance(value, (dict, list)):
            return False
        if isinstance(value, (int, Decimal)) and not isinstance(value, bool):
            return bound_number is not None and compare(value, bound_number)
        return compare(scalar_text(value), bound_text)

    return within


def _number(bound: Any) -> int | Decimal | None:
    try:
        number: int | Decimal = convert(bound, FieldType.DECIMAL)
    except DoesNotFit:
        return None
    return number
