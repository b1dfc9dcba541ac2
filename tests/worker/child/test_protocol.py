"""Lines of the daemon: what is none is refused without being quoted, and nothing is read without end."""

from __future__ import annotations

import io
import os
import threading
from itertools import pairwise
from typing import BinaryIO, cast

import pytest

from worker.child import protocol
from worker.child.protocol import LineHandler, ShardProcess
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


class Busy(ShardProcess):
    """The loop with a daemon that has so many lines at once, 0.4 seconds each, and slices of 0.3 due without end."""

    version = 3

    def __init__(self, lines: int) -> None:
        self.seconds = 0.0
        self.done: list[str] = []
        super().__init__(self, io.BytesIO(), io.BytesIO(), io.StringIO(), clock=lambda: self.seconds)
        self.io_handler = self
        self.lines = lines

    def read_line(self) -> bytes:
        """The next line, or the daemon's end."""
        self.lines -= 1
        return b"line" if self.lines >= 0 else b""

    def has_line(self, _: float) -> bool:
        """A line, or the end after a pause in which there is time for three slices."""
        return self.lines > 0 or self.done[-3:] == ["slice"] * 3

    def _handle_a_line(self, _: bytes) -> None:
        self.done.append("delivery")
        self.seconds += 0.4

    def between_actions(self) -> bool:
        """A slice."""
        self.done.append("slice")
        self.seconds += 0.3
        return True


def test_deliveries_without_a_pause_leave_a_quarter_of_their_time_to_what_is_due() -> None:
    busy = Busy(30)
    busy.run()

    slices = [at for at, what in enumerate(busy.done[:-3]) if what == "slice"]
    assert len(slices) == pytest.approx(30 * 0.4 * 0.25 / 0.3, abs=1)
    assert all(later - earlier > 2 for earlier, later in pairwise(slices))


def test_in_a_pause_all_time_is_for_what_is_due() -> None:
    busy = Busy(1)
    busy.run()

    assert busy.done == ["delivery", "slice", "slice", "slice"]


def test_a_line_that_comes_soon_is_waited_for() -> None:
    come, go = os.pipe()
    with os.fdopen(come, "rb") as source, os.fdopen(go, "wb", buffering=0) as target:
        lines = LineHandler(source, io.BytesIO(), io.StringIO())
        before = lines.has_line(0.01)
        soon = threading.Timer(0.05, target.write, (b"line\n",))
        soon.start()

        assert (before, lines.has_line(30)) == (False, True)
        soon.join()
