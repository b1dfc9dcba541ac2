"""Reads a logical replication slot: log messages in, confirmed positions out."""

import select
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2
from psycopg2.extras import LogicalReplicationConnection

from local.dms.catalog import SESSION, translated


class Source:
    """One replication connection. Messages come in commit order, whole transactions only."""

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor

    def read(self) -> tuple[int, bytes] | None:
        """The next message with the log position of its change, or None if none has arrived yet."""
        try:
            message = self._cursor.read_message()
        except psycopg2.Error as error:
            raise translated(error) from error
        return None if message is None else (message.data_start, message.payload)

    def wait(self, seconds: float) -> None:
        """Return when something arrives or the time is over."""
        select.select([self._cursor], [], [], seconds)

    def confirm(self, lsn: int) -> None:
        """Tell the server that everything up to `lsn` is safe, and ask how far its log reaches."""
        try:
            self._cursor.send_feedback(write_lsn=lsn, flush_lsn=lsn, reply=True, force=True)
        except psycopg2.Error as error:
            raise translated(error) from error

    @property
    def reached(self) -> int:
        """How far the server has read its log for us: every transaction that ends before has arrived."""
        reached: int = self._cursor.wal_end or 0
        return reached


@contextmanager
def replicate(url: str, slot: str, publication: str, start_lsn: int) -> Iterator[Source]:
    """Stream the slot from `start_lsn`; raises Disconnected for what may pass, else DmsError."""
    connection = None
    try:
        connection = psycopg2.connect(
            url,
            options=SESSION,
            application_name="nearview-dms",
            connect_timeout=10,
            connection_factory=LogicalReplicationConnection,
        )
        connection.set_client_encoding("UTF8")
        cursor = connection.cursor()
        cursor.start_replication(
            slot_name=slot,
            start_lsn=start_lsn,
            decode=False,
            options={"proto_version": "1", "publication_names": publication},
        )
    except psycopg2.Error as error:
        if connection is not None:
            connection.close()
        raise translated(error) from error
    try:
        yield Source(cursor)
    finally:
        connection.close()


class Backoff:
    """Waiting times between attempts to reconnect: 0.2 s doubling to 5 s, anew after a minute of success."""

    def __init__(self) -> None:
        self._delay_seconds = 0.2
        self._last = time.monotonic()

    def next_seconds(self) -> float:
        """The time to wait before the next attempt."""
        now = time.monotonic()
        if now - self._last > 60:
            self._delay_seconds = 0.2
        self._last = now
        delay, self._delay_seconds = self._delay_seconds, min(self._delay_seconds * 2, 5.0)
        return delay
