"""A drill's times are those of the requests that were noted, and slower checks are worth what they take."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from api_lambdas.regions.alarms import Said, messages, said
from api_lambdas.regions.settings import Place
from contract.regions import State
from local.drill_clients import Seen
from local.drill_times import (
    ROUTE_53,
    Automatic,
    Delays,
    first_ok,
    first_refusal,
    unavailable_seconds,
    with_delays,
)
from local.prober import Check, event, region_for
from local.templates import FOLDER, load

NEAR, FAR = "eu-west-1", "us-east-1"


def seen(ended: float, status: int, region: str = NEAR, reason: str = "") -> Seen:
    return Seen("reader", ended - 0.5, ended, region, status, region, reason)


def test_the_longest_time_without_a_success_is_counted_from_the_last_one_before_the_cut() -> None:
    """Not from the cut, and not between failures: a caller was without an answer all the time."""
    found = [seen(1, 200), seen(9, 200), seen(12, 0), seen(14, 503), seen(25, 200, FAR), seen(26, 200, FAR)]
    assert unavailable_seconds(found, 10) == 16
    assert unavailable_seconds(found[:4], 10) is None


def test_an_answer_that_was_on_its_way_at_the_cut_is_none_of_after_it() -> None:
    """It was begun before."""
    found = [seen(10.2, 200, FAR), seen(15, 200, NEAR), seen(20, 200, FAR)]
    assert first_ok(found, 10, FAR) == 20
    assert first_ok(found, 10) == 15


def test_a_refusal_without_a_reason_is_no_refusal() -> None:
    """A caller that is not told why and when has only met an error."""
    assert first_refusal([seen(12, 503), seen(13, 503, reason="primary-failover")], 10) == 13
    assert first_refusal([seen(12, 504, reason="primary-failover")], 10) is None


def test_slow_checks_and_names_add_what_they_take() -> None:
    """Two intervals and the last time-out after the first failing check, one more before it and one TTL at most."""
    found = with_delays(Automatic(detect=4.0, reads=5.0, refused=2.0), Delays(1, 3, 2, 1), ROUTE_53)
    assert found["longest"] == pytest.approx(10 + 2 * 10 + 4 + 30 + 0.5)
    assert found["middle"] == pytest.approx(5 + 2 * 10 + 4 + 15 + 0.5, abs=1)
    assert found["share_below_83"] == 1
    alias = with_delays(Automatic(4.0, 5.0, 2.0), Delays(1, 3, 2, 1), replace(ROUTE_53, ttl=60))
    assert 0.5 < alias["share_below_83"] < 1


def test_the_delays_are_those_of_the_templates() -> None:
    """What the drill adds is what is deployed."""
    checks = load(FOLDER / "60-health.yaml")["Parameters"]
    names = load(FOLDER / "70-routing.yaml")["Parameters"]
    assert ROUTE_53.interval == checks["IntervalSeconds"]["Default"]
    assert ROUTE_53.threshold == checks["FailureThreshold"]["Default"]
    assert ROUTE_53.ttl == names["RecordSeconds"]["Default"]


def test_commands_that_are_refused_late_count_too() -> None:
    """The automatic part has ended when both have."""
    assert Automatic(4, 5, 70).all == 70
    assert with_delays(Automatic(4, 5, 200), Delays(1, 3, 2, 1), ROUTE_53)["middle"] == 200


def test_a_check_changes_after_so_many_results_in_a_row() -> None:
    """A success between failures begins the count anew; the way back takes as many."""
    check = Check(threshold=3)
    assert [check.take(ok) for ok in (False, False, True, False, False, False)] == [False] * 5 + [True]
    assert [check.take(ok) for ok in (True, False, True, True, True)] == [False] * 4 + [True]


def test_a_name_stands_for_the_nearest_healthy_region() -> None:
    """With none healthy, for the nearest: an unhealthy answer may still be one."""
    assert region_for((NEAR, FAR), {NEAR: True, FAR: True}) == NEAR
    assert region_for((NEAR, FAR), {NEAR: False, FAR: True}) == FAR
    assert region_for((NEAR, FAR), {NEAR: False, FAR: False}) == NEAR
    assert region_for((NEAR, FAR), {}) == NEAR


@pytest.mark.parametrize(("state", "expected"), [("ALARM", State.FAILOVER), ("OK", State.ACTIVE)])
def test_the_alarm_function_understands_what_it_is_told(state: str, expected: State) -> None:
    """Else the drill would measure everything but it."""
    moment = datetime(2026, 1, 2, 3, 4, 5, 678000, UTC)
    (message,) = messages(event("nearview", NEAR, state, moment))
    now = round(moment.timestamp() * 1_000_000) + 1_000_000
    found = said(message, "nearview-api-", {NEAR: Place("https://near.example", "")}, now)
    assert isinstance(found, Said)
    assert (found.region, found.state) == (NEAR, expected)
