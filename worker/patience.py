"""Calls that must succeed before anything may go on: repeated with jittered back-off until they do."""

from __future__ import annotations

import functools
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from worker import pulse
from worker.errors import FatalError, TransientError
from worker.log import Event, Log
from worker.parked.limit import Held, Telling
from worker.store.dynamodb import CALLS_IN_FLIGHT
from worker.store.failures import back_off_seconds, classify

FIRST_DELAY_SECONDS: Final = 0.1
ATTEMPTS_BEFORE_TELLING: Final = 4
"""After a second or so: a throttled request is nothing to tell."""


class Patience:
    """Repeats calls to one table, `what` by name."""

    def __init__(
        self,
        what: str,
        log: Log,
        sleep: Callable[[float], None] = pulse.sleep,
        jitter: Callable[[], float] = random.random,
        attempts: int | None = None,
        telling: Telling | None = None,
        retried: Callable[[int], None] = lambda _: None,
    ) -> None:
        """With `attempts` it gives up after so many: where a person waits. `telling` hears of a wait that lasts,
        `retried` of every call that is tried again.
        """
        self._what = what
        self._log = log
        self._sleep = sleep
        self._jitter = jitter
        self._attempts = attempts
        self._telling = telling
        self._retried = retried
        self.retries = 0

    def all(self, call: Callable[[Any], None], arguments: list[Any]) -> None:
        """Return when the call has succeeded with each argument, several of them in flight.

        Raises FatalError, and TransientError only if the number of attempts is limited.
        """
        attempt = 0
        while True:
            with ThreadPoolExecutor(CALLS_IN_FLIGHT, thread_name_prefix="patience") as pool:
                problems = []
                for problem in pool.map(functools.partial(self._problem, call), arguments):
                    problems.append(problem)
                    pulse.beat()  # each may have timed out, many of them last long
            for problem in problems:
                if isinstance(problem, FatalError):
                    raise problem
            arguments = [argument for argument, problem in zip(arguments, problems, strict=True) if problem]
            if not arguments:
                if self._telling and attempt:
                    self._telling.goes_on(Held.PARKING_STORE)
                return
            attempt += 1
            self.retries += len(arguments)
            self._retried(len(arguments))
            trouble = next(problem for problem in problems if problem)
            if attempt == self._attempts:
                raise trouble
            self._log.warning(Event.STORE_RETRIED, attempt=attempt, count=len(arguments), error=str(trouble))
            if self._telling and attempt >= ATTEMPTS_BEFORE_TELLING:
                self._telling.holds(Held.PARKING_STORE, str(trouble))
            self._sleep(back_off_seconds(FIRST_DELAY_SECONDS, attempt, self._jitter()))

    def _problem(self, call: Callable[[Any], None], argument: Any) -> FatalError | TransientError | None:
        try:
            call(argument)
        except (FatalError, TransientError) as error:
            return error
        except Exception as error:  # noqa: BLE001  whatever a client library raises has one place: classify
            return classify(error, self._what)
        return None
