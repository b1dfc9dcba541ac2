"""A seeded workload of concurrent writers at a given rate, straight against the database."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from random import Random
from typing import Any

import psycopg2

from local.monolith.errors import BusinessError
from local.monolith.operations import KINDS, Operation
from local.monolith.transactions import run_transaction

_ROLLED_BACK_OF = 25  # one of so many transactions is done in full and then rolled back


class _RollBackError(Exception):
    """Ends a transaction that was to have no effect."""


@dataclass(slots=True)
class WorkloadCounts:
    """What a workload did. Numbers of transactions; retries are attempts that PostgreSQL gave up."""

    committed: Counter[str] = field(default_factory=Counter)  # by kind
    rolled_back: int = 0
    refused: int = 0  # the rows that were met did not allow it
    retries: int = 0
    seconds: float = 0.0

    @property
    def transactions(self) -> int:
        return self.committed.total() + self.rolled_back + self.refused

    def add(self, other: WorkloadCounts) -> None:
        self.committed += other.committed
        self.rolled_back += other.rolled_back
        self.refused += other.refused
        self.retries += other.retries

    def to_json(self) -> dict[str, Any]:
        return {
            "transactions": self.transactions,
            "committed": self.committed.total(),
            "rolled_back": self.rolled_back,
            "refused": self.refused,
            "retries": self.retries,
            "seconds": round(self.seconds, 3),
            "kinds": dict(sorted(self.committed.items())),
        }


def run_workload(
    database_url: str,
    *,
    transactions: int | None = None,
    rate: float | None = None,
    seed: int = 1,
    writers: int = 2,
    stop: threading.Event | None = None,
    kinds: Sequence[str] = tuple(KINDS),
) -> WorkloadCounts:
    """Run until `transactions` are done or `stop` is set, at most `rate` a second; raise what ended a writer.

    What transaction n does depends on the seed and n alone, whoever runs it; with one writer and the same
    database to begin with, two runs do the same.
    """
    turns = _Turns(transactions, rate, stop or threading.Event())
    counts, lock, failures = WorkloadCounts(), threading.Lock(), list[BaseException]()

    def write() -> None:
        try:
            with closing(psycopg2.connect(database_url, application_name="workload")) as connection:
                while (number := turns.next()) is not None:
                    _transaction(connection, Random(f"{seed}/{number}"), kinds, counts, lock)
        except BaseException as error:  # noqa: BLE001 (raised in the caller's thread; the others are stopped)
            failures.append(error)
            turns.stop.set()

    started = time.monotonic()
    threads = [threading.Thread(target=write, name=f"writer-{n}") for n in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counts.seconds = time.monotonic() - started
    if failures:
        raise failures[0]
    return counts


class _Turns:
    """Hands out transaction numbers, each not before its time."""

    def __init__(self, transactions: int | None, rate: float | None, stop: threading.Event) -> None:
        self.stop = stop
        self._transactions = transactions
        self._rate = rate
        self._next = 0
        self._lock = threading.Lock()
        self._start = time.monotonic()

    def next(self) -> int | None:
        """Wait for the next turn; None when there are enough or the workload is to stop."""
        with self._lock:
            number = self._next
            if self._transactions is not None and number >= self._transactions:
                return None
            self._next += 1
        wait_seconds = self._start + number / self._rate - time.monotonic() if self._rate else 0.0
        return None if self.stop.wait(max(wait_seconds, 0.0)) else number


def _transaction(
    connection: Any, random: Random, kinds: Sequence[str], counts: WorkloadCounts, lock: threading.Lock
) -> None:
    kind = random.choices(kinds, [KINDS[name][1] for name in kinds])[0]
    taken_back = random.randrange(_ROLLED_BACK_OF) == 0
    work = _attempt(KINDS[kind][0], random.getrandbits(64), taken_back)
    done = WorkloadCounts()

    def count_retry() -> None:
        done.retries += 1

    try:
        run_transaction(connection, work, count_retry)
        done.committed[kind] += 1
    except _RollBackError:
        done.rolled_back += 1
    except (BusinessError, psycopg2.IntegrityError):  # also a race that only a constraint could see
        done.refused += 1
    with lock:
        counts.add(done)


def _attempt(operation: Operation, seed: int, taken_back: bool) -> Callable[[Any], None]:
    """Every attempt starts with the same random numbers."""

    def work(cursor: Any) -> None:
        operation(cursor, Random(seed))
        if taken_back:
            raise _RollBackError

    return work
