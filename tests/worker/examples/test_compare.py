"""Where a document differs from what is wanted."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from worker.examples.compare import differences
from worker.examples.model import Position, Wanted

AT = Position("a.yaml", 1, 1)


def _wanted(value: Any) -> Wanted:
    if isinstance(value, dict):
        return Wanted({name: _wanted(inner) for name, inner in value.items()}, AT)
    if isinstance(value, list):
        return Wanted(tuple(_wanted(inner) for inner in value), AT)
    return Wanted(value, AT)


@pytest.mark.parametrize(
    ("wanted", "found", "expected"),
    [
        ({"a": 1}, {"a": Decimal("1.0")}, []),
        ({"a": Decimal("1.50")}, {"a": Decimal("1.5")}, []),
        ({"a": 1}, {"a": "1"}, [("a", 'expected 1, is "1"')]),
        ({"a": True}, {"a": 1}, [("a", "expected true, is 1")]),
        ({"a": None}, {}, [("a", "expected null, is not there")]),
        ({"a": 1}, {"a": 1, "b": [2]}, [("b", "not expected, is [2]")]),
        ({"a": {"b": [{"c": 1}]}}, {"a": {"b": [{"c": 2}]}}, [("a.b[0].c", "expected 1, is 2")]),
        ({"a": [1, 2]}, {"a": [1]}, [("a[1]", "expected 2, is not there")]),
        ({"a": []}, {"a": [1]}, [("a[0]", "not expected, is 1")]),
        ({"a": []}, {"a": None}, [("a", "expected [], is null")]),
        ({}, {"a": 1, "b": 2}, [("", 'expected {}, is {"a":1,"b":2}')]),
        ({"a": {}}, {"a": {}}, []),
    ],
)
def test_differences_have_a_path(wanted: Any, found: Any, expected: list[tuple[str, str]]) -> None:
    """Numbers are compared by value, kinds exactly; nothing expected shows all of it."""
    assert [(d.path, d.message) for d in differences(_wanted(wanted), found)] == expected
