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
    return Answer(status, body, repeated=True)
