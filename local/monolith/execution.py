"""How the service executes commands: what it offers against a second execution, how long it takes, when it answers."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from local.monolith.commands import Answer, accept, finish, look_up, run_command, run_recorded
from local.monolith.transactions import commit_position, run_transaction

LATER_THREADS = 4


class Offer(StrEnum):
    """What it offers to callers that do not know whether a command was executed."""

    HEADER = "header"
    """It recognises the Idempotency-Key and answers again; it can be asked as well."""

    LOOKUP = "lookup"
    """It executes whatever it is sent, and can be asked whether a key was executed."""

    NONE = "none"
    """It executes whatever it is sent, and knows nothing of keys."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """`seconds`: each command takes so much longer; `accepts`: it answers 202 at once and executes afterwards."""

    offer: Offer = Offer.HEADER
    seconds: float = 0.0
    accepts: bool = False


class Connections(Protocol):
    """Where connections to the database come from."""

    def connection(self) -> AbstractContextManager[Any]:
        """One that answered just now."""
        ...


class Executor:
    """Executes commands as a monolith of this behaviour would."""

    def __init__(self, connections: Connections, behaviour: Behaviour) -> None:
        self._connections = connections
        self._behaviour = behaviour
        self._later = ThreadPoolExecutor(LATER_THREADS, thread_name_prefix="accepted") if behaviour.accepts else None

    def run(self, key: str | None, request: bytes, work: Callable[[Any], Answer]) -> tuple[Answer, str]:
        """The answer, and a position of the log that its effect is not behind."""
        slow = self._slowly(work)
        with self._connections.connection() as connection:
            if key is not None and self._later is not None and self._behaviour.offer is not Offer.NONE:
                answer = self._accepted(connection, key, request, slow)
            elif key is None or self._behaviour.offer is Offer.NONE:
                answer = run_transaction(connection, slow)
            elif self._behaviour.offer is Offer.LOOKUP:
                answer = run_recorded(connection, key, request, slow)
            else:
                answer = run_command(connection, key, request, slow)
            return answer, commit_position(connection)

    def look_up(self, key: str) -> tuple[Answer, str] | None:
        """What was answered under a key, 202 while it is being executed, None if it was not executed."""
        if self._behaviour.offer is Offer.NONE:
            return None
        with self._connections.connection() as connection:
            found = look_up(connection, key)
            return None if found is None else (found, commit_position(connection))

    def close(self) -> None:
        """Finish what was accepted."""
        if self._later is not None:
            self._later.shutdown(wait=True)

    def _accepted(self, connection: Any, key: str, request: bytes, work: Callable[[Any], Answer]) -> Answer:
        known = accept(connection, key, request)
        if known is not None and self._behaviour.offer is Offer.HEADER:
            return known

        def execute() -> None:
            with self._connections.connection() as own:
                finish(own, key, work)

        if self._later is not None:
            self._later.submit(execute)
        return Answer(202, {})

    def _slowly(self, work: Callable[[Any], Answer]) -> Callable[[Any], Answer]:
        def slow(cursor: Any) -> Answer:
            if self._behaviour.seconds:
                cursor.execute("SELECT pg_sleep(%s)", (self._behaviour.seconds,))
            return work(cursor)

        return slow
