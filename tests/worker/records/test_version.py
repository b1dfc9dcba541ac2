"""Versions order as the source's changes do; only what is a PostgreSQL log position is taken for one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.records.version import NEVER, change_version, load_version, postgresql_position

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


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.integers(0, 99))
def test_a_position_is_the_change_s_own_and_not_the_commit_s(high: int, low: int, number: int) -> None:
    text = f"{high:08x}/{low:08X}.{number}.FFFFFFFF/FFFFFFFF"

    assert postgresql_position(text) == high * 2**32 + low


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("00000002/7C007178.3.00000002/7C007178", 0x2_7C007178),
        ("2/7C007178", 0x2_7C007178),
        ("0/16B3748.1.0/16B3780", 0x16B3748),
        ("", None),
        ("mysql-bin-changelog.000012:4567:-1:4567", None),
        ("0000000000A1B2C3", None),
        ("00000002/7C0071789.3", None),
        ("00000002-7C007178", None),
        (" 2/7C007178", None),
        ("2/7C00717G", None),
        ("٢/7", None),
    ],
)
def test_only_a_log_position_of_postgresql_is_a_position(text: str, position: int | None) -> None:
    assert postgresql_position(text) == position


@given(st.text())
def test_any_text_is_a_position_or_none(text: str) -> None:
    position = postgresql_position(text)

    assert position is None or 0 <= position < 2**64
