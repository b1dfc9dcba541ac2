"""Runs groups of operations against DynamoDB through boto3, several calls in flight, every item retried on its own."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from worker.errors import FatalError, TransientError
from worker.log import Event, Log
from worker.projection.operations import (
    APPLIED,
    Delete,
    Get,
    Insert,
    Operation,
    Query,
    Refused,
    Replace,
    Steps,
    TableName,
    Update,
    run_to_end,
)
from worker.store import requests
from worker.store.failures import REFUSED_CODES, back_off_seconds, classify, classify_code, refused_item
from worker.store.usage import Usage, add_consumed

Result = TypeVar("Result")
Replies = dict[int, Any]
"""Replies by the operation's place in its group; what is missing is tried again."""
Numbered = tuple[int, Any]

CALLS_IN_FLIGHT: Final = 8
FIRST_DELAY_SECONDS: Final = 0.05
ATTEMPTS_BEFORE_LOGGING: Final = 3


def dynamodb_client(region: str, endpoint_url: str) -> Any:
    """A client without botocore's own retries: ours know about single items and never give up."""
    return boto3.client(
        "dynamodb",
        region_name=region,
        endpoint_url=endpoint_url or None,
        config=Config(
            connect_timeout=3,
            read_timeout=10,
            retries={"total_max_attempts": 1},
            max_pool_connections=CALLS_IN_FLIGHT,
            parameter_validation=False,  # the requests are ours; checking each value costs as much as sending it
        ),
    )


class DynamoStore:
    """The rows and documents tables. Used by one thread; its own threads only carry calls."""

    def __init__(
        self,
        client: Any,
        tables: dict[TableName, str],
        log: Log,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._client = client
        self._tables = tables
        self._log = log
        self._sleep = sleep
        self._jitter = jitter
        self._pool = ThreadPoolExecutor(CALLS_IN_FLIGHT, thread_name_prefix="dynamodb")
        self._lock = threading.Lock()
        self._trouble = ""
        self._by_name = {name: table for table, name in tables.items()}
        self.retries = 0
        self.usage = Usage()

    def close(self) -> None:
        """End the threads; calls in flight are waited for."""
        self._pool.shutdown()

    def drive(self, steps: Steps[Result]) -> Result:
        """Run a generator of operations to its end. Raises FatalError; transient failures are held here for ever."""
        return run_to_end(steps, self.run)

    def run(self, group: Sequence[Operation]) -> list[Any]:
        """The replies to a group, in its order, when every operation is done."""
        replies: Replies = {}
        pending: list[Numbered] = list(enumerate(group))
        attempt = 0
        while True:
            for found in self._pool.map(lambda call: call(), self._calls(pending)):
                replies.update(found)
            pending = [numbered for numbered in pending if numbered[0] not in replies]
            if not pending:
                return [replies[at] for at in range(len(group))]
            attempt += 1
            self._back_off(attempt, len(pending))

    def _back_off(self, attempt: int, count: int) -> None:
        self.retries += count
        if attempt >= ATTEMPTS_BEFORE_LOGGING:
            self._log.warning(Event.STORE_RETRIED, attempt=attempt, count=count, error=self._trouble)
        self._sleep(back_off_seconds(FIRST_DELAY_SECONDS, attempt, self._jitter()))

    def _calls(self, pending: list[Numbered]) -> list[Callable[[], Replies]]:
        gets: dict[tuple[TableName, tuple[str, ...]], list[Numbered]] = {}
        calls: list[Callable[[], Replies]] = []
        statements: list[Numbered] = []
        for at, operation in pending:
            if isinstance(operation, Get):
                gets.setdefault((operation.table, operation.attributes), []).append((at, operation))
            elif isinstance(operation, Query):
                calls.append(self._guarded("Query", self._query, (at, operation)))
            elif requests.goes_as_put(operation):
                calls.append(self._guarded("PutItem", self._put, (at, operation)))
            else:
                statements.append((at, operation))
        for part in gets.values():
            chunks = requests.chunks(part, requests.GETS_PER_CALL)
            calls += [self._guarded("BatchGetItem", self._batch_get, chunk) for chunk in chunks]
        batches = requests.chunks(statements, requests.STATEMENTS_PER_CALL)
        calls += [self._guarded("BatchExecuteStatement", self._batch_write, batch) for batch in batches]
        return calls

    def _guarded(self, name: str, call: Callable[[Any], Replies], argument: Any) -> Callable[[], Replies]:
        """The call with transient failures turned into missing replies."""

        def run() -> Replies:
            try:
                return call(argument)
            except (FatalError, TransientError) as error:
                problem = error
            except Exception as error:  # noqa: BLE001  whatever a client library raises has one place: classify
                problem = classify(error, name)
            if isinstance(problem, FatalError):
                raise problem
            self._note(str(problem))
            return {}

        return run

    def _note(self, trouble: str) -> None:
        with self._lock:
            self._trouble = trouble

    def _note_reads(self, answer: dict[str, Any]) -> None:
        with self._lock:
            add_consumed(self.usage.read_units, self._by_name, answer)

    def _note_writes(self, answer: dict[str, Any]) -> None:
        with self._lock:
            add_consumed(self.usage.write_units, self._by_name, answer)

    def _batch_get(self, chunk: list[tuple[int, Get]]) -> Replies:
        table = self._tables[chunk[0][1].table]
        answer = self._client.batch_get_item(**requests.batch_get(table, [get for _, get in chunk]))
        self._note_reads(answer)
        found = {(item["pk"]["S"], item["sk"]["S"]): item for item in answer["Responses"].get(table, ())}
        left = answer.get("UnprocessedKeys", {}).get(table, {}).get("Keys", ())
        unprocessed = {(key["pk"]["S"], key["sk"]["S"]) for key in left}
        return {at: found.get((get.pk, get.sk)) for at, get in chunk if (get.pk, get.sk) not in unprocessed}

    def _query(self, numbered: tuple[int, Query]) -> Replies:
        at, operation = numbered
        sort_keys: list[str] = []
        table, limit, start = self._tables[operation.table], operation.limit, None
        while True:
            answer = self._client.query(**requests.query(table, operation, start, limit and limit - len(sort_keys)))
            self._note_reads(answer)
            sort_keys += [item["sk"]["S"] for item in answer["Items"]]
            start = answer.get("LastEvaluatedKey")
            if not start or len(sort_keys) == limit:
                return {at: tuple(sort_keys)}

    def _put(self, numbered: tuple[int, Replace | Insert]) -> Replies:
        at, operation = numbered
        try:
            answer = self._client.put_item(**requests.put(self._tables[operation.table], operation))
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") not in REFUSED_CODES:
                raise
            return {at: Refused(refused_item(error))}
        self._note_writes(answer)
        return {at: APPLIED}

    def _batch_write(self, chunk: list[tuple[int, Insert | Update | Delete]]) -> Replies:
        """All statements of a call; each has an error of its own, the call itself succeeds."""
        statements = [requests.statement(self._tables[write.table], write) for _, write in chunk]
        answer = self._client.batch_execute_statement(**requests.batch_write(statements))
        self._note_writes(answer)
        answers = answer["Responses"]
        replies: Replies = {}
        for (at, _), answer in zip(chunk, answers, strict=True):
            error = answer.get("Error")
            if error is None:
                replies[at] = APPLIED
            elif error.get("Code") in REFUSED_CODES:
                replies[at] = Refused(error.get("Item") or answer.get("Item") or None)
            else:
                problem = classify_code(str(error.get("Code", "")), "BatchExecuteStatement")
                if isinstance(problem, FatalError):
                    raise problem
                self._note(str(problem))
        return replies
