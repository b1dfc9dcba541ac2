"""A command, or a question after one, as it may have to be sent on to another region."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sent:
    """`path` is escaped as it is sent; `caller` as the records of keys know them; `seconds`: it takes at most."""

    path: str
    key: str
    caller: str
    seconds: float
