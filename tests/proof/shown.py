"""Column values as documents show them, for the second oracle: from PostgreSQL's own texts, by the plainest rules."""

from __future__ import annotations

import base64
import hmac
from decimal import Decimal
from typing import Any, Final

from tests.proof.schema import Column
from tests.proof.values import Kind


class Anything:
    """Equal to every value."""


ANYTHING: Final = Anything()
TOKEN_KEY_ID: Final = "proof"
TOKEN_SECRET: Final = b"a key for tests, of 32 bytes or more"
_NOT_FINITE: Final = ("NaN", "Infinity", "-Infinity")


def as_text(value: Any) -> str | None:
    """A scalar as keys, filters and templates have it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return plain(value)
    return None if value is None else str(value)


def plain(number: Decimal) -> str:
    """Digits without exponent and without zeros behind the fraction."""
    text = format(number, "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "") else text


def delivered(column: Column, text: str | None) -> Any:
    """The value in a change record of a source that loses nothing, or the token that stands for it."""
    value = None if text is None else _unprotected(column, text)
    if column.policy and value is not None:
        digest = hmac.digest(TOKEN_SECRET, b"nearview column token 1\x00" + (as_text(value) or "").encode(), "sha256")
        return f"tok:{TOKEN_KEY_ID}:{base64.urlsafe_b64encode(digest[:24]).decode()}"
    return value


def _unprotected(column: Column, text: str) -> Any:
    match column.type.kind:
        case Kind.NUMBER | Kind.FLOAT:
            return None if text in _NOT_FINITE else Decimal(text)
        case Kind.BOOLEAN:
            return text == "true"
        case Kind.DATE:
            return {"infinity": "9999-12-31", "-infinity": "4713-01-01 BC"}.get(text, text)
        case Kind.TIMESTAMP:
            return _moment(text)
        case Kind.BINARY:
            return "0x" + text[2:]
        case _:
            return text


def _moment(text: str) -> str:
    if text.endswith("infinity"):
        return "4713-01-01T00:00:00Z BC" if text.startswith("-") else "9999-12-31T23:59:59Z"
    era = " BC" if text.endswith(" BC") else ""
    day, _, clock = text.removesuffix(" BC").removesuffix("+00").partition(" ")
    seconds, point, fraction = clock.partition(".")
    return f"{day}T{seconds}{point}{fraction:0<6}Z{era}" if point else f"{day}T{seconds}Z{era}"


def typed(column: Column, text: str | None, field_type: str | None) -> Any:
    """The value under a field type, where that is plain to see."""
    value = delivered(column, text)
    if column.policy or value is None or field_type is None or isinstance(value, bool):
        if field_type == "text" and isinstance(value, bool):
            return "true" if value else "false"
        return exact(value)
    if field_type in ("integer", "decimal") and isinstance(value, Decimal):
        return exact(value)
    if field_type == "text":
        return ANYTHING if column.type.kind is Kind.FLOAT else plain(value) if isinstance(value, Decimal) else value
    if field_type == "date" and column.type.kind is Kind.DATE and not column.strange:
        return value
    if field_type in ("timestamp", "timestamptz") and column.type.kind is Kind.TIMESTAMP and not column.strange:
        moment = value.removesuffix("Z")
        moment = moment.rstrip("0") if "." in moment else moment
        return moment + ("Z" if field_type == "timestamptz" else "")
    return ANYTHING


def exact(value: Any) -> Any:
    """A number that the store takes; others are for `verify` to judge."""
    if isinstance(value, Decimal) and (len(value.normalize().as_tuple().digits) > 38 or abs(value.adjusted()) > 120):
        return ANYTHING
    return value
