"""Structured logging: JSON lines with an event name of a closed list and fields of a closed list.

No field can hold a record body or a column value, and a foreign exception is logged by its class and place only,
because its text may quote one. Standard output is never written to: in a child it belongs to the daemon.
"""

import datetime
import enum
import json
import logging
import sys
import traceback
from collections.abc import Callable
from typing import TextIO, TypedDict, Unpack

from worker.errors import NearviewError

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


class Event(enum.StrEnum):
    """Everything that can be logged."""

    # child
    CHILD_STOPPED = "child_stopped"
    CHILD_FAILED = "child_failed"
    SHARD_INITIALIZED = "shard_initialized"
    SHARD_ENDED = "shard_ended"
    LEASE_LOST = "lease_lost"
    SHUTDOWN_REQUESTED = "shutdown_requested"
    CHECKPOINT_DELAYED = "checkpoint_delayed"
    CHECKPOINT_REFUSED = "checkpoint_refused"
    DAEMON_GONE = "daemon_gone"
    # pipeline and store
    BATCH_DONE = "batch_done"
    RECORD_PARKED = "record_parked"
    TABLE_PARKED = "table_parked"
    DOCUMENT_PARKED = "document_parked"
    DRIFT_SEEN = "drift_seen"
    STORE_RETRIED = "store_retried"
    SHARD_HELD = "shard_held"
    SHARD_WENT_ON = "shard_went_on"
    MAPPINGS_LOADED = "mappings_loaded"
    # supervisor
    SUPERVISOR_STARTED = "supervisor_started"
    SUPERVISOR_STOPPED = "supervisor_stopped"
    SUPERVISOR_FAILED = "supervisor_failed"
    STOP_REQUESTED = "stop_requested"
    START_REFUSED = "start_refused"
    DAEMON_STARTED = "daemon_started"
    DAEMON_EXITED = "daemon_exited"
    DAEMON_KILLED = "daemon_killed"
    DAEMON_OUTPUT = "daemon_output"
    KCL = "kcl"
    CHILD_DIED = "child_died"
    CHILD_HUNG = "child_hung"
    LEASES_SEEDED = "leases_seeded"
    LEASES_FREED = "leases_freed"
    LEASE_STUCK = "lease_stuck"
    LEADER_FREED = "leader_freed"
    LEADER_STALE = "leader_stale"
    LEASE_TABLE_FAILED = "lease_table_failed"
    HEALTH_CHANGED = "health_changed"
    HEALTH_UNKNOWN = "health_unknown"
    COMPLETE_UNKNOWN = "complete_unknown"
    SERVING = "serving"
    # libraries
    LIBRARY = "library"


class Fields(TypedDict, total=False):
    """Everything that an event can say. Never a record body, a column value or a key of a row."""

    shard: str
    worker: str
    table: str
    stream: str
    operation: str
    aggregate: str
    mapping: str
    generation: int
    position: str
    sequence_number: str
    sub_sequence_number: int
    key_hash: str
    reason: str
    error: str
    message: str
    where: str
    setting: str
    logger: str
    call: str
    status: str
    address: str
    path: str
    version: str
    pid: int
    exit_code: int
    attempt: int
    count: int
    records: int
    parked: int
    documents: int
    leases: int
    delay_seconds: float
    seconds: float
    millis_behind: int | None


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


class Log:
    """Writes events of at least `level` to `stream`, with the context fields that were bound."""

    def __init__(
        self,
        level: str = "info",
        stream: TextIO | None = None,
        clock: Callable[[], datetime.datetime] = _now,
        context: Fields | None = None,
    ) -> None:
        self._level = level
        self._stream = stream or sys.stderr
        self._clock = clock
        self._context: Fields = context or {}

    def bind(self, **fields: Unpack[Fields]) -> "Log":
        """A log that adds these fields to each of its events."""
        return Log(self._level, self._stream, self._clock, {**self._context, **fields})

    def debug(self, event: Event, **fields: Unpack[Fields]) -> None:
        """For people who look into one worker; off by default."""
        self.write("debug", event, fields)

    def info(self, event: Event, **fields: Unpack[Fields]) -> None:
        """The normal course of things."""
        self.write("info", event, fields)

    def warning(self, event: Event, **fields: Unpack[Fields]) -> None:
        """Something went wrong and is being dealt with."""
        self.write("warning", event, fields)

    def error(self, event: Event, **fields: Unpack[Fields]) -> None:
        """Somebody has to act."""
        self.write("error", event, fields)

    def write(self, level: str, event: Event, fields: Fields) -> None:
        """One JSON line, in a single write so that lines of several threads do not mix. It never raises."""
        if LEVELS[level] < LEVELS[self._level]:
            return
        time = self._clock().isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = json.dumps({"time": time, "level": level, "event": event, **self._context, **fields})
        try:
            self._stream.write(line + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            # nobody reads stderr any more (the daemon died): that must not fail the batch
            return


def describe(error: BaseException) -> Fields:
    """Fields that name an error: the text of our own ones, only class and place of all others."""
    if isinstance(error, NearviewError):
        return {"error": type(error).__name__, "message": str(error)}
    frames = traceback.extract_tb(error.__traceback__)[-3:]
    where = " < ".join(f"{frame.filename}:{frame.lineno} {frame.name}" for frame in reversed(frames))
    return {"error": f"{type(error).__module__}.{type(error).__qualname__}", "where": where}


class LibraryHandler(logging.Handler):
    """Turns messages of libraries into events; their arguments are left out, because they may quote values."""

    def __init__(self, log: Log) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record's template, not the finished message."""
        level = "error" if record.levelno >= logging.ERROR else "warning"
        self._log.write(level, Event.LIBRARY, {"logger": record.name, "message": str(record.msg)[:500]})


def capture_libraries(log: Log) -> None:
    """Send what libraries log or warn about through `log`, for the whole process."""
    logging.captureWarnings(capture=True)
    logging.basicConfig(handlers=[LibraryHandler(log)], level=logging.WARNING, force=True)
