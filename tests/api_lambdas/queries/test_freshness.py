"""What answers say about how far documents are complete."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import pytest

from api_lambdas.queries.freshness import KEPT_SECONDS, NONE_KEPT_SECONDS, Freshness, time_text
from api_lambdas.queries.marks import Mark
from api_lambdas.queries.repository import Repository
from api_lambdas.shared.dynamodb import StoreError

MICROS = 1_767_323_045_000_006


class Marks:
    """A repository's marks, and how often they were read."""

    def __init__(self) -> None:
        self.marks = {"shop.orders": MICROS, "shop.lines": MICROS + 5_000_000}
        self.read = 0
        self.fails = False
        self.now = 0.0

    def __call__(self, tables: Sequence[str]) -> dict[str, Mark]:
        self.read += 1
        if self.fails:
            raise StoreError("BatchGetItem", "InternalServerError", retryable=True)
        return {table: Mark(micros) for table, micros in self.marks.items() if table in tables}


@pytest.fixture
def marks() -> Marks:
    return Marks()


@pytest.fixture
def freshness(marks: Marks) -> Freshness:
    repository: Any = type("Stored", (), {"marks": staticmethod(marks)})
    return Freshness(cast("Repository", repository), lambda: marks.now, lambda: MICROS / 1_000_000 + 7.9 + marks.now)


TABLES = ("shop.lines", "shop.orders")


def test_the_oldest_mark_counts(freshness: Freshness) -> None:
    """Of all tables that a document shows something of."""
    assert freshness.headers(TABLES) == {"x-complete-up-to": "2026-01-02T03:04:05.000006Z", "x-staleness": "7"}
    assert freshness.headers(("shop.lines",))["x-staleness"] == "2"


def test_without_one_of_the_marks_nothing_is_said(freshness: Freshness, marks: Marks) -> None:
    """A table that nothing is known of may lack any change."""
    del marks.marks["shop.lines"]

    assert freshness.headers(TABLES) == {}
    assert freshness.headers(("shop.orders",)) != {}


def test_marks_are_kept_for_a_while(freshness: Freshness, marks: Marks) -> None:
    """They only rise, so an old one is still true; one that is not there is looked for less often."""
    for _ in range(10):
        freshness.headers(TABLES)
    assert marks.read == 1
    marks.now = KEPT_SECONDS
    marks.marks["shop.orders"] += 1_000_000
    assert freshness.headers(TABLES)["x-complete-up-to"] == "2026-01-02T03:04:06.000006Z"
    marks.marks.clear()
    marks.now += KEPT_SECONDS
    assert freshness.headers(TABLES) == {}
    read = marks.read
    marks.now += NONE_KEPT_SECONDS - 1
    assert (freshness.headers(TABLES), marks.read) == ({}, read)
    marks.now += 1
    freshness.headers(TABLES)
    assert marks.read == read + 1


def test_a_failing_read_of_marks_keeps_no_document_back(freshness: Freshness, marks: Marks) -> None:
    """What was known is said on, with its age."""
    freshness.headers(TABLES)
    marks.fails = True
    marks.now = KEPT_SECONDS

    assert freshness.headers(TABLES) == {"x-complete-up-to": "2026-01-02T03:04:05.000006Z", "x-staleness": "9"}


def test_a_clock_that_is_behind_gives_no_negative_age(marks: Marks) -> None:
    repository: Any = type("Stored", (), {"marks": staticmethod(marks)})

    assert Freshness(cast("Repository", repository), lambda: 0.0, lambda: 0.0).headers(TABLES)["x-staleness"] == "0"


@pytest.mark.parametrize(
    ("micros", "text"),
    [
        (0, "1970-01-01T00:00:00.000000Z"),
        (-1, "1969-12-31T23:59:59.999999Z"),
        (1_709_208_000_000_000, "2024-02-29T12:00:00.000000Z"),
    ],
)
def test_moments_are_written_like_those_of_documents(micros: int, text: str) -> None:
    assert time_text(micros) == text
