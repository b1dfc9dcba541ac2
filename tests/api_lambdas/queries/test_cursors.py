"""Signed cursors."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from api_lambdas.queries.cursors import InvalidCursor, open_cursor, sign

SECRET = b"s" * 32
TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=20)
TEXTS = st.lists(TEXT, max_size=4).map(tuple)


@given(TEXTS, TEXTS)
def test_a_cursor_gives_back_its_position(query: tuple[str, ...], position: tuple[str, ...]) -> None:
    """To the same query, with the same secret; it needs no encoding in a URL."""
    cursor = sign(SECRET, query, position)

    assert open_cursor(SECRET, query, cursor) == position
    assert cursor.replace("-", "").replace("_", "").isalnum()


@given(TEXTS, TEXTS, TEXTS)
def test_another_query_cannot_open_it(
    query: tuple[str, ...], other: tuple[str, ...], position: tuple[str, ...]
) -> None:
    """Not even one whose parts read the same when put together."""
    assume(query != other)

    with pytest.raises(InvalidCursor):
        open_cursor(SECRET, other, sign(SECRET, query, position))


@given(TEXTS, TEXTS)
def test_another_secret_cannot_open_it(query: tuple[str, ...], position: tuple[str, ...]) -> None:
    """A cursor of another installation is refused."""
    with pytest.raises(InvalidCursor):
        open_cursor(b"t" * 32, query, sign(SECRET, query, position))


@given(TEXTS, st.data())
def test_a_changed_cursor_is_refused(position: tuple[str, ...], data: st.DataObject) -> None:
    """Every change of a character that changes the bytes is noticed."""
    cursor = sign(SECRET, ("q",), position)
    place = data.draw(st.integers(0, len(cursor) - 2))  # the last character has bits that no byte holds
    letter = data.draw(st.sampled_from("ABCxyz059-_").filter(lambda letter: letter != cursor[place]))

    with pytest.raises(InvalidCursor):
        open_cursor(SECRET, ("q",), cursor[:place] + letter + cursor[place + 1 :])


@given(st.text(max_size=60) | st.text(alphabet="ABCxyz059-_=", max_size=60))
def test_anything_else_is_refused(text: str) -> None:
    """Never another exception."""
    with pytest.raises(InvalidCursor):
        open_cursor(SECRET, ("q",), text)


def test_cursors_of_earlier_releases_stay_good() -> None:
    """Callers are between two pages while functions are deployed. 16 bytes sign, with SHA-256."""
    cursor = "Zu6A6rwD9NcNk8reEZhYblsiNDIiLCAicGFpZFx1MDAwMDA0MiJd"

    assert sign(SECRET, ("order", "by_status"), ("42", "paid\x00042")) == cursor
    assert open_cursor(SECRET, ("order", "by_status"), cursor) == ("42", "paid\x00042")


def test_a_cursor_has_a_greatest_length() -> None:
    """Also one that was signed here."""
    with pytest.raises(InvalidCursor):
        open_cursor(SECRET, ("q",), sign(SECRET, ("q",), ("x" * 4_096,)))


@pytest.mark.parametrize("letter", ["!", " ", "\n", "+", "/", "é"])
def test_letters_that_cursors_do_not_have_are_refused(letter: str) -> None:
    """Decoders leave them out if nobody tells them not to."""
    cursor = sign(SECRET, ("q",), ("position",))

    for place in (0, 5, len(cursor)):
        with pytest.raises(InvalidCursor):
            open_cursor(SECRET, ("q",), cursor[:place] + letter + cursor[place:])
