"""What an operator asks for, and what is wrong with it."""

from __future__ import annotations

import pytest

from worker.errors import FatalError
from worker.replay.request import Kind, Request, instant, parse_moment, parse_request, span

NOW = 1_769_860_800_000  # 2026-01-31T12:00:00Z


@pytest.mark.parametrize(
    ("text", "millis"),
    [
        ("1h", NOW - 3_600_000),
        ("1h30m", NOW - 5_400_000),
        ("2d", NOW - 172_800_000),
        ("45s", NOW - 45_000),
        ("2026-01-31T11:00:00Z", NOW - 3_600_000),
        ("2026-01-31T12:00:00.250+01:00", NOW - 3_599_750),
    ],
)
def test_a_time_or_a_span(text: str, millis: int) -> None:
    assert parse_moment(text, "--from-timestamp", NOW) == millis


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "neither a time"),
        ("yesterday", "--from-timestamp yesterday is neither a time like 2026-01-31T12:00:00Z nor a span like 1h30m"),
        ("1.5h", "neither a time"),
        ("2026-01-31T11:00:00", "names no time zone: add Z for UTC"),
        ("1969-12-31T00:00:00Z", "is before 1970"),
    ],
)
def test_what_is_no_time_is_said(text: str, says: str) -> None:
    with pytest.raises(FatalError, match=says):
        parse_moment(text, "--from-timestamp", NOW)


def test_requests() -> None:
    assert parse_request(True, None, (), ("s1",), NOW) == Request(Kind.START, shards=frozenset({"s1"}))
    assert parse_request(False, "1m", (), (), NOW) == Request(Kind.TIMESTAMP, NOW - 60_000)
    sequences = {"s1": "5", "s2": "06"}
    assert parse_request(False, None, ("s1=5", "s2=06"), (), NOW) == Request(Kind.SEQUENCE, sequences=sequences)
    assert parse_request(False, None, ("5",), ("s1",), NOW) == Request(Kind.SEQUENCE, sequences={"s1": "5"})


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((False, None, (), ()), "give one of --from-start"),
        ((True, "1h", (), ()), "give one of --from-start"),
        ((False, "2026-01-31T12:00:01Z", (), ()), "is in the future"),
        ((False, None, ("5",), ()), "--from-sequence 5 is not SHARD=NUMBER"),
        ((False, None, ("s1=x",), ()), "is not SHARD=NUMBER"),
        ((False, None, ("s1=5", "s1=6"), ()), "names s1 twice"),
        ((False, None, ("s1=5",), ("s2",)), "--shard goes with --from-sequence only as one shard and one number"),
    ],
)
def test_requests_that_make_no_sense(
    arguments: tuple[bool, str | None, tuple[str, ...], tuple[str, ...]], says: str
) -> None:
    with pytest.raises(FatalError, match=says):
        parse_request(*arguments, NOW)


def test_times_and_spans_for_people() -> None:
    assert instant(NOW + 7) == "2026-01-31T12:00:00.007Z"
    assert [span(s) for s in (-1, 3.14, 59.9, 125, 7300, 200_000)] == [
        "0.0 s",
        "3.1 s",
        "59 s",
        "2 min 5 s",
        "2 h 1 min",
        "2 d 7 h",
    ]
