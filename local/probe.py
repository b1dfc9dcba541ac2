"""Measures from outside: commits a new row of the source and waits until its document can be read."""

from __future__ import annotations

import threading
import time
from contextlib import closing
from dataclasses import dataclass, field
from typing import Final

import psycopg2

from contract.keys import DOCUMENT_SK, document_pk
from local.running import Running

FIRST_CUSTOMER: Final = 900_000_001
PAUSE_SECONDS: Final = 0.1
POLL_SECONDS: Final = 0.01
STATEMENT_SECONDS: Final = 10
LOST_SECONDS: Final = 60
"""The workload may delete a probe's customer before it was seen; then the next one is tried."""


@dataclass(slots=True)
class Samples:
    """Pairs of monotonic times: the commit's return, and the first read that showed it."""

    pairs: list[tuple[float, float]] = field(default_factory=list)

    def latencies(self, since: float, until: float) -> list[float]:
        """Seconds from commit to readable document, for commits of that time, sorted."""
        return sorted(seen - committed for committed, seen in self.pairs if since <= committed < until)


def quantile(values: list[float], share: float) -> float | None:
    """Nearest-rank quantile of sorted values."""
    return values[min(len(values) - 1, int(share * len(values)))] if values else None


class Probe(threading.Thread):
    """Runs beside the demo; one change at a time, so each sample is a whole way through the system."""

    def __init__(self, running: Running) -> None:
        super().__init__(name="probe", daemon=True)
        self.samples = Samples()
        self._url = running.source_url
        self._table = running.storage.documents_table
        self._client = running.ministack.client("dynamodb")
        self._ended = threading.Event()

    def run(self) -> None:
        """Until `end`."""
        with closing(psycopg2.connect(self._url)) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                customer = FIRST_CUSTOMER
                while not self._ended.wait(PAUSE_SECONDS):
                    customer += 1
                    cursor.execute(
                        "INSERT INTO shop.customers (customer_id, name, vip, created_at)"
                        " VALUES (%s, 'Probe', false, now())",
                        (customer,),
                    )
                    committed = time.monotonic()
                    if self._wait_for(customer, committed + LOST_SECONDS):
                        self.samples.pairs.append((committed, time.monotonic()))

    def end(self) -> None:
        """Stop after the change that is on its way."""
        self._ended.set()
        self.join(timeout=STATEMENT_SECONDS)

    def _wait_for(self, customer: int, until: float) -> bool:
        key = {"pk": {"S": document_pk("customer", str(customer))}, "sk": {"S": DOCUMENT_SK}}
        while not self._ended.is_set() and time.monotonic() < until:
            if "Item" in self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True):
                return True
            time.sleep(POLL_SECONDS)
        return False
