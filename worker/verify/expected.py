"""Expected documents from the JSON text that the source gives. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from contract.keys import key_text
from contract.values import NotStorable, number_text
from worker.verify.compare import UNFIT, Leaf, Shape


@dataclass(frozen=True, slots=True)
class Expected:
    """What one document must be; `body` holds `UNFIT` where a value does not fit."""

    key: str
    body: dict[str, Any]


def expected_document(key: str, document: str, shape: Shape, unfit: str) -> Expected:
    """Key and document from their JSON texts; `unfit` is the text that stands for values not of their type."""
    values = json.loads(key, parse_float=Decimal, parse_int=Decimal)
    body = json.loads(document, parse_float=_number, parse_int=_number)
    return Expected(key_text(values), _restore(body, shape, unfit))


def _number(text: str) -> Any:
    """A number of any length, exactly; UNFIT where DynamoDB cannot hold it."""
    number = Decimal(text)
    try:
        number_text(number)
    except NotStorable:
        return UNFIT
    return number


def _restore(value: Any, shape: Leaf | Shape | None, unfit: str) -> Any:
    if isinstance(value, dict):
        below = shape if isinstance(shape, dict) else {}
        return {name: _restore(item, below.get(name), unfit) for name, item in value.items()}
    if isinstance(value, list):
        return [_restore(item, shape, unfit) for item in value]
    if value == unfit:
        return UNFIT
    return _parsed(value) if shape is Leaf.JSON_TEXT and value is not None else value


def _parsed(text: str) -> Any:
    try:
        return json.loads(text, parse_float=_number, parse_int=_number, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return UNFIT


def _no_constant(_: str) -> Any:
    raise ValueError
