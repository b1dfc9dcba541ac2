"""How column and document values compare: for the order of a `many`, for the smallest and the largest."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, Final

_INSTANT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", re.ASCII)


def rank(value: Any) -> tuple[int, Any]:
    """Sort key of any value: numbers by value, then text by code point, then what is neither, NULL last."""
    if value is None:
        return 3, 0
    if isinstance(value, str):
        # a whole second would sort after its own fractions: "." is smaller than "Z"
        return 1, value[:-1] if value.endswith("Z") and _INSTANT.fullmatch(value) else value
    if isinstance(value, (int, Decimal)):
        return 0, value
    return 2, str(value)
