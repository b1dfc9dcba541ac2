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


TRIED = 12
OF_THE_STORE = (
    *("unprocessed_is_absent", "throttled_statement_is_done", "lost_reply_is_done", "document_not_conditioned"),
    *("due_forgotten", "parking_gives_up", "poison_dropped", "order_of_arrival_is_the_version"),
)
"""The rules of checkpoints are broken in `make test`, the others in `make test-long`."""


@pytest.mark.parametrize("name", [n for n in MUTANTS if n not in OF_THE_STORE])
def test_a_broken_rule_of_checkpoints_is_caught(name: str) -> None:
    _is_caught(name)


@pytest.mark.long
@pytest.mark.parametrize("name", OF_THE_STORE)
def test_a_planted_defect_is_caught(name: str) -> None:
    _is_caught(name)


def _is_caught(name: str) -> None:
    """By the run that is known to show it, or by one of the next: what a child asks for changes with the worker."""
    mutant = MUTANTS[name]

    assert any(play(seed, mutant.rows, name)[0].findings for seed in range(mutant.seed, mutant.seed + TRIED))


@pytest.mark.long
@pytest.mark.parametrize("name", MUTANTS)
def test_without_the_defect_the_same_run_is_right(name: str) -> None:
    """So it is the defect that is found."""
    mutant = MUTANTS[name]
    outcome, log = play(mutant.seed, mutant.rows)

    assert outcome.findings == [], log
