"""Requests to the monolith's HTTP service."""

from __future__ import annotations

import http.client
from typing import Final
from urllib.parse import urlsplit

from api_lambdas.commands.declared import Dispatch
from api_lambdas.commands.verdict import MAX_ANSWER_BYTES, Failure, NoVerdict, Reply
from api_lambdas.shared.deadline import Unanswered, exchanged, new_connection
from api_lambdas.shared.http import JSON, PROBLEM_JSON

# by whether the request was sent, and whether the time was over
_FAILURES: Final = {
    (False, False): Failure.NOT_REACHED,
    (False, True): Failure.NOT_REACHED_IN_TIME,
    (True, False): Failure.NO_REPLY,
    (True, True): Failure.TIMED_OUT,
}


class Monolith:
    """Sends each dispatch once.

    Every time over a new connection: a reused one may be half dead, and then nobody knows what was executed.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._scheme = parts.scheme
        self._host = parts.hostname or ""
        self._port = parts.port
        self._base = parts.path.rstrip("/")

    def send(self, dispatch: Dispatch, idempotency_key: str, timeout_seconds: float) -> Reply:
        """The monolith's reply within `timeout_seconds` all in all, whatever its status. Raises NoVerdict."""
        connection = new_connection(self._scheme, self._host, self._port, timeout_seconds)
        try:
            return exchanged(connection, timeout_seconds, lambda made: self._exchange(made, dispatch, idempotency_key))
        except Unanswered as none:
            raise NoVerdict(_FAILURES[none.sent, none.late]) from none

    def _exchange(self, connection: http.client.HTTPConnection, dispatch: Dispatch, idempotency_key: str) -> Reply:
        headers = {
            "Accept": f"{JSON}, {PROBLEM_JSON}",
            "Connection": "close",
            "Content-Type": JSON,
            "Idempotency-Key": idempotency_key,
            "User-Agent": "nearview",
        }
        connection.request(dispatch.method, self._base + dispatch.path, dispatch.body or None, headers)
        answer = connection.getresponse()
        body = answer.read(MAX_ANSWER_BYTES + 1)  # one more shows that it is too large
        if answer.length and len(body) <= MAX_ANSWER_BYTES:  # read(n) does not mind a missing end
            raise http.client.IncompleteRead(body)
        content_type = answer.getheader("Content-Type", "").partition(";")[0].strip().lower()
        return Reply(answer.status, content_type, answer.getheader("Retry-After"), body)
