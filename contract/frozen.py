"""Value classes that are made by the million."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

Value = TypeVar("Value")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen(cls: type[Value]) -> type[Value]:
    """A slotted, hashable dataclass that is frozen for the type checker.

    At run time nothing keeps anybody from assigning: a dataclass that sees to it takes three times as long to make.
    """
    return dataclass(slots=True, unsafe_hash=True)(cls)
