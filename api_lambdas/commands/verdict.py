"""What a reply of the monolith, or its absence, means for a command. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from api_lambdas.shared.http import JSON, PROBLEM_JSON, Kind, Problem
from api_lambdas.shared.json_text import NotJson, loads

# An answer is stored in one item of at most 400 KB together with its key.
MAX_ANSWER_BYTES: Final = 256 * 1024
ACCEPTED: Final = 202
# About how we are known to the monolith, or about how often we come: whoever answers so has not begun.
_NOT_TAKEN: Final = frozenset({401, 403, 407, 425, 429})
# About the moment; a proxy says so as well when it lost a request that it had passed on.
_BUSY: Final = frozenset({408, 503})
# What a lookup may say of a command that was refused; everything else may be about the question.
_REFUSED: Final = frozenset({409, 422})


@dataclass(frozen=True, slots=True)
class Reply:
    """What the monolith sent; `content_type` in lower case without parameters."""

    status: int
    content_type: str
    retry_after: str | None
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """A final answer to a command; `token`: what a read needs that is to show its effect, "" if there is none."""

    status: int
    content_type: str
    body: str
    token: str = ""


class Lookup(Enum):
    """What the monolith says of a key that it has no final answer for."""

    IN_PROGRESS = "in-progress"
    NOT_EXECUTED = "not-executed"


class Failure(Enum):
    """Why a command has no final answer: problem, whether it may have been executed, what the caller is told."""

    NOT_REACHED = (Kind.MONOLITH_UNAVAILABLE, False, "the monolith was not reached; nothing was executed")
    NOT_REACHED_IN_TIME = (Kind.MONOLITH_TIMEOUT, False, "the monolith was not reached in time; nothing was executed")
    NOT_TAKEN = (Kind.MONOLITH_BUSY, False, "the monolith did not take the command now; nothing was executed")
    NO_REPLY = (Kind.MONOLITH_UNAVAILABLE, True, "the connection was lost; the outcome is unknown")
    TIMED_OUT = (Kind.MONOLITH_TIMEOUT, True, "no reply in time; the outcome is unknown")
    BUSY = (Kind.MONOLITH_BUSY, True, "the monolith asks to wait; the outcome is unknown")
    UNUSABLE = (Kind.MONOLITH_UNAVAILABLE, True, "the reply cannot be used; the outcome is unknown")


class NoVerdict(Exception):
    """There is no final answer yet."""

    def __init__(self, failure: Failure, *, status: int | None = None, retry_after: str | None = None) -> None:
        super().__init__(failure.name.lower())
        self.failure = failure
        self.maybe_executed: bool = failure.value[1]
        self.reason = failure.name.lower() if status is None else f"status_{status}"
        self.retry_after = retry_after

    def problem(self, *, in_doubt: bool = False) -> Problem:
        """What the caller is told; `in_doubt`: an earlier request with this key may have been executed."""
        kind, maybe_executed, detail = self.failure.value
        if in_doubt and not maybe_executed:
            detail = detail.replace("nothing was executed", "what became of an earlier request is unknown")
        headers = {} if self.retry_after is None else {"retry-after": self.retry_after}
        return Problem(kind, f"{detail}: repeat the request with the same Idempotency-Key", headers=headers)


def verdict(reply: Reply) -> Answer:
    """The final answer to the command: success or refusal, in JSON. Raises NoVerdict for everything else.

    A page of a proxy on the way, a server error or a plea to wait is nobody's verdict on the command and must not be
    stored as one.
    """
    if reply.status in _NOT_TAKEN:
        raise NoVerdict(Failure.NOT_TAKEN, status=reply.status, retry_after=_seconds(reply.retry_after))
    # a refusal that asks to wait may be about a copy of the request that a proxy sent before
    if reply.status in _BUSY or (400 <= reply.status < 500 and reply.retry_after):
        raise NoVerdict(Failure.BUSY, status=reply.status, retry_after=_seconds(reply.retry_after))
    if not (200 <= reply.status < 300 or 400 <= reply.status < 500):
        raise NoVerdict(Failure.UNUSABLE, status=reply.status)
    return Answer(reply.status, JSON if reply.status < 300 else PROBLEM_JSON, _json_body(reply))


def looked_up(reply: Reply) -> Answer | Lookup:
    """What the monolith's lookup says of a key. Raises NoVerdict for whatever is not clear.

    2xx: executed, and this is the answer; 202: being executed; 409 or 422 in JSON: refused, and this is the answer;
    404 in JSON: not executed. Not everything that looks like 404 is one: the page of a proxy says nothing.
    """
    if reply.status == ACCEPTED:
        return Lookup.IN_PROGRESS
    if 200 <= reply.status < 300:
        return Answer(reply.status, JSON, _json_body(reply))
    if reply.status in _REFUSED and not reply.retry_after:
        return Answer(reply.status, PROBLEM_JSON, _json_body(reply))
    if reply.status == 404:
        _json_body(reply)
        return Lookup.NOT_EXECUTED
    raise NoVerdict(Failure.UNUSABLE, status=reply.status, retry_after=_seconds(reply.retry_after))


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
