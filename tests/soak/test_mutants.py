"""The soak catches what it must: every planted defect is found in a known run, which is right without it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.soak.mutants import MUTANTS
from tests.soak.run import close, play


@pytest.fixture(scope="module", autouse=True)
def _ends() -> Iterator[None]:
    """The process that starts children ends with the last test."""
    yield
    close()


@pytest.mark.parametrize("name", MUTANTS)
def test_a_planted_defect_is_caught(name: str) -> None:
    mutant = MUTANTS[name]
    outcome, _ = play(mutant.seed, mutant.rows, name)

    assert outcome.findings


@pytest.mark.long
@pytest.mark.parametrize("name", MUTANTS)
def test_without_the_defect_the_same_run_is_right(name: str) -> None:
    """So it is the defect that is found."""
    mutant = MUTANTS[name]
    outcome, log = play(mutant.seed, mutant.rows)

    assert outcome.findings == [], log
