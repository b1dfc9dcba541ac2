"""How an attribute reads its column: the value map, the type, and what becomes of a value that does not fit."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from contract.keys import scalar_text
from contract.mapping import Field, FieldType, Misfit
from worker.projection.convert import DoesNotFit, conversion, convert

Read = Callable[[Any], Any]


def reader(field: Field) -> Read | None:
    """The document value of a delivered one; None where it stays as it is. Raises DoesNotFit under `park` only."""
    if field.values or field.otherwise:
        read = _mapped(field)
    elif field.type is FieldType.DELIVERED:
        return None
    else:
        read = conversion(field.type)
    if field.misfit is Misfit.PARK:
        return read
    return _lenient(read, _nothing if field.misfit is Misfit.NULL else as_text)


def as_text(value: Any) -> str | None:
    """Any delivered value as text: key text of a scalar, compact JSON of an object or a list, NULL stays NULL."""
    if value is None:
        return None
    return _json_text(value) if isinstance(value, (dict, list)) else scalar_text(value)


def _mapped(field: Field) -> Read:
    known = dict(field.values)
    field_type = field.type

    def read(value: Any) -> Any:
        if value is None:
            return convert(known.get(None), field_type)
        if not isinstance(value, (dict, list)) and (text := scalar_text(value)) in known:
            return convert(known[text], field_type)
        if not field.otherwise:
            raise DoesNotFit("not one of the mapped values")
        return convert(field.otherwise[0], field_type)

    return read


def _lenient(read: Read, instead: Read) -> Read:
    def lenient(value: Any) -> Any:
        try:
            return read(value)
        except DoesNotFit:
            return instead(value)

    return lenient


def _nothing(_: Any) -> None:
    return None


def _json_text(value: Any) -> str:
    """Names sorted; numbers with the digits they came with, which no JSON library writes for a Decimal."""
    if isinstance(value, dict):
        members = (f"{_json_text(name)}:{_json_text(value[name])}" for name in sorted(value))
        return f"{{{','.join(members)}}}"
    if isinstance(value, list):
        return f"[{','.join(map(_json_text, value))}]"
    return str(value) if isinstance(value, Decimal) else json.dumps(value, ensure_ascii=False)
