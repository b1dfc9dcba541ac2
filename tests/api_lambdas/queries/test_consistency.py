"""Tokens, and what marks say of them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_lambdas.queries import cursors
from api_lambdas.queries.consistency import (
    CLOCKS_APART_MICROS,
    State,
    Token,
    behind_seconds,
    opened,
    signed,
    state_of,
    token_of,
)
from api_lambdas.queries.marks import MICROS, Mark, mark_of
from api_lambdas.shared.http import Kind, Problem
from contract.values import to_item

SECRET = b"s" * 32
SENT = 1_767_323_045_000_000
TOKEN = Token("postgresql", 500, SENT)
MARK = Mark(SENT + 1, 500, "postgresql", "here", 0)
TABLES = ("shop.lines", "shop.orders")


@given(st.sampled_from(["postgresql", "mysql"]), st.integers(0, 2**128 - 1), st.integers(0, 2**53))
def test_a_token_is_opaque_and_gives_back_what_it_was_made_of(order: str, position: int, sent: int) -> None:
    token = Token(order, position, sent)
    text = signed(SECRET, token)

    assert opened(SECRET, text) == token
    assert text.replace("-", "").replace("_", "").isalnum()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "made up",
        signed(b"t" * 32, TOKEN),
        signed(SECRET, TOKEN)[:-4],
        "A" + signed(SECRET, TOKEN)[1:],
        cursors.sign(SECRET, ("order", "by_status"), ("postgresql", "1f4", "1")),
        "x" * 5000,
    ],
)
def test_another_token_is_refused(text: str) -> None:
    """Changed, cut, of another installation, or a cursor."""
    with pytest.raises(Problem) as caught:
        opened(SECRET, text)
    assert caught.value.kind is Kind.INVALID_CONSISTENCY_TOKEN


def test_a_token_is_no_cursor() -> None:
    with pytest.raises(cursors.InvalidCursor):
        cursors.open_cursor(SECRET, ("order",), signed(SECRET, TOKEN))


@pytest.mark.parametrize(
    ("text", "token"),
    [
        ("0/19D1F00", Token("postgresql", 0x19D1F00, SENT)),
        ("1A/0", Token("postgresql", 0x1A << 32, SENT)),
        ("FFFFFFFF/FFFFFFFF", Token("postgresql", 2**64 - 1, SENT)),
        ("binlog.000012:4711", Token("mysql", 12 << 96 | 4711 << 32, SENT)),
        *((text, None) for text in ("", "42", "0/", "/0", "0/1 ", "0/123456789", "binlog:4", "a/b.1:2", "x.1:-2")),
        *((text, None) for text in ("0/1\n", "0/٣", "binlog.٣:4")),
    ],
)
def test_positions_are_read_as_their_sources_write_them(text: str, token: Token | None) -> None:
    """So that they compare as numbers: 7/9 comes before 10/1."""
    assert token_of(text, SENT) == token


def test_the_next_place_behind_a_commit_reaches_it() -> None:
    """The commit stands before the token's position; a mark of just that position has seen it."""
    assert state_of(TOKEN, dict.fromkeys(TABLES, MARK), TABLES, "here") is State.REACHED
    before = replace(MARK, position=499)
    assert state_of(TOKEN, dict.fromkeys(TABLES, before), TABLES, "here") is State.BEHIND


@pytest.mark.parametrize(
    ("mark", "state"),
    [
        pytest.param(None, State.BEHIND, id="no mark"),
        pytest.param(replace(MARK, position=None), State.BEHIND, id="no position"),
        pytest.param(replace(MARK, since_micros=None), State.BEHIND, id="of which incarnation is not known"),
        pytest.param(replace(MARK, position=499), State.BEHIND, id="before"),
        pytest.param(replace(MARK, commit_micros=SENT - CLOCKS_APART_MICROS - 1), State.BEHIND, id="another log"),
        pytest.param(replace(MARK, commit_micros=SENT - CLOCKS_APART_MICROS), State.REACHED, id="clocks apart"),
        pytest.param(replace(MARK, region="there"), State.UNPROVEN, id="another region's"),
        pytest.param(replace(MARK, region=""), State.UNPROVEN, id="nobody's"),
        pytest.param(replace(MARK, order="sequence"), State.UNPROVEN, id="positions of another kind"),
        pytest.param(replace(MARK, since_micros=SENT), State.REACHED, id="of the source's newest log"),
    ],
)
def test_every_table_must_have_reached_it(mark: Mark | None, state: State) -> None:
    """Whichever of them it is."""
    for table, other in (TABLES, TABLES[::-1]):
        marks = {other: MARK, **({} if mark is None else {table: mark})}
        assert state_of(TOKEN, marks, TABLES, "here") is state


def test_what_is_behind_counts_more_than_what_cannot_be_proven() -> None:
    marks = {TABLES[0]: replace(MARK, region="there"), TABLES[1]: replace(MARK, position=1)}

    assert state_of(TOKEN, marks, TABLES, "here") is State.BEHIND


def test_a_token_from_before_a_restore_is_refused() -> None:
    """Its position means something else in the new log. What is told holds no position and no table."""
    with pytest.raises(Problem) as caught:
        state_of(TOKEN, {TABLES[0]: replace(MARK, since_micros=SENT + 1)}, TABLES[:1], "here")

    assert caught.value.kind is Kind.INVALID_CONSISTENCY_TOKEN
    assert "restored" in caught.value.detail
    assert "shop" not in caught.value.detail


@pytest.mark.parametrize(
    ("micros", "seconds"),
    [(SENT, 0), (SENT + 9 * MICROS, 0), (SENT - 1, 1), (SENT - MICROS, 1), (SENT - MICROS - 1, 2)],
)
def test_the_distance_is_that_of_the_table_furthest_behind(micros: int, seconds: int) -> None:
    marks = {TABLES[0]: MARK, TABLES[1]: replace(MARK, commit_micros=micros)}

    assert behind_seconds(TOKEN, marks, TABLES) == seconds
    assert behind_seconds(TOKEN, {TABLES[0]: MARK}, TABLES) is None


def test_marks_are_read_as_workers_store_them() -> None:
    """Of an earlier release, too, which told less."""
    stored = {"commit_micros": 5, "position": f"{500:032x}", "order": "mysql", "region": "here", "since": 3}

    assert mark_of(to_item(stored)) == Mark(5, 500, "mysql", "here", 3)
    assert mark_of(to_item({"commit_micros": 5, "position": ""})) == Mark(5)
    assert mark_of(to_item({"commit_micros": 5})) == Mark(5)
