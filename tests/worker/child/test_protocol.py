"""Lines of the daemon: what is none is refused without being quoted, and nothing is read without end."""

from __future__ import annotations

import io
from typing import BinaryIO, cast

import pytest

from worker.child import protocol
from worker.child.protocol import LineHandler
from worker.errors import ProtocolError

CANARY = b"canary-7F3A"


class Endless(io.RawIOBase):
    """A line that never ends."""

    given = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        part = (CANARY * (len(buffer) // len(CANARY) + 1))[: len(buffer)]
        buffer[:] = part
        self.given += len(part)
        return len(part)


def handler(source: BinaryIO) -> LineHandler:
    return LineHandler(source, io.BytesIO(), io.StringIO())


def test_a_line_without_end_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "MAX_LINE_BYTES", 100_000)
    source = Endless()

    with pytest.raises(ProtocolError, match="a line of more than 100000 bytes"):
        handler(cast("BinaryIO", io.BufferedReader(cast("io.RawIOBase", source)))).read_line()

    assert source.given < 300_000


def test_lines_are_read_one_by_one() -> None:
    lines = handler(io.BytesIO(b"one\ntwo\n"))

    assert [lines.read_line() for _ in range(3)] == [b"one\n", b"two\n", b""]


def test_a_line_that_is_no_action_is_not_quoted() -> None:
    with pytest.raises(ProtocolError) as caught:
        handler(io.BytesIO()).load_action(CANARY)

    assert CANARY.decode() not in str(caught.value)
