"""What a reply of the monolith, or its absence, means for a command. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from api_lambdas.http import JSON, PROBLEM_JSON, Kind, Problem
from api_lambdas.json_text import NotJson, loads

# An answer is stored in one item of at most 400 KB together with its key.
MAX_ANSWER_BYTES: Final = 256 * 1024
# Not about the command, but about the moment or about how we are known to the monolith
_NOT_ABOUT_THE_COMMAND: Final = frozenset({401, 403, 407, 408, 425, 429})


@dataclass(frozen=True, slots=True)
class Reply:
    """What the monolith sent; `content_type` in lower case without parameters."""

    status: int
    content_type: str
    retry_after: str | None
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """A final answer to a command."""

    status: int
    content_type: str
    body: str


class Failure(Enum):
    """Why a command has no final answer: only after NOT_REACHED is it certain that it was not executed."""

    NOT_REACHED = (Kind.MONOLITH_UNAVAILABLE, "the monolith was not reached; nothing was executed")
    NO_REPLY = (Kind.MONOLITH_UNAVAILABLE, "the connection was lost; the outcome is unknown")
    TIMED_OUT = (Kind.MONOLITH_TIMEOUT, "no reply in time; the outcome is unknown")
    BUSY = (Kind.MONOLITH_BUSY, "the monolith did not take the command now")
    UNUSABLE = (Kind.MONOLITH_UNAVAILABLE, "the reply cannot be used; the outcome is unknown")


class NoVerdict(Exception):
    """There is no final answer yet: a repeat with the same key asks the monolith again."""

    def __init__(self, failure: Failure, *, status: int | None = None, retry_after: str | None = None) -> None:
        super().__init__(failure.name.lower())
        self.failure = failure
        self.reason = failure.name.lower() if status is None else f"status_{status}"
        self.retry_after = retry_after

    def problem(self) -> Problem:
        """What the caller is told."""
        kind, detail = self.failure.value
        headers = {} if self.retry_after is None else {"retry-after": self.retry_after}
        return Problem(kind, f"{detail}: repeat the request with the same Idempotency-Key", headers=headers)


def verdict(reply: Reply) -> Answer:
    """The final answer to the command: success or refusal, in JSON. Raises NoVerdict for everything else.

    A page of a proxy on the way, a server error or a plea to wait is nobody's verdict on the command and must not be
    stored as one.
    """
    if 400 <= reply.status < 500 and (reply.retry_after or reply.status in _NOT_ABOUT_THE_COMMAND):
        raise NoVerdict(Failure.BUSY, status=reply.status, retry_after=_seconds(reply.retry_after))
    if reply.status == 503:
        raise NoVerdict(Failure.BUSY, status=reply.status, retry_after=_seconds(reply.retry_after))
    if not (200 <= reply.status < 300 or 400 <= reply.status < 500):
        raise NoVerdict(Failure.UNUSABLE, status=reply.status)
    return Answer(reply.status, JSON if reply.status < 300 else PROBLEM_JSON, _json_body(reply))


def _json_body(reply: Reply) -> str:
    if reply.status < 300 and not reply.body:
        return ""
    if reply.content_type not in (JSON, PROBLEM_JSON) or len(reply.body) > MAX_ANSWER_BYTES:
        raise NoVerdict(Failure.UNUSABLE, status=reply.status)
    try:
        value = loads(reply.body)
    except NotJson as error:
        raise NoVerdict(Failure.UNUSABLE, status=reply.status) from error
    if reply.status >= 400 and not isinstance(value, dict):
        raise NoVerdict(Failure.UNUSABLE, status=reply.status)
    return reply.body.decode()


def _seconds(retry_after: str | None) -> str | None:
    """The header's form that needs no clock; dates are left out."""
    return retry_after if retry_after is not None and retry_after.isascii() and retry_after.isdigit() else None
