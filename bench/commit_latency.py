"""From a commit in PostgreSQL to the document readable, on the real local stack, at 80 % of what the stack can do."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psycopg2

from bench.measured import Metric, quantile
from bench.session import Metrics, Session
from contract.keys import DOCUMENT_SK, document_pk
from local.processes import ProcessError, wait_until
from local.progress import is_quiet, sent, source_position
from local.running import Options, Running, StackError
from local.stack import Stack

ORDERS: Final = 200
LOAD_SECONDS: Final = 240
DRAIN_SECONDS: Final = 120
FIRST_RATE: Final = 20.0
LOWEST_RATE: Final = 2.0
RATE_FACTOR: Final = 1.5
WARM_SECONDS: Final = 10.0
STAGE_SECONDS: Final = 30.0
LAG_SECONDS: Final = 1.0
"""A rate is too much if a tenth of the documents come later than this: then they wait for each other."""
SHARE_OF_LIMIT: Final = 0.8

FIRST_CUSTOMER: Final = 910_000_001
PROBES_PER_SECOND: Final = 10
POLL_SECONDS: Final = 0.02
LOST_SECONDS: Final = 30
KEYS_PER_CALL: Final = 100


@dataclass(frozen=True, slots=True)
class Stage:
    """What one rate of the workload led to; changes are those of the workload and of the probes beside it."""

    transactions_per_second: float
    changes_per_second: float
    lag_seconds: float

    def rate_for(self, share: float) -> float:
        """Transactions a second that make so large a share of the changes; the probes go on as they are."""
        each = (self.changes_per_second - PROBES_PER_SECOND) / self.transactions_per_second
        return max(1.0, (self.changes_per_second * share - PROBES_PER_SECOND) / each)


@dataclass(slots=True)
class Samples:
    """Latencies of the probes of one window; `lost`: documents that were not seen though the row still stands."""

    latencies: list[float] = field(default_factory=list)
    lost: int = 0


def commit_to_document(session: Session) -> Metrics:
    """PostgreSQL, the DMS stand-in, MiniStack, KCL's daemon and the worker on this machine; MiniStack is the limit."""
    with tempfile.TemporaryDirectory(prefix="nearview-bench-") as folder:
        stack = Stack(Path(folder), lambda _: None)
        session.say("commit to document: starting the local stack")
        try:
            running = stack.up(Options(orders=ORDERS))
            _wait_quiet(stack, running, LOAD_SECONDS)
            probe = Probe(running)
            return _measure(session, stack, running, probe, _limit(session, stack, running, probe))
        finally:
            stack.down()


def _limit(session: Session, stack: Stack, running: Running, probe: Probe) -> Stage:
    """The highest rate tried at which documents do not lag: raised until they do, or lowered until they do not."""
    _stage(stack, running, probe, LOWEST_RATE, WARM_SECONDS)  # the JVM and the children get warm
    rate, good, rises = FIRST_RATE, None, True
    while True:
        stage = _stage(stack, running, probe, rate)
        session.say(
            f"commit to document: {stage.transactions_per_second:.0f} transactions/s asked for {rate:.0f},"
            f" {stage.changes_per_second:.0f} changes/s; a tenth of the documents come after {stage.lag_seconds:.1f} s"
        )
        follows = stage.lag_seconds <= LAG_SECONDS
        good = stage if follows else good
        source_is_limit = stage.transactions_per_second < rate * 0.9
        if good is not None and (not follows or not rises or source_is_limit):
            return good
        rises = rises and follows
        rate = rate * RATE_FACTOR if rises else rate / RATE_FACTOR
        if rate < LOWEST_RATE:
            raise StackError(f"the stack does not follow {LOWEST_RATE:.0f} transactions a second: is the machine busy?")


def _stage(stack: Stack, running: Running, probe: Probe, rate: float, seconds: float = STAGE_SECONDS) -> Stage:
    """A rate for some seconds, with the same probes beside it that the measurement has: they are load as well."""
    before = sent(stack.folder).changes
    with _workload(running, rate) as counts:
        latencies = probe.run(seconds).latencies or [float(LOST_SECONDS)]
    _wait_quiet(stack, running, DRAIN_SECONDS)
    changes = (sent(stack.folder).changes - before) / counts["seconds"]
    return Stage(counts["transactions"] / counts["seconds"], changes, quantile(latencies, 0.9))


def _measure(session: Session, stack: Stack, running: Running, probe: Probe, limit: Stage) -> Metrics:
    rate = limit.rate_for(SHARE_OF_LIMIT)
    windows: list[Samples] = []
    changes: list[float] = []
    for at in range(session.sizes.latency_windows):
        session.say(
            f"commit to document: window {at + 1} of {session.sizes.latency_windows} at {rate:.0f} transactions/s"
        )
        before = sent(stack.folder).changes
        with _workload(running, rate) as counts:
            time.sleep(2)
            windows.append(probe.run(session.sizes.latency_seconds))
        _wait_quiet(stack, running, DRAIN_SECONDS)
        changes.append((sent(stack.folder).changes - before) / counts["seconds"])
    if not all(window.latencies for window in windows):
        raise StackError("no probe was seen; see `nearview local logs worker`")
    return {
        "p50": Metric("s", tuple(quantile(window.latencies, 0.5) for window in windows)),
        "p99": Metric("s", tuple(quantile(window.latencies, 0.99) for window in windows)),
        "largest": Metric("s", tuple(max(window.latencies) for window in windows)),
        "samples": Metric("per window", tuple(float(len(window.latencies)) for window in windows)),
        "lost": Metric("per window", tuple(float(window.lost) for window in windows)),
        "limit_transactions": Metric("1/s", (limit.transactions_per_second,)),
        "limit_changes": Metric("1/s", (limit.changes_per_second,)),
        "measured_transactions": Metric("1/s", (rate,)),
        "measured_changes": Metric("1/s", tuple(changes)),
    }


@contextmanager
def _workload(running: Running, rate: float) -> Iterator[dict[str, float]]:
    """The demo's workload while the block runs; afterwards its counts are in what was yielded."""
    command = [sys.executable, "-m", "local.monolith", "workload", "--database-url", running.source_url]
    process = subprocess.Popen([*command, "--rate", str(rate), "--writers", "4"], stdout=subprocess.PIPE)
    counts: dict[str, float] = {}
    try:
        yield counts
        process.terminate()
        output, _ = process.communicate(timeout=30)
        counts.update(json.loads(output))
    except ValueError:
        raise StackError(f"the workload ended with exit code {process.returncode} and no counts") from None
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def _wait_quiet(stack: Stack, running: Running, seconds: float) -> None:
    position: list[int] = []

    def quiet() -> bool:
        if not position and sent(stack.folder).phase == "changes":
            position.append(source_position(running.source_url))
        return bool(position) and is_quiet(stack, running, position[0])

    try:
        wait_until(quiet, seconds, "everything committed is in documents")
    except ProcessError as error:
        raise StackError(str(error)) from None


class Probe:
    """Commits new customers at a fixed rate, each alone, and asks for their documents until they are there.

    A sample ends with the first answer that shows the document, so it is up to one poll too long.
    """

    def __init__(self, running: Running) -> None:
        self._running = running
        self._table = running.storage.documents_table
        self._client = running.ministack.client("dynamodb")
        self._pending: dict[int, float] = {}
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._next_customer = FIRST_CUSTOMER

    def run(self, seconds: float) -> Samples:
        """Probe so long, wait for the last, and return what was seen."""
        samples = Samples()
        self._pending.clear()
        self._ended.clear()
        reader = threading.Thread(target=self._read, args=(samples,))
        reader.start()
        try:
            self._commit(seconds)
        finally:
            self._ended.set()
            reader.join()
        samples.lost = self._lost()
        return samples

    def _commit(self, seconds: float) -> None:
        with closing(psycopg2.connect(self._running.source_url)) as connection, connection.cursor() as cursor:
            connection.autocommit = True
            start = time.monotonic()
            for at in range(int(seconds * PROBES_PER_SECOND)):
                time.sleep(max(0.0, start + at / PROBES_PER_SECOND - time.monotonic()))
                cursor.execute(
                    "INSERT INTO shop.customers (customer_id, name, vip, created_at)"
                    " VALUES (%s, 'Probe', false, now())",
                    (self._next_customer,),
                )
                with self._lock:
                    self._pending[self._next_customer] = time.monotonic()
                self._next_customer += 1

    def _read(self, samples: Samples) -> None:
        last = 0.0
        while True:
            with self._lock:
                asked = list(self._pending)[:KEYS_PER_CALL]
            if self._ended.is_set():
                last = last or time.monotonic()
                if not asked or time.monotonic() - last > LOST_SECONDS:
                    return
            if asked:
                found = self._found(asked)
                now = time.monotonic()
                with self._lock:
                    samples.latencies += [now - self._pending.pop(customer) for customer in found]
            time.sleep(POLL_SECONDS)

    def _found(self, customers: list[int]) -> list[int]:
        keys = {customer: {"pk": {"S": _pk(customer)}, "sk": {"S": DOCUMENT_SK}} for customer in customers}
        request = {"Keys": list(keys.values()), "ConsistentRead": True, "ProjectionExpression": "pk"}
        answer = self._client.batch_get_item(RequestItems={self._table: request})
        there = {item["pk"]["S"] for item in answer["Responses"].get(self._table, ())}
        return [customer for customer in customers if _pk(customer) in there]

    def _lost(self) -> int:
        """Probes that were never seen; the workload may have deleted some before they could be."""
        with closing(psycopg2.connect(self._running.source_url)) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT customer_id FROM shop.customers WHERE customer_id = ANY(%s)", (list(self._pending),))
            return len(cursor.fetchall())


def _pk(customer: int) -> str:
    return document_pk("customer", str(customer))
