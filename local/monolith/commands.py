"""Commands run once: the effect and the answer kept for a repetition are one transaction."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from local.monolith.errors import BusinessError, InvalidCommandError
from local.monolith.transactions import run_transaction

KEY_CHARACTERS = 255
# Whoever asks after a command cannot take its refusal for that of the question: 404 would mean "not executed".
REFUSED_LATER = 409


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command answers; `repeated` when its effect is an earlier one."""

    status: int
    body: dict[str, Any]
    repeated: bool = False


def run_command(connection: Any, key: str | None, request: bytes, work: Callable[[Any], Answer]) -> Answer:
    """Run `work` in one transaction; with a key, only the first time that it is seen.

    A repetition gets the stored answer; the same key with another request is refused. A refused command leaves no
    trace, so that repeating it asks again. Two at the same time: the second waits for the first.
    """
    if key is None:
        return run_transaction(connection, work)
    if not 1 <= len(key) <= KEY_CHARACTERS or not key.isprintable():
        raise BusinessError(f"Idempotency-Key has to be 1 to {KEY_CHARACTERS} printable characters")
    digest = hashlib.sha256(request).hexdigest()
    return run_transaction(connection, lambda cursor: _once(cursor, key, digest, work))


def run_recorded(connection: Any, key: str, request: bytes, work: Callable[[Any], Answer]) -> Answer:
    """Run `work` however often it is asked for, and record in its transaction that the key was executed."""

    def recorded(cursor: Any) -> Answer:
        answer = work(cursor)
        cursor.execute(
            "INSERT INTO ops.executed_commands (idempotency_key, request_hash, status, answer) VALUES (%s, %s, %s, %s)"
            " ON CONFLICT DO NOTHING",
            (key, hashlib.sha256(request).hexdigest(), answer.status, json.dumps(answer.body)),
        )
        return answer

    return run_transaction(connection, recorded)


def look_up(connection: Any, key: str) -> Answer | None:
    """What was answered under a key, 202 while it is being executed; None if it was not executed."""

    def stored(cursor: Any) -> Answer | None:
        cursor.execute("SELECT status, answer FROM ops.executed_commands WHERE idempotency_key = %s", (key,))
        row = cursor.fetchone()
        if row is None:
            return None
        return Answer(202, {}) if row[0] is None else Answer(row[0], row[1], repeated=True)

    return run_transaction(connection, stored)


def accept(connection: Any, key: str, request: bytes) -> Answer | None:
    """Note that a command will be executed; if it was noted before, what there is to answer."""
    digest = hashlib.sha256(request).hexdigest()

    def noted(cursor: Any) -> Answer | None:
        cursor.execute(
            "INSERT INTO ops.executed_commands (idempotency_key, request_hash) VALUES (%s, %s) ON CONFLICT DO NOTHING",
            (key, digest),
        )
        return None if cursor.rowcount else _stored(cursor, key, digest)

    return run_transaction(connection, noted)


def finish(connection: Any, key: str, work: Callable[[Any], Answer]) -> None:
    """Execute a command that was accepted; a refusal is its answer as well, because nobody waits for another."""
    try:
        run_transaction(connection, lambda cursor: _finished(cursor, key, work(cursor)))
    except BusinessError as error:
        body = {"type": "about:blank", "title": error.title, "status": REFUSED_LATER, "detail": str(error)}
        answer = Answer(REFUSED_LATER, body)
        run_transaction(connection, lambda cursor: _finished(cursor, key, answer))


def _finished(cursor: Any, key: str, answer: Answer) -> None:
    cursor.execute(
        "UPDATE ops.executed_commands SET status = %s, answer = %s WHERE idempotency_key = %s AND status IS NULL",
        (answer.status, json.dumps(answer.body), key),
    )


def _once(cursor: Any, key: str, digest: str, work: Callable[[Any], Answer]) -> Answer:
    cursor.execute(
        "INSERT INTO ops.executed_commands (idempotency_key, request_hash) VALUES (%s, %s) ON CONFLICT DO NOTHING",
        (key, digest),
    )
    if cursor.rowcount == 0:
        return _stored(cursor, key, digest)
    answer = work(cursor)
    cursor.execute(
        "UPDATE ops.executed_commands SET status = %s, answer = %s WHERE idempotency_key = %s",
        (answer.status, json.dumps(answer.body), key),
    )
    return answer


def _stored(cursor: Any, key: str, digest: str) -> Answer:
    cursor.execute("SELECT request_hash, status, answer FROM ops.executed_commands WHERE idempotency_key = %s", (key,))
    stored_digest, status, body = cursor.fetchone()
    if stored_digest != digest:
        raise InvalidCommandError("this Idempotency-Key was used for another command")
    return Answer(202, {}) if status is None else Answer(status, body, repeated=True)
