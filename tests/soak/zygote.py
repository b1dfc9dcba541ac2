"""Starts children in milliseconds: everything is imported once, every child is a fork that runs as `worker.child` does.

The child's code, its process and its death are the real ones. Only waiting times are shortened, and options of a
single child (a planted defect, an exception at a certain place) are patched in after the fork.
"""

from __future__ import annotations

import functools
import gc
import itertools
import json
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any, Final, NoReturn

import boto3
import botocore.loaders
import botocore.session
from botocore.config import Config

from tests.soak.mutants import MUTANTS
from worker import compose, due_work, pipeline
from worker.child import checkpoints, processor
from worker.child import run as life
from worker.child.protocol import LineHandler
from worker.child.stdout import take_stdout
from worker.compose import build_pipeline
from worker.source_settings import read_mapping
from worker.store import dynamodb, failures, lean
from worker.store.connections import Connections, Exchange
from worker.store.dynamodb import DynamoStore, dynamodb_client
from worker.store.lean import LeanDynamoDB

_MESSAGE_BYTES: Final = 65_536
_FDS: Final = 3
_WAIT_SECONDS: Final = 0.01
_sessions: list[Any] = []
MAPPINGS: Final = Path(__file__).parent / "mappings"


def shorten_waits() -> None:
    """Nothing else is changed: how long a child waits is no part of what is shown."""
    failures.LONGEST_DELAY_SECONDS = _WAIT_SECONDS  # type: ignore[misc]
    checkpoints.LONGEST_DELAY_SECONDS = _WAIT_SECONDS
    pipeline.REFRESH_SECONDS = 3600.0  # type: ignore[misc]
    due_work.LOOK_SECONDS = due_work.ORPHANED_SECONDS = 0.0  # type: ignore[misc]
    processor.CHECKPOINT_EVERY_SECONDS = 0.0
    life.ORPHAN_SECONDS = 0.2


def _warm() -> None:
    """What every child would read again is read once: DynamoDB's description, the mapping."""
    loader = botocore.loaders.create_loader(None)
    botocore.session.create_loader = lambda _=None: loader
    os.environ |= {"AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none", "AWS_EC2_METADATA_DISABLED": "true"}
    dynamodb_client("eu-west-1", "http://127.0.0.1:1")
    session = botocore.session.Session()
    LeanDynamoDB("eu-west-1", "http://127.0.0.1:1", session).close()
    vars(lean)["Session"] = lambda: session
    _sessions.extend((session, boto3.DEFAULT_SESSION._session))
    read_once = vars(compose)["read_mapping"] = functools.cache(read_mapping)
    read_once(MAPPINGS)
    gc.collect()
    gc.freeze()


def _tell_when_waiting() -> None:
    """A line before every wait for an action: so the daemon's stand-in knows that nothing else will come.

    None before the wait for a checkpoint's answer: it was asked for by a line.
    """
    read, write = LineHandler.read_line, LineHandler.write_action
    asked = [False]

    def read_line(self: LineHandler) -> bytes:
        if not asked[0]:
            write(self, {"action": "waiting"})
        asked[0] = False
        return read(self)

    def write_action(self: LineHandler, response: dict[str, Any]) -> None:
        asked[0] = response["action"] == "checkpoint"
        write(self, response)

    LineHandler.read_line = read_line  # type: ignore[method-assign]
    LineHandler.write_action = write_action  # type: ignore[method-assign]


def _number_requests() -> None:
    """Several are under way on as many connections; their order is the child's, not the network's."""
    right, numbers = Connections.send, itertools.count()

    def send(self: Connections, request: bytes) -> Exchange:
        return right(self, request.replace(b"\r\n", b"\r\nX-Number: %d\r\n" % next(numbers), 1))

    Connections.send = send  # type: ignore[method-assign]


def _options(options: dict[str, Any]) -> None:
    if seconds := options.get("read_seconds"):
        LeanDynamoDB.__init__.__defaults__ = (None, seconds)
        vars(dynamodb)["Config"] = lambda **more: Config(**{**more, "read_timeout": seconds})
    if mutant := options.get("mutant"):
        MUTANTS[mutant].plant()
    if at := options.get("raise_at"):
        _raise_at(at, options["raises"])


def _raise_at(at: int, name: str) -> None:
    """The store's so-manieth group of operations ends in an exception that nobody expects."""
    right, left = DynamoStore.run, [at]

    def run(self: DynamoStore, group: Any) -> list[Any]:
        left[0] -= 1
        if left[0] == 0:
            raise {"MemoryError": MemoryError, "RecursionError": RecursionError, "KeyError": KeyError}[name]("planted")
        return right(self, group)

    DynamoStore.run = run  # type: ignore[method-assign]


def _child(fds: list[int], environment: dict[str, str], options: dict[str, Any]) -> NoReturn:
    for target, fd in enumerate(fds):
        os.dup2(fd, target)
        os.close(fd)
    os.environ.clear()
    os.environ.update(environment)
    for session in _sessions:
        session._credentials = None  # they are in this child's own environment
    _options(options)
    life.run(os.environ, build_pipeline, sys.stdin.buffer, take_stdout())


def main() -> None:
    """Fork on demand, tell exit codes on demand, end with whoever asks."""
    control = socket.socket(fileno=int(sys.argv[1]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    shorten_waits()
    _tell_when_waiting()
    _number_requests()
    _warm()
    control.send(b"ready")
    while True:
        data, fds, _, _ = socket.recv_fds(control, _MESSAGE_BYTES, _FDS)
        if not data:
            os._exit(0)
        asked = json.loads(data)
        if "wait" in asked:
            _, status = os.waitpid(asked["wait"], 0)
            control.send(str(os.waitstatus_to_exitcode(status)).encode())
            continue
        pid = os.fork()
        if pid == 0:
            control.close()
            try:
                _child(fds, asked["environment"], asked["options"])
            finally:
                os._exit(99)
        for fd in fds:
            os.close(fd)
        control.send(str(pid).encode())


if __name__ == "__main__":
    main()
