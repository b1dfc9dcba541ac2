"""One setting: its variable, the values it takes, and how a text becomes its value or a problem."""

from __future__ import annotations

import dataclasses
import difflib
import re
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Spec:
    """One setting: its variable, the values it takes and what it means."""

    name: str
    description: str
    default: str | int | None = None
    required: bool = False
    minimum: int | None = None
    maximum: int | None = None
    choices: tuple[str, ...] = ()
    pattern: str = ""
    form: str = "text"
    secret: bool = False
    internal: bool = False

    @property
    def values(self) -> str:
        """The allowed values in words."""
        if self.choices:
            return " or ".join(self.choices)
        if self.minimum is not None:
            return f"whole number, {self.minimum} to {self.maximum}"
        return self.form

    def parse(self, given: str) -> tuple[str | int | None, str | None]:
        """Value and problem of a non-empty text; exactly one of them is None."""
        if self.minimum is None or self.maximum is None:
            if self.pattern and not re.fullmatch(self.pattern, given):
                return None, f"{self.name} must be {self.form}"
            if self.choices and given not in self.choices:
                shown = "" if self.secret else f", not {given!r}"
                return None, f"{self.name} must be {self.values}{shown}{guess(given, self.choices)}"
            return given, None
        value = int(given) if given.isascii() and given.isdigit() and len(given) < 20 else None
        if value is None or not self.minimum <= value <= self.maximum:
            return None, f"{self.name} must be a {self.values}, not {given!r}"
        return value, None


def text(name: str, description: str, default: str | None = None, **more: Any) -> Any:
    """A field of text; without a default it must be given. `more`: further attributes of its spec."""
    spec = Spec(name, description, default, required=default is None, **more)
    return dataclasses.field(metadata={"spec": spec})


def number(name: str, default: int, minimum: int, maximum: int, description: str) -> Any:
    """A field of whole numbers."""
    return dataclasses.field(metadata={"spec": Spec(name, description, default, minimum=minimum, maximum=maximum)})


def guess(text: str, known: list[str] | tuple[str, ...]) -> str:
    """What was meant, as the end of a message; "" if nothing is close."""
    close = difflib.get_close_matches(text, known, n=1, cutoff=0.75)
    return f"; did you mean {close[0]}?" if close else ""
