"""What replies of the monolith mean."""

from __future__ import annotations

import pytest

from api_lambdas.commands.verdict import Answer, Failure, Lookup, NoVerdict, Reply, looked_up, verdict
from api_lambdas.shared.http import JSON, PROBLEM_JSON


@pytest.mark.parametrize(
    ("reply", "found"),
    [
        (Reply(200, JSON, None, b'{"a": 1}'), Answer(200, JSON, '{"a": 1}')),
        (Reply(201, JSON, None, b"{}"), Answer(201, JSON, "{}")),
        (Reply(204, "", None, b""), Answer(204, JSON, "")),
        (Reply(202, "text/html", None, b""), Lookup.IN_PROGRESS),
        (Reply(404, PROBLEM_JSON, None, b"{}"), Lookup.NOT_EXECUTED),
        (Reply(404, JSON, None, b"{}"), Lookup.NOT_EXECUTED),
        (Reply(409, PROBLEM_JSON, None, b"{}"), Answer(409, PROBLEM_JSON, "{}")),
        (Reply(422, JSON, None, b"{}"), Answer(422, PROBLEM_JSON, "{}")),
    ],
)
def test_a_lookup_says_how_it_stands(reply: Reply, found: Answer | Lookup) -> None:
    assert looked_up(reply) == found


@pytest.mark.parametrize(
    "reply",
    [
        Reply(404, "text/html", None, b"<html>"),
        Reply(404, JSON, None, b""),
        Reply(404, JSON, None, b"[]"),
        Reply(404, JSON, None, b'{"cut'),
        Reply(200, "text/html", None, b"<html>"),
        Reply(409, JSON, "1", b"{}"),
        Reply(302, JSON, None, b"{}"),
        *(Reply(status, JSON, None, b"{}") for status in (400, 401, 403, 408, 410, 429, 500, 503)),
    ],
)
def test_whatever_is_not_clear_says_nothing(reply: Reply) -> None:
    """Least of all that a command was not executed."""
    with pytest.raises(NoVerdict):
        looked_up(reply)


@pytest.mark.parametrize(
    ("status", "retry_after", "maybe_executed"),
    [
        *((status, None, False) for status in (401, 403, 407, 425, 429)),
        (429, "1", False),
        *((status, None, True) for status in (408, 500, 502, 503, 504, 302)),
        (409, "1", True),
        (503, "1", True),
    ],
)
def test_what_is_no_verdict_says_whether_it_may_have_been_executed(
    status: int, retry_after: str | None, maybe_executed: bool
) -> None:
    """Only a refusal that comes before all work is sure; a proxy's 503 may follow a request that it passed on."""
    with pytest.raises(NoVerdict) as caught:
        verdict(Reply(status, JSON, retry_after, b"{}"))

    assert caught.value.maybe_executed is maybe_executed


@pytest.mark.parametrize("failure", Failure)
def test_nobody_is_told_that_nothing_was_executed_when_it_may_have_been(failure: Failure) -> None:
    """Neither this request nor an earlier one."""
    told = "nothing was executed"

    assert (told in NoVerdict(failure).problem().detail) is not NoVerdict(failure).maybe_executed
    assert told not in NoVerdict(failure).problem(in_doubt=True).detail
