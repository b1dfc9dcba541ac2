"""Transactions of the monolith: begun, committed or rolled back, and tried again when PostgreSQL asks for it."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any, TypeVar

from psycopg2 import errors

T = TypeVar("T")
Work = Callable[[Any], T]

# PostgreSQL gave up one of several transactions that were in each other's way: the same again may well work.
RETRYABLE = (errors.DeadlockDetected, errors.SerializationFailure)
_ATTEMPTS = 8
_LONGEST_PAUSE_SECONDS = 0.05


def run_transaction(connection: Any, work: Work[T], on_retry: Callable[[], None] = lambda: None) -> T:
    """Run `work(cursor)` in a transaction of its own and commit; any exception rolls back and is raised.

    Deadlocks and serialisation failures are tried again, so `work` may run several times and must not keep
    anything outside the database from one run to the next.
    """
    for attempt in range(_ATTEMPTS):
        try:
            with connection, connection.cursor() as cursor:
                return work(cursor)
        except RETRYABLE:
            if attempt == _ATTEMPTS - 1:
                raise
            on_retry()
            time.sleep(random.uniform(0, _LONGEST_PAUSE_SECONDS))
    raise AssertionError("the loop returns or raises")


def commit_position(connection: Any) -> str:
    """A position of the database's log that no earlier commit of this connection lies behind.

    The insert position, because the written one may still be before a commit that did not wait for the disk.
    """
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_wal_insert_lsn()::text")
        position: str = cursor.fetchone()[0]
        return position
