"""The log: one JSON line per event, and never a value of somebody else's exception."""

import datetime
import io
import json
import logging
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from worker.errors import FatalError
from worker.log import Event, Log, capture_libraries, describe

NOON = datetime.datetime(2026, 1, 2, 12, 0, 0, 1000, tzinfo=datetime.UTC)


@pytest.fixture
def lines() -> io.StringIO:
    """Where the log goes."""
    return io.StringIO()


def read(lines: io.StringIO) -> list[dict[str, Any]]:
    """What was logged."""
    return [json.loads(line) for line in lines.getvalue().splitlines()]


def test_an_event_is_a_json_line_with_its_context(lines: io.StringIO) -> None:
    log = Log("info", lines, lambda: NOON).bind(shard="shard-1").bind(pid=7)
    log.info(Event.BATCH_DONE, records=3)
    assert read(lines) == [
        {
            "time": "2026-01-02T12:00:00.001Z",
            "level": "info",
            "event": "batch_done",
            "shard": "shard-1",
            "pid": 7,
            "records": 3,
        }
    ]


def test_lower_levels_are_left_out(lines: io.StringIO) -> None:
    log = Log("warning", lines)
    for write in (log.debug, log.info, log.warning, log.error):
        write(Event.SERVING)
    assert [entry["level"] for entry in read(lines)] == ["warning", "error"]


def test_text_of_any_kind_stays_on_its_line(lines: io.StringIO) -> None:
    Log("info", lines).info(Event.SERVING, message='a\n"b"\u2028\ud800')
    assert len(lines.getvalue().split("\n")) == 2
    assert read(lines)[0]["message"] == 'a\n"b"\u2028\ud800'


def test_a_closed_stream_does_not_fail_the_caller(lines: io.StringIO) -> None:
    lines.close()
    Log("info", lines).info(Event.SERVING)


def test_our_errors_are_told_in_full_and_foreign_ones_by_class_and_place() -> None:
    assert describe(FatalError("table rows is gone")) == {"error": "FatalError", "message": "table rows is gone"}
    try:
        int("secret")
    except ValueError as error:
        fields = describe(error)
    assert fields["error"] == "builtins.ValueError"
    assert "test_log.py" in fields["where"]
    assert "secret" not in json.dumps(fields)


@pytest.fixture
def restored_logging() -> Iterator[None]:
    """Puts the process's logging back."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    logging.captureWarnings(capture=False)
    root.handlers[:] = handlers
    root.setLevel(level)


def test_libraries_are_quoted_without_their_arguments(lines: io.StringIO, restored_logging: None) -> None:
    capture_libraries(Log("info", lines))
    logging.getLogger("botocore.x").error("cannot write %s", "secret")
    logging.getLogger("botocore.x").info("chatter")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("careful", stacklevel=1)
    entries = read(lines)
    assert [entry["event"] for entry in entries] == ["library", "library"]
    assert entries[0]["message"] == "cannot write %s"
    assert entries[0]["logger"] == "botocore.x"
    assert "secret" not in lines.getvalue()


def test_event_names_are_unique_and_in_snake_case() -> None:
    names = [event.value for event in Event]
    assert len(names) == len(set(names))
    assert all(event.name.lower() == event.value for event in Event)
