"""The heartbeat of a local stack: a table that is written every second, whatever else happens."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing

import psycopg2
import pytest

from local import heartbeat
from local.processes import wait_until
from local.running import Options
from local.standin import make_task
from worker.heartbeat.statements import rows_needed


def test_every_row_is_written_again_and_again_until_it_is_stopped(
    new_database: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "EVERY_SECONDS", 0.05)
    url = new_database()
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            heartbeat.make(cursor, 2)

            def beats() -> list[tuple[object, ...]]:
                cursor.execute("SELECT count(*), count(DISTINCT beat), min(beat) FROM nearview.heartbeat")
                return cursor.fetchall()

            ((rows, _, first),) = beats()
            stop = threading.Event()
            writer = threading.Thread(target=heartbeat.beat, args=(url, stop))
            writer.start()
            wait_until(lambda: beats()[0][2] > first or None, 30, "a heartbeat")  # type: ignore[operator]
            stop.set()
            writer.join()

            assert rows == rows_needed(heartbeat.TABLE, 2)
            assert beats()[0][:2] == (rows, 1)


def test_it_is_written_in_databases_of_our_own_only() -> None:
    assert Options().has_heartbeat
    assert not Options(source_url="postgresql://somebody@elsewhere/else").has_heartbeat


def test_the_task_sends_its_rows_by_their_keys() -> None:
    rules = make_task(Options(), (heartbeat.TABLE,))["TableMappings"]["rules"]

    assert [rule["object-locator"] for rule in rules] == [{"schema-name": "nearview", "table-name": "heartbeat"}] * 2
    assert rules[1]["mapping-parameters"] == {"partition-key-type": "primary-key"}
