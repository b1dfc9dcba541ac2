"""A line that is cut drops what is sent, and delivers it when it is mended."""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.line import HOST, Line, Lines, LineState
from local.processes import Processes, free_port, wait_until

REGION = "eu-west-1"
SOON_SECONDS = 20


def echo(server: socket.socket) -> None:
    while True:
        taken, _ = server.accept()
        threading.Thread(target=answer, args=(taken,), daemon=True).start()


def answer(taken: socket.socket) -> None:
    while data := taken.recv(100):
        taken.sendall(data)
    taken.close()


@pytest.fixture
def line(tmp_path: Path) -> Iterator[tuple[Lines, int]]:
    """A line to a server that sends back what it gets."""
    server = socket.create_server((HOST, 0))
    threading.Thread(target=echo, args=(server,), daemon=True).start()
    lines, port = Lines(tmp_path / "lines"), free_port()
    lines.lay([Line("edge", (REGION,), port, server.getsockname()[1])])
    processes = Processes(tmp_path)
    processes.start("lines", [sys.executable, "-m", "local.line", str(lines.folder)])
    try:
        processes.wait_until((lines.folder / "serving").exists, SOON_SECONDS, "the line", ["lines"])
        yield lines, port
    finally:
        processes.stop_all()


def connected(port: int, seconds: float) -> socket.socket | None:
    try:
        return socket.create_connection((HOST, port), timeout=seconds)
    except TimeoutError:
        return None


def is_dropped(port: int) -> bool:
    found = connected(port, 0.3)
    if found is not None:
        found.close()
    return found is None


def test_a_cut_line_neither_answers_nor_refuses_and_loses_nothing(line: tuple[Lines, int]) -> None:
    """No reset, no end: callers wait for their own time-outs. What was sent meanwhile arrives after the repair."""
    lines, port = line
    held = connected(port, SOON_SECONDS)
    assert held is not None
    held.sendall(b"one")
    assert held.recv(100) == b"one"
    lines.cut(REGION)
    wait_until(lambda: is_dropped(port), SOON_SECONDS, "no answer to a new connection")
    held.sendall(b"two")
    held.settimeout(0.5)
    with pytest.raises(TimeoutError):
        held.recv(100)
    lines.mend(REGION)
    held.settimeout(SOON_SECONDS)
    assert held.recv(100) == b"two"
    wait_until(lambda: not is_dropped(port), SOON_SECONDS, "an answer to a new connection")
    held.close()


def test_a_distance_delays_both_ways_and_another_regions_cut_does_not_matter(line: tuple[Lines, int]) -> None:
    """An answer takes at least twice the one way."""
    lines, port = line
    lines.set(LineState(("us-east-1",), {REGION: 60.0}))
    time.sleep(0.2)  # the line follows within a tenth of a second; a shorter delay would only be a later start
    wait_until(lambda: round_trip(port) >= 0.12, SOON_SECONDS, "a delayed answer")


def round_trip(port: int) -> float:
    taken = connected(port, SOON_SECONDS)
    assert taken is not None
    begun = time.monotonic()
    taken.sendall(b"x")
    taken.recv(1)
    taken.close()
    return time.monotonic() - begun
