"""JSON bodies of the HTTP service, checked and turned into the business's own values."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from local.monolith.customers import Correction
from local.monolith.errors import BusinessError, InvalidCommandError
from local.monolith.orders import KEEP, MOST_LINES, LineChange, NewLine, NewOrder, OrderChange

LARGEST_ID = 2**63 - 1
LARGEST_INT = 2**31 - 1
_NOTE_CHARACTERS = 2_000
_NAME_CHARACTERS = 200
_SKU_CHARACTERS = 500
_COUNTRY_CHARACTERS = 20


def parse(content: bytes, allowed: Iterable[str]) -> dict[str, Any]:
    """The body as an object without unknown members; an empty body is an empty object."""
    try:
        body = json.loads(content) if content else {}
    except (ValueError, RecursionError):
        raise BusinessError("the body is not JSON") from None
    return _object("the body", body, allowed)


def new_order(content: bytes) -> NewOrder:
    """The body of POST /orders."""
    body = parse(content, ("customer_id", "shipping_address_no", "note", "lines"))
    lines = [_object("a line", line, ("sku", "quantity")) for line in _list(body, "lines")]
    return NewOrder(
        customer_id=_integer(body, "customer_id", 1, LARGEST_ID),
        shipping_address_no=_address_no(body),
        note=_text(body, "note", _NOTE_CHARACTERS),
        lines=[
            NewLine(_required_text(line, "sku", _SKU_CHARACTERS), _integer(line, "quantity", 1, LARGEST_INT))
            for line in lines
        ],
    )


def order_change(content: bytes) -> OrderChange:
    """The body of POST /orders/{order_id}/change: what is left out stays as it is."""
    body = parse(content, ("note", "shipping_address_no", "lines"))
    lines = _list(body, "lines") if "lines" in body else []
    lines = [_object("a line", line, ("line_no", "quantity")) for line in lines]
    return OrderChange(
        note=_text(body, "note", _NOTE_CHARACTERS) if "note" in body else KEEP,
        shipping_address_no=_address_no(body) if "shipping_address_no" in body else KEEP,
        lines=[
            LineChange(_integer(line, "line_no", 1, LARGEST_INT), _integer(line, "quantity", 0, LARGEST_INT))
            for line in lines
        ],
    )


def line_move(content: bytes) -> tuple[int, int, int]:
    """The body of POST /order-lines/move: order, line, order it goes to."""
    body = parse(content, ("order_id", "line_no", "to_order_id"))
    return (
        _integer(body, "order_id", 1, LARGEST_ID),
        _integer(body, "line_no", 1, LARGEST_INT),
        _integer(body, "to_order_id", 1, LARGEST_ID),
    )


def new_title(content: bytes) -> str:
    """The body of POST /products/{sku}/rename."""
    return _required_text(parse(content, ("title",)), "title", _NAME_CHARACTERS)


def correction(content: bytes) -> Correction:
    """The body of POST /customers/{customer_id}/correct: what is left out stays as it is."""
    body = parse(content, ("name", "email", "country_code"))
    return Correction(
        name=_required_text(body, "name", _NAME_CHARACTERS) if "name" in body else KEEP,
        email=_text(body, "email", _NAME_CHARACTERS) if "email" in body else KEEP,
        country_code=_text(body, "country_code", _COUNTRY_CHARACTERS) if "country_code" in body else KEEP,
    )


def nothing(content: bytes) -> None:
    """The body of a command that needs no more than its address."""
    parse(content, ())


def _object(what: str, value: Any, allowed: Iterable[str]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidCommandError(f"{what} has to be an object")
    for name in value:
        if name not in allowed:
            raise InvalidCommandError(f"{what} has an unknown member {name!r}; known: {', '.join(allowed)}")
    return value


def _list(body: dict[str, Any], name: str) -> list[Any]:
    value = body.get(name)
    if not isinstance(value, list) or not 1 <= len(value) <= MOST_LINES:
        raise InvalidCommandError(f"{name} has to be a list of 1 to {MOST_LINES}")
    return value


def _integer(body: dict[str, Any], name: str, least: int, most: int) -> int:
    value = body.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise InvalidCommandError(f"{name} has to be a whole number from {least} to {most}")
    return value


def _address_no(body: dict[str, Any]) -> int | None:
    if body.get("shipping_address_no") is None:
        return None
    return _integer(body, "shipping_address_no", 1, LARGEST_INT)


def _text(body: dict[str, Any], name: str, longest: int) -> str | None:
    """A text that may be null, left out or empty."""
    return None if body.get(name) is None else _checked_text(body[name], name, 0, longest)


def _required_text(body: dict[str, Any], name: str, longest: int) -> str:
    return _checked_text(body.get(name), name, 1, longest)


def _checked_text(value: Any, name: str, shortest: int, longest: int) -> str:
    if not isinstance(value, str) or not shortest <= len(value) <= longest:
        raise InvalidCommandError(f"{name} has to be a text of {shortest} to {longest} characters")
    # PostgreSQL stores any character but this one, and JSON can say halves of characters
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise InvalidCommandError(f"{name} contains a character that cannot be stored")
    return value
