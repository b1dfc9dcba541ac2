"""A child process as its daemon sees it: lines to it, lines from it, its requests, its end."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol

import orjson

from tests.faults.hub import Asked, Hub
from tests.soak.shards import Position, Record

ROOT: Final = Path(__file__).parents[2]
_PIPE_BYTES: Final = 1 << 20
EOF: Final[dict[str, Any]] = {"action": "EOF"}


class Launcher(Protocol):
    """Starts processes that run `worker.child`. `tells`: they say `waiting` before they wait for their daemon."""

    tells: bool

    def start(self, fds: tuple[int, int, int], environment: dict[str, str], options: dict[str, Any]) -> int:
        """The process id."""

    def wait(self, pid: int) -> int:
        """The exit code of a process that has ended or is about to."""


class Zygote:
    """Forks of one process that has imported everything. For several runs, one after the other."""

    tells = True

    def __init__(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.soak.zygote", str(theirs.fileno())],
            cwd=ROOT,
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0"},
        )
        theirs.close()
        self._control = ours
        if self._control.recv(64) != b"ready":
            raise RuntimeError("the process that starts children did not start")

    def start(self, fds: tuple[int, int, int], environment: dict[str, str], options: dict[str, Any]) -> int:
        """The process id."""
        message = json.dumps({"environment": environment, "options": options}).encode()
        socket.send_fds(self._control, [message], fds)
        return int(self._control.recv(64))

    def wait(self, pid: int) -> int:
        """The exit code."""
        self._control.send(json.dumps({"wait": pid}).encode())
        return int(self._control.recv(64))

    def close(self) -> None:
        """End it."""
        self._control.close()
        self._process.wait()


class Programs:
    """`python -m worker.child`, as KCL's daemon starts it; takes a second each. Knows no options."""

    tells = False

    def __init__(self) -> None:
        self._processes: dict[int, subprocess.Popen[bytes]] = {}

    def start(self, fds: tuple[int, int, int], environment: dict[str, str], options: dict[str, Any]) -> int:
        """The process id."""
        if options.get("mutant") or options.get("raise_at"):
            raise ValueError("a program of its own has no planted defects")
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **environment}
        process = subprocess.Popen(
            [sys.executable, "-u", "-m", "worker.child"],
            stdin=fds[0],
            stdout=fds[1],
            stderr=fds[2],
            cwd=ROOT,
            env=environment,
        )
        self._processes[process.pid] = process
        return process.pid

    def wait(self, pid: int) -> int:
        """The exit code."""
        return self._processes.pop(pid).wait()


class Child:
    """One process. `inbox`: what it said or asked and nobody has answered yet, oldest first."""

    def __init__(
        self, launcher: Launcher, hub: Hub, name: str, log: BinaryIO, environment: dict[str, str], options: Any
    ) -> None:
        self.name = name
        self.inbox: deque[Asked | dict[str, Any]] = deque()
        self.ended = False
        self.waits = not launcher.tells
        self._launcher = launcher
        self._hub = hub
        their_in, self._stdin = os.pipe()
        fcntl.fcntl(self._stdin, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)  # a delivery must never wait for a child that is busy
        self._stdout, their_out = os.pipe()
        try:
            self.pid = launcher.start((their_in, their_out, log.fileno()), environment, options)
        finally:
            os.close(their_in)
            os.close(their_out)
        self._partial = b""
        self._early: dict[int, Asked] = {}
        self._next = 0
        self._stdin_open = True
        os.set_blocking(self._stdout, False)
        hub.watch(self._stdout, self._read)

    def asked(self, asked: Asked) -> None:
        """A request of its own has come; those that overtook it on another connection wait."""
        number = asked.head.get("x-number")
        if number is None or int(number) < self._next:  # boto3's, or sent once more
            self.inbox.append(asked)
            return
        self._early[int(number)] = asked
        while self._next in self._early:
            self.inbox.append(self._early.pop(self._next))
            self._next += 1

    def no_longer_in_order(self) -> None:
        """What overtook is taken as it is: what it waits for does not come."""
        for number in sorted(self._early):
            self.inbox.append(self._early.pop(number))
            self._next = number + 1

    def send(self, action: str, **members: Any) -> None:
        """One line."""
        self.send_bytes(orjson.dumps({"action": action, **members}) + b"\n")

    def send_bytes(self, data: bytes) -> None:
        """A part of a line, or more. A child that has died does not read it."""
        self.waits = not self._launcher.tells
        if not self._stdin_open:
            return
        with suppress(BrokenPipeError):
            while data:
                data = data[os.write(self._stdin, data) :]

    def close_input(self) -> None:
        """As a daemon does that is done with a child, or has died."""
        if self._stdin_open:
            self._stdin_open = False
            os.close(self._stdin)

    @property
    def closed(self) -> bool:
        """Whether its daemon is gone."""
        return not self._stdin_open

    def signal(self, number: signal.Signals) -> None:
        """Send one."""
        if not self.ended:
            os.kill(self.pid, number)

    def reap(self) -> int:
        """The exit code, once its output has ended."""
        self.close_input()
        return self._launcher.wait(self.pid)

    def _read(self) -> None:
        try:
            data = os.read(self._stdout, 65_536)
        except BlockingIOError:
            return
        if not data:
            self._hub.unwatch(self._stdout)
            os.close(self._stdout)
            self.ended = True
            self.inbox.append(EOF)
            return
        *lines, self._partial = (self._partial + data).split(b"\n")
        for line in lines:
            if not line.strip():
                continue
            message = orjson.loads(line)
            if message["action"] == "waiting":
                self.waits = True
            else:
                self.inbox.append(message)


def delivery(records: list[Record]) -> bytes:
    """The line that delivers records."""
    entries = [
        {
            "action": "record",
            "data": base64.b64encode(record.change.data).decode(),
            "partitionKey": record.change.partition_key,
            "sequenceNumber": str(record.position[0]),
            "subSequenceNumber": record.position[1],
            "approximateArrivalTimestamp": 1_700_000_000_000,
        }
        for record in records
    ]
    return orjson.dumps({"action": "processRecords", "millisBehindLatest": 0, "records": entries}) + b"\n"


def position_of(message: dict[str, Any]) -> Position | None:
    """What a child asks to be checkpointed; None for the end of the shard."""
    if message["sequenceNumber"] is None:
        return None
    return int(message["sequenceNumber"]), int(message["subSequenceNumber"] or 0)
