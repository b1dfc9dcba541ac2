"""The rows and documents tables for an operator's command: it gives up where a worker would wait for ever."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Final

from worker.errors import TransientError
from worker.log import Log
from worker.projection.operations import TableName
from worker.settings import Settings
from worker.store.dynamodb import DynamoStore
from worker.store.lean import LeanDynamoDB

ATTEMPTS: Final = 5
WITHIN_SECONDS: Final = 30.0


class Impatient:
    """Sleeps before an attempt is repeated, unless there were too many lately: a person waits."""

    def __init__(
        self, sleep: Callable[[float], None] = time.sleep, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._sleep = sleep
        self._clock = clock
        self._slept: deque[float] = deque(maxlen=ATTEMPTS)

    def __call__(self, seconds: float) -> None:
        now = self._clock()
        if len(self._slept) == ATTEMPTS and now - self._slept[0] < WITHIN_SECONDS:
            raise TransientError("DynamoDB does not answer, or throttles: is it reachable, and has it capacity?")
        self._slept.append(now)
        self._sleep(seconds)


def operator_store(settings: Settings) -> DynamoStore:
    """Its calls raise FatalError and TransientError."""
    tables = {TableName.ROWS: settings.rows_table, TableName.DOCUMENTS: settings.documents_table}
    return DynamoStore(LeanDynamoDB(settings.region, settings.endpoint_url), tables, Log("error"), sleep=Impatient())
