"""Loads that overlap with changes, in random order, repeated, in a raised incarnation: the documents are the join."""

from __future__ import annotations

import pytest

from local.postgres import Postgres
from tests.proof.loads import Defects, Kind, run_load_case

SEEDS = range(12)
MANY = range(1_000, 1_200)


def _prove(url: str, kind: Kind, seeds: range) -> None:
    documents = 0
    for seed in seeds:
        outcome = run_load_case(url, seed, kind)
        assert not outcome.findings, f"{kind.name}\n{outcome.story()}"
        documents += outcome.documents
    assert documents > len(seeds)


@pytest.mark.parametrize("kind", Kind, ids=lambda kind: kind.name)
def test_whatever_the_order_of_loads_and_changes_the_documents_are_the_join(postgres: Postgres, kind: Kind) -> None:
    _prove(postgres.url(), kind, SEEDS)


@pytest.mark.long
@pytest.mark.parametrize("kind", Kind, ids=lambda kind: kind.name)
def test_the_same_of_many_more_cases(postgres: Postgres, kind: Kind) -> None:
    _prove(postgres.url(), kind, MANY)


@pytest.mark.parametrize("defects", [Defects(forgets_raise=True), Defects(forgets_sweep=True)], ids=str)
def test_what_an_operator_forgets_is_seen(postgres: Postgres, defects: Defects) -> None:
    """So the cases above do lose rows behind the log."""
    wrong = [seed for seed in range(6) if run_load_case(postgres.url(), seed, Kind.RECREATED, defects).findings]
    assert wrong
