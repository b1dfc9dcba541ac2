"""One run of KCL's daemon as a child process."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import IO, TextIO

from worker.log import Event, Log
from worker.supervisor import archive, tether

MAIN_CLASS = "software.amazon.kinesis.multilang.MultiLangDaemon"
# without its performance file it leaves nothing in /tmp; out of memory it must die, not limp
FIXED_OPTIONS = ("-XX:-UsePerfData", "-XX:+ExitOnOutOfMemoryError")
# as logback.xml writes them
_LEVELS = {"ERROR": "error", "WARN": "warning", "INFO": "info", "DEBUG": "debug", "TRACE": "debug"}
LONGEST_MESSAGE = 1000
LOGBACK = Path(__file__).with_name("logback.xml")


def command(java: Path, options: str, jars: Path, properties_file: Path) -> list[str]:
    """The argument list that starts the daemon."""
    return [
        str(java),
        *options.split(),
        *FIXED_OPTIONS,
        *archive.options(jars),
        "-cp",
        archive.class_path(jars),
        MAIN_CLASS,
        "--properties-file",
        str(properties_file),
        "--log-configuration",
        str(LOGBACK),
    ]


class Daemon:
    """Starts with its construction, which must happen in the main thread: the kernel ties it to the thread's life."""

    def __init__(self, arguments: list[str], environ: Mapping[str, str], log: Log) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", tether.__file__, str(os.getpid()), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=dict(environ),
        )
        assert self._process.stdout  # noqa: S101 - it was asked for above
        self._pump = threading.Thread(target=forward_output, args=(self._process.stdout, sys.stderr, log), daemon=True)
        self._pump.start()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def exit_code(self) -> int | None:
        """None while it runs; negative for a signal."""
        return self._process.poll()

    def terminate(self) -> None:
        """Ask it to stop gracefully."""
        self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once; its children see the end of their input."""
        self._process.kill()

    def wait(self, seconds: float) -> bool:
        """Whether it ended within that time."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        # children that are still busy hold the pipe; their lines are not worth waiting for
        self._pump.join(0.2)
        return True


def forward_output(source: IO[bytes], target: TextIO, log: Log) -> None:
    """Pass on what the daemon and its children print: children's events as they are, all else as events."""
    with source:
        for raw in source:
            line = raw.decode("utf-8", "replace").rstrip()
            if line.startswith('{"time":'):
                with contextlib.suppress(OSError, ValueError):  # unread, the daemon would block; unlogged, it goes on
                    target.write(line + "\n")
                    target.flush()
            elif line:
                _forward_other(line, log)


def _forward_other(line: str, log: Log) -> None:
    tag, *rest = line.split(" ", 3)
    if tag == "KCL" and len(rest) == 3 and rest[0] in _LEVELS:
        level, logger, message = rest
        log.write(_LEVELS[level], Event.KCL, {"logger": logger, "message": message[:LONGEST_MESSAGE]})
    else:
        log.warning(Event.DAEMON_OUTPUT, message=line[:LONGEST_MESSAGE])
