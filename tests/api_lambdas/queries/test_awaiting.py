"""Reads that wait: how long, what they ask meanwhile, what they say in the end."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from api_lambdas.queries.awaiting import PAUSE_SECONDS, Awaiting, preferences
from api_lambdas.queries.consistency import State, Token, signed
from api_lambdas.queries.marks import Mark
from api_lambdas.shared.dynamodb import StoreError
from api_lambdas.shared.http import Kind, Problem, Request

SECRET = b"s" * 32
SENT = 1_767_323_045_000_000
TABLES = ("shop.lines", "shop.orders")
NEAR = 1e-9


class Store:
    """Marks that pass position 500 at given times of its own clock."""

    def __init__(self, *, region: str = "here", **passes: float) -> None:
        self.now = 100.0
        self.passes = {f"shop.{name}": 100 + at for name, at in passes.items()}
        self.region = region
        self.asked: list[tuple[float, tuple[str, ...]]] = []
        self.failing = False
        self.slow = 0.0

    def marks(self, tables: Sequence[str]) -> dict[str, Mark]:
        self.asked.append((self.now, tuple(tables)))
        self.now += self.slow
        if self.failing:
            raise StoreError("BatchGetItem", "InternalServerError", retryable=True)
        return {
            table: Mark(SENT, 500 if self.now >= at - NEAR else 499, "postgresql", self.region, 0)
            for table, at in self.passes.items()
            if table in tables
        }

    def pause(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds

    def waiting(self, seconds: float = 1.5) -> Awaiting:
        return Awaiting(self.marks, SECRET, "here", seconds, lambda: self.now, self.pause)


def request(prefer: str = "", token: str | None = None) -> Request:
    text = signed(SECRET, Token("postgresql", 500, SENT)) if token is None else token
    return Request("GET", "/orders/1", (), {"x-consistency-token": text, "prefer": prefer}, b"")


def awaited(store: Store, prefer: str = "") -> tuple[State, dict[str, str], float]:
    waiting = store.waiting()
    wish = waiting.wish(request(prefer))
    assert wish is not None
    began = store.now
    found = waiting.wait(wish, TABLES)
    return found.state, found.headers(), round(store.now - began, 6)


def test_without_a_token_nothing_is_asked_for() -> None:
    store = Store(lines=0, orders=0)

    assert store.waiting().wish(Request("GET", "/orders/1", (), {"prefer": "wait=3"}, b"")) is None
    assert store.waiting().wish(request(token="  ")) is None
    assert store.asked == []


def test_what_has_been_reached_is_answered_at_once() -> None:
    store = Store(lines=-1, orders=0)

    assert awaited(store) == (State.REACHED, {"x-consistency": "reached"}, 0.0)
    assert [tables for _, tables in store.asked] == [TABLES]


def test_it_waits_until_the_last_table_has_passed_and_asks_only_for_those_that_have_not() -> None:
    store = Store(lines=0.3, orders=0.7)

    state, _, took = awaited(store)

    assert (state, took) == (State.REACHED, 0.7)
    assert [tables for _, tables in store.asked] == [TABLES] * 4 + [("shop.orders",)] * 4


@pytest.mark.parametrize(
    ("prefer", "seconds"),
    [
        *(("", 1.5), ("wait=0", 0.0), ("wait=1", 1.0), ('wait="3"', 3.0), ("respond-async, WAIT=4; x=1", 4.0)),
        *(("wait=5", 5.0), ("wait=6", 5.0), ("wait=999999999", 5.0)),
        *(("wait=1.5", 1.5), ("wait=-1", 1.5), ("wait", 1.5)),
    ],
)
def test_it_never_waits_beyond_its_bound(prefer: str, seconds: float) -> None:
    """The last look begins at the bound at the latest, and is taken: a mark that passes then still counts."""
    store = Store(lines=0, orders=1000)
    state, headers, took = awaited(store, prefer)
    assert (state, took) == (State.BEHIND, seconds)
    assert headers == {"x-consistency": "behind", "x-behind": "0"}
    assert store.asked[-1][0] == pytest.approx(100 + seconds)
    assert len(store.asked) <= seconds / PAUSE_SECONDS + 2

    assert awaited(Store(lines=0, orders=seconds), prefer)[0] is State.REACHED


def test_slow_reads_use_up_the_time() -> None:
    """The bound may be passed by the last read alone."""
    store = Store(lines=0, orders=1000)
    store.slow = 0.4

    assert awaited(store)[2] <= 1.5 + 0.4
    assert store.asked[-1][0] <= 101.5


def test_what_cannot_be_proven_is_not_waited_for() -> None:
    """Another region's mark: the documents may come later than it."""
    assert awaited(Store(lines=0, orders=0, region="there")) == (State.UNPROVEN, {"x-consistency": "unproven"}, 0.0)
    assert awaited(Store(lines=0, orders=0.5, region="there"))[2] == 0.5


def test_a_mark_that_is_missing_or_cannot_be_read_is_an_unknown_distance() -> None:
    assert awaited(Store(lines=0))[:2] == (State.BEHIND, {"x-consistency": "behind"})
    store = Store(lines=0, orders=0)
    store.failing = True

    assert awaited(store) == (State.BEHIND, {"x-consistency": "behind"}, 1.5)


def test_strict_means_an_error_instead_of_what_there_is() -> None:
    """It says how far it is, and when to come again; what cannot be proven does not get better by waiting."""
    for store, retry in ((Store(lines=0, orders=9), {"retry-after": "1", "x-behind": "0"}), (Store(lines=0), None)):
        with pytest.raises(Problem) as caught:
            awaited(store, "handling=strict, wait=1")
        assert caught.value.kind is Kind.NOT_CONSISTENT
        assert caught.value.headers == {"x-consistency": "behind", **(retry or {"retry-after": "1"})}
    with pytest.raises(Problem) as caught:
        awaited(Store(lines=0, orders=0, region="there"), "Handling=Strict")
    assert caught.value.headers == {"x-consistency": "unproven"}
    assert awaited(Store(lines=0, orders=0), "handling=strict")[0] is State.REACHED
    assert awaited(Store(lines=0, orders=9), "handling=lenient")[0] is State.BEHIND


def test_what_is_parked_or_listed_is_never_proven() -> None:
    store = Store(lines=0, orders=0)
    waiting = store.waiting()
    for prefer in ("", "handling=strict"):
        wish = waiting.wish(request(prefer))
        assert wish is not None
        found = waiting.wait(wish, TABLES)
        if wish.strict:
            with pytest.raises(Problem):
                found.headers(provable=False)
        else:
            assert found.headers(provable=False) == {"x-consistency": "unproven"}


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("", {"": ""}),
        ("wait=3, handling=strict", {"wait": "3", "handling": "strict"}),
        ('wait = "3" ; a=b ,wait=9', {"wait": "3"}),
        (",,=,;", {"": ""}),
        ("Return=Minimal", {"return": "minimal"}),
    ],
)
def test_preferences_are_read_as_far_as_they_can_be(header: str, found: dict[str, str]) -> None:
    assert preferences(header) == found
