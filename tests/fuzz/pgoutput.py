"""Any bytes as a message of the replication protocol are a message or a protocol error."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from local.dms.pgoutput import ProtocolError, parse
from tests.fuzz.parts import Target, is_line
from tests.local.dms.test_pgoutput import ROW_1_X

HEAD_BYTES: Final = 0


def check(data: bytes) -> None:
    """Parse the message."""
    try:
        parse(data)
    except ProtocolError as problem:
        is_line(str(problem))


def seeds() -> Iterator[bytes]:
    """One of each kind."""
    yield b"B" + bytes(20)
    yield b"C" + bytes(25)
    yield b"R\x00\x00\x40\x00shop\x00t\x00d\x00\x01\x01id\x00\x00\x00\x00\x14\xff\xff\xff\xff"
    for row in (ROW_1_X, b"\x00\x02nu", b"\x00\x00"):
        yield b"I\x00\x00\x40\x00N" + row
        yield b"U\x00\x00\x40\x00K" + row + b"N" + row
        yield b"D\x00\x00\x40\x00O" + row
    yield b"T\x00\x00\x00\x01"


TARGET: Final = Target("pgoutput", check, seeds)
