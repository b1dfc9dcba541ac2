"""docs/testing.md names every broken variant and only tests that exist."""

from __future__ import annotations

import pytest

from tests.soak.documentation import (
    ELSEWHERE,
    LISTS,
    NAMED,
    PAGE,
    all_of_them,
    function_of,
    variants,
    written,
)
from tests.soak.rows import ROWS

TEXT = PAGE.read_text("utf-8")


@pytest.mark.parametrize(("path", "function"), sorted(set(NAMED.findall(TEXT))))
def test_a_named_test_exists(path: str, function: str) -> None:
    assert callable(function_of(f"{path}::{function}"))


def test_the_lists_are_those_of_the_tests() -> None:
    """`python -m tests.soak.documentation` writes them."""
    assert written(TEXT) == TEXT


def test_no_test_that_breaks_something_on_purpose_is_left_out() -> None:
    listed = {name for name, _ in LISTS.findall(TEXT)}
    found = all_of_them()
    assert len(found) >= len(listed), "those that are listed are among them"
    assert found - listed == set(ELSEWHERE) & found
    assert set(ELSEWHERE) <= found
    assert listed <= found


def test_there_are_at_least_fifteen_of_checkpoints_and_many_more() -> None:
    counts = {name: len(variants(name)) for name, _ in LISTS.findall(TEXT)}

    assert sum(count for name, count in counts.items() if "tests/soak/" in name) >= 15
    assert sum(counts.values()) >= 60


def test_every_row_of_the_soak_is_in_the_matrix() -> None:
    matrix = TEXT.partition("<!-- matrix -->")[2].partition("<!-- /matrix -->")[0]
    rows = {
        line.split("|")[1].strip(): line.split("|")[2].strip() for line in matrix.splitlines() if line.startswith("|")
    }

    assert {str(number): rows.get(str(number)) for number in ROWS} == {
        str(number): name for number, (name, _) in ROWS.items()
    }
