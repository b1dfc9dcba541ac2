"""A version for people: of which incarnation, where in the log, or when its row was loaded. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from worker.status.model import instant


@dataclass(frozen=True, slots=True)
class Version:
    """`loaded_at`: DMS built the load's record then; else `position` in the log and `record` in its transaction."""

    text: str
    incarnation: int
    position: str = ""
    record: int = 0
    loaded_at: str = ""

    def __str__(self) -> str:
        of = f"incarnation {self.incarnation}, " if self.incarnation != 1 else ""
        if not self.incarnation:
            return self.text
        if self.loaded_at:
            return f"{of}loaded {self.loaded_at}"
        return f"{of}position {self.position}, record {self.record}"


def read_version(text: str) -> Version:
    """What is no version's text stands for itself."""
    try:
        incarnation, position, number = int(text[:4], 16), int(text[4:36], 16), int(text[36:], 16)
    except ValueError:
        return Version(text, 0)
    if position == 0:
        return Version(text, incarnation, loaded_at=instant(number))
    return Version(text, incarnation, f"{position:X}", number)
