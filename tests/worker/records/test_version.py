"""Versions order as the source's changes do."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from worker.records.version import NEVER, change_version, is_loaded, load_version

incarnations = st.integers(0, 0xFFFF)
positions = st.integers(1, 2**64 - 1)
numbers = st.integers(1, 2**52)
moments = st.integers(0, 2**55)
changes = st.tuples(incarnations, positions, numbers)


@given(changes, changes)
def test_changes_order_by_incarnation_position_and_number(
    one: tuple[int, int, int], other: tuple[int, int, int]
) -> None:
    assert (change_version(*one) < change_version(*other)) == (one < other)


@given(incarnations, moments, positions, numbers)
def test_a_load_never_beats_a_change_of_its_incarnation(
    incarnation: int, moment: int, position: int, number: int
) -> None:
    assert load_version(incarnation, moment) < change_version(incarnation, position, number)


@given(incarnations, moments, positions, numbers)
def test_a_load_is_told_from_a_change(incarnation: int, moment: int, position: int, number: int) -> None:
    assert is_loaded(load_version(incarnation, moment))
    assert not is_loaded(change_version(incarnation, position, number))


@given(incarnations, moments, moments)
def test_a_repeated_load_beats_the_first(incarnation: int, one: int, other: int) -> None:
    assert (load_version(incarnation, one) < load_version(incarnation, other)) == (one < other)


@given(incarnations, moments, changes)
def test_a_later_incarnation_beats_everything_before(
    incarnation: int, moment: int, change: tuple[int, int, int]
) -> None:
    if incarnation > change[0]:
        assert load_version(incarnation, moment) > change_version(*change)


@given(changes, incarnations, moments)
def test_all_versions_have_one_width_and_beat_never(
    change: tuple[int, int, int], incarnation: int, moment: int
) -> None:
    versions = change_version(*change), load_version(incarnation, moment)

    assert {len(version) for version in versions} == {50}
    assert min(versions) > NEVER
