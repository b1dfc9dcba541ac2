"""How column and document values compare: for the order of a `many`, for the smallest and the largest."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, Final

_INSTANT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", re.ASCII)


def rank(value: Any) -> tuple[int, Any]:
    """Sort key of any value: numbers by value, booleans, text by code point, objects and lists, NULL last."""
    if isinstance(value, str):
        # a whole second would sort after its own fractions: "." is smaller than "Z"
        return 2, value[:-1] if value.endswith("Z") and _INSTANT.fullmatch(value) else value
    if value is None:
        return 4, 0
    if isinstance(value, bool):
        return 1, value
    return (0, value) if isinstance(value, (int, Decimal)) else (3, str(value))
