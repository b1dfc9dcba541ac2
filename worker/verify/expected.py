"""Expected documents from the JSON text that the source gives. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from contract.keys import key_text
from contract.values import NotStorable, number_text
from worker.verify.compare import ANYTHING, UNFIT, Leaf, Shape
from worker.verify.marks import Marks, Tokens


@dataclass(frozen=True, slots=True)
class Expected:
    """What one document must be; `body` holds `UNFIT` where a value does not fit, `position` finds it in the source."""

    position: tuple[str, ...]
    key: str
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads the lines of a statement. `tokens` makes the token of a value; None where no statement has any."""

    shape: Shape
    marks: Marks
    tokens: Tokens | None = None

    def expected(self, position: str, key: str, document: str) -> Expected:
        """The document of one line, from its JSON texts."""
        values = [self._text(v) for v in json.loads(key, parse_float=Decimal, parse_int=Decimal)]
        body = json.loads(document, parse_float=_number, parse_int=_number)
        return Expected(tuple(json.loads(position)), key_text(values), self._restore(body, self.shape))

    def _restore(self, value: Any, shape: Leaf | Shape | None) -> Any:
        if isinstance(value, dict):
            below = shape if isinstance(shape, dict) else {}
            return {name: self._restore(item, below.get(name)) for name, item in value.items()}
        if isinstance(value, list):
            return [self._restore(item, shape) for item in value]
        if value == self.marks.unfit:
            return UNFIT
        if value == self.marks.beyond:
            return ANYTHING
        if isinstance(shape, Leaf) and shape in _WITHOUT_JSON and isinstance(value, str):
            return _parsed(value, _WITHOUT_JSON[shape])
        return self._text(value)

    def _text(self, value: Any) -> Any:
        if self.tokens is None or not isinstance(value, str):
            return value
        return self.marks.with_tokens(value, self.tokens)


def _number(text: str) -> Any:
    """A number of any length, exactly; UNFIT where DynamoDB cannot hold it."""
    number = Decimal(text)
    try:
        number_text(number)
    except NotStorable:
        return UNFIT
    return number


# what a text that is no JSON stands for
_WITHOUT_JSON: Final[dict[Leaf, Callable[[str], Any]]] = {
    Leaf.JSON_TEXT: lambda _: UNFIT,
    Leaf.JSON_OR_NULL: lambda _: None,
    Leaf.JSON_OR_TEXT: lambda text: text,
}


def _parsed(text: str, otherwise: Callable[[str], Any]) -> Any:
    try:
        return json.loads(text, parse_float=_number, parse_int=_number, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return otherwise(text)


def _no_constant(_: str) -> Any:
    raise ValueError
