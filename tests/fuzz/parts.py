"""What a fuzz input is: a head that chooses settings, then parts, each a record, a file or a document."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

SEPARATOR: Final = b"\x1e"
"""The record separator of ASCII: no JSON or YAML text holds it as it is."""

MAX_PARTS: Final = 8


@dataclass(frozen=True, slots=True)
class Target:
    """An entry point. `check` raises for a finding and returns for everything that is as documented."""

    name: str
    check: Callable[[bytes], None]
    seeds: Callable[[], Iterable[bytes]]


def split(data: bytes, head_bytes: int) -> tuple[bytes, list[bytes]]:
    """Head (padded with zeros) and parts of an input; any bytes are one."""
    head = data[:head_bytes].ljust(head_bytes, b"\0")
    return head, data[head_bytes:].split(SEPARATOR)[:MAX_PARTS]


def join(head: bytes, parts: Iterable[bytes]) -> bytes:
    """An input of them."""
    return head + SEPARATOR.join(parts)


def is_line(text: str) -> None:
    """Raises AssertionError unless the text is one line that says something."""
    assert text, "an error says nothing"
    assert text.isprintable(), "an error is more than a line"


def text_of(part: bytes) -> str:
    """The text in a part, whatever its bytes; lone surrogates may stand in it as they may in a JSON escape."""
    return part.decode("utf-8", "surrogateescape" if part[:1] == b"\xff" else "replace")
