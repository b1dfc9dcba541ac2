"""Runs groups of operations against DynamoDB, several calls under way, every item retried on its own."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, compress
from typing import Any, Final, Protocol, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from worker import pulse
from worker.errors import FatalError
from worker.log import Event, Log
from worker.projection.operations import APPLIED, Get, Operation, Query, Refused, Replace, Steps, TableName, run_to_end
from worker.store import requests
from worker.store.clock import keep_time
from worker.store.failures import REFUSED_CODES, back_off_seconds, classify, classify_code, refused_item
from worker.store.replies import Garbled
from worker.store.usage import Usage, add_consumed

Result = TypeVar("Result")
Answer = dict[str, Any]

CALLS_IN_FLIGHT: Final = 8
FIRST_DELAY_SECONDS: Final = 0.05
ATTEMPTS_BEFORE_LOGGING: Final = 3
_ROWS: Final = TableName.ROWS
_MISSING: Final = object()
"""In the place of a reply: nothing is known of the operation, it is tried again."""


def dynamodb_client(region: str, endpoint_url: str) -> Any:
    """A client without botocore's own retries: ours know about single items and never give up."""
    return keep_time(
        boto3.client(
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
    )


class Client(Protocol):
    """What carries calls (worker.store.lean.LeanDynamoDB). An answer is taken once, or the call is abandoned."""

    def send(self, operation: str, body: bytes) -> Any:
        """Put a call on its way; what `receive` takes. Raises whatever classify knows."""

    def receive(self, exchange: Any) -> Answer:
        """Wait for the answer. Raises whatever classify knows."""

    def abandon(self, exchange: Any) -> None:
        """Nobody waits for this answer any more."""

    def close(self) -> None:
        """Free what is open."""


@dataclass(slots=True)
class Call:
    """A request and what becomes of its answer: `take` fills in replies and may have a further call to be made.

    `place`: of a write that goes alone, which a condition may refuse.
    """

    name: str
    body: bytes
    take: Callable[[Answer], Call | None]
    place: int | None = None


class DynamoStore:
    """The rows and documents tables. For one thread."""

    def __init__(
        self,
        client: Client,
        tables: dict[TableName, str],
        log: Log,
        sleep: Callable[[float], None] = pulse.sleep,
        jitter: Callable[[], float] = random.random,
        *,
        batched: bool = True,
        retried: Callable[[int], None] = lambda _: None,
    ) -> None:
        """Conditional writes go in batches of statements, or each in a call of its own. `retried` hears at once of
        what must be tried again: a batch may wait for long.
        """
        self._client = client
        self._rows, self._documents = tables[TableName.ROWS], tables[TableName.DOCUMENTS]
        self._by_name = {name: table for table, name in tables.items()}
        self._log = log
        self._sleep = sleep
        self._jitter = jitter
        self._batched = batched
        self._retried = retried
        self._trouble = ""
        self.retries = 0
        self.usage = Usage()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def drive(self, steps: Steps[Result]) -> Result:
        """Run a generator of operations to its end. Raises FatalError; transient failures are held here for ever."""
        return run_to_end(steps, self.run)

    def run(self, group: Sequence[Operation]) -> list[Any]:
        """The replies to a group, in its order, when every operation is done."""
        replies: list[Any] = [_MISSING] * len(group)
        pending: Sequence[int] = range(len(group))
        attempt = 0
        while pending:
            self._exchange(self._calls(group, pending, replies), replies)
            pending = [at for at in pending if replies[at] is _MISSING]
            if pending:
                attempt += 1
                self._back_off(attempt, len(pending))
        return replies

    def _back_off(self, attempt: int, count: int) -> None:
        self.retries += count
        self._retried(count)
        if attempt >= ATTEMPTS_BEFORE_LOGGING:
            self._log.warning(Event.STORE_RETRIED, attempt=attempt, count=count, error=self._trouble)
        self._sleep(back_off_seconds(FIRST_DELAY_SECONDS, attempt, self._jitter()))

    def _exchange(self, calls: Iterator[Call], replies: list[Any]) -> None:
        """Make calls, a window of them under way.

        Answers of the older half are taken together, the newest of them first: when that one is there, so are mostly
        those before it, and this process sleeps and wakes once for all of them.
        Without a connection or credentials the other calls are left for the next attempt.
        """
        under_way: list[tuple[Call, Any]] = []
        try:
            while True:
                while len(under_way) < CALLS_IN_FLIGHT and (call := next(calls, None)):
                    try:
                        under_way.append((call, self._client.send(call.name, call.body)))
                    except Exception as error:  # noqa: BLE001  whatever a library raises has one place: classify
                        self._hold(classify(error, call.name))
                        calls = iter(())
                if not under_way:
                    return
                for at in reversed(range((len(under_way) + 1) // 2)):
                    if further := self._received(*under_way.pop(at), replies):
                        calls = chain((further,), calls)
        finally:
            for _, exchange in under_way:
                self._client.abandon(exchange)

    def _received(self, call: Call, exchange: Any, replies: list[Any]) -> Call | None:
        """Take an answer; a call that failed for now leaves its replies missing. Raises FatalError."""
        try:
            answer = self._client.receive(exchange)
            pulse.beat()
            return call.take(answer)
        except FatalError:
            raise
        except ClientError as error:
            if call.place is None or error.response.get("Error", {}).get("Code") not in REFUSED_CODES:
                self._hold(classify(error, call.name))
            else:
                replies[call.place] = Refused(refused_item(error))
        except Exception as error:  # noqa: BLE001  whatever a library raises has one place: classify
            self._hold(classify(error, call.name))
        return None

    def _hold(self, problem: Exception) -> None:
        """Note what will be tried again. Raises FatalError."""
        if isinstance(problem, FatalError):
            raise problem
        self._trouble = str(problem)
        # calls under way may time out one after the other: each of them is waited for anew, before any pause
        pulse.beat()

    def _calls(self, group: Sequence[Operation], pending: Sequence[int], replies: list[Any]) -> Iterator[Call]:
        gets: dict[tuple[TableName, tuple[str, ...]], list[int]] = {}
        last: tuple[TableName | None, tuple[str, ...]] = None, ()
        same: list[int] = []
        places: list[int] = []
        statements: list[bytes] = []
        alone = not self._batched
        for at in pending:
            operation = group[at]
            if isinstance(operation, Get):
                if operation.table is not last[0] or operation.attributes is not last[1]:
                    last = operation.table, operation.attributes
                    same = gets.setdefault((operation.table, operation.attributes), [])
                same.append(at)
                continue
            if isinstance(operation, Query):
                yield self._page(operation, at, replies, (), None)
                continue
            table = self._table(operation)
            statement = None if alone or isinstance(operation, Replace) else requests.statement(table, operation)
            if statement is None:
                yield Call(*requests.alone(table, operation), partial(self._take_write, at, replies), at)
                continue
            places.append(at)
            statements.append(statement)
            if len(statements) == requests.STATEMENTS_PER_CALL:
                yield self._batch(statements, places, replies)
                places, statements = [], []
        if statements:
            yield self._batch(statements, places, replies)
        for part in gets.values():
            for chunk in requests.chunks(part, requests.GETS_PER_CALL):
                asked: list[Any] = [group[at] for at in chunk]
                table = self._table(asked[0])
                yield Call(
                    "BatchGetItem",
                    requests.batch_get(table, asked),
                    partial(self._take_items, table, asked, chunk, replies),
                )

    def _table(self, operation: Operation) -> str:
        return self._rows if operation.table is _ROWS else self._documents

    def _batch(self, statements: list[bytes], places: list[int], replies: list[Any]) -> Call:
        body = requests.batch_write(statements)
        return Call("BatchExecuteStatement", body, partial(self._take_writes, places, replies))

    def _take_items(self, table: str, asked: list[Any], places: list[int], replies: list[Any], answer: Answer) -> None:
        add_consumed(self.usage.read_units, self._by_name, answer)
        items = answer["Responses"].get(table, ())
        left = answer.get("UnprocessedKeys", {}).get(table, {}).get("Keys", ())
        found = {(item["pk"]["S"], item["sk"]["S"]): item for item in items}
        if left:
            unprocessed = {(key["pk"]["S"], key["sk"]["S"]) for key in left}
            processed = [(get.pk, get.sk) not in unprocessed for get in asked]
            asked, places = list(compress(asked, processed)), list(compress(places, processed))
        for at, get in zip(places, asked, strict=True):
            replies[at] = found.get((get.pk, get.sk))

    def _page(self, operation: Query, at: int, replies: list[Any], found: tuple[str, ...], start: Any) -> Call:
        limit = operation.limit and operation.limit - len(found)
        body = requests.query(self._table(operation), operation, start, limit)
        return Call("Query", body, partial(self._take_page, operation, at, replies, found))

    def _take_page(
        self, operation: Query, at: int, replies: list[Any], found: tuple[str, ...], answer: Answer
    ) -> Call | None:
        add_consumed(self.usage.read_units, self._by_name, answer)
        found = (*found, *[item["sk"]["S"] for item in answer["Items"]])
        start = answer.get("LastEvaluatedKey")
        if start and len(found) != operation.limit:
            return self._page(operation, at, replies, found, start)
        replies[at] = found
        return None

    def _take_write(self, at: int, replies: list[Any], answer: Answer) -> None:
        add_consumed(self.usage.write_units, self._by_name, answer)
        replies[at] = APPLIED

    def _take_writes(self, places: list[int], replies: list[Any], answer: Answer) -> None:
        """All statements of a call; each has an error of its own, the call itself succeeds."""
        add_consumed(self.usage.write_units, self._by_name, answer)
        outcomes = [APPLIED if one.get("Error") is None else _outcome(one["Error"], one) for one in answer["Responses"]]
        if len(outcomes) != len(places):
            raise Garbled("not an outcome for every statement")
        for at, outcome in zip(places, outcomes, strict=True):
            if isinstance(outcome, Exception):
                self._hold(outcome)
            else:
                replies[at] = outcome


def _outcome(error: dict[str, Any], answer: Answer) -> Refused | Exception:
    """What became of a statement that was not done."""
    if error.get("Code") in REFUSED_CODES:
        return Refused(error.get("Item") or answer.get("Item") or None)
    return classify_code(str(error.get("Code", "")), "BatchExecuteStatement")
