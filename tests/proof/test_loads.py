"""Loads that overlap with changes, in random order, repeated, in a raised incarnation: the documents are the join."""

from __future__ import annotations

import pytest

from local.postgres import Postgres
from tests.proof.loads import Defects, Kind, run_load_case

SEEDS = 12


@pytest.mark.parametrize("kind", Kind)
def test_whatever_the_order_of_loads_and_changes_the_documents_are_the_join(postgres: Postgres, kind: Kind) -> None:
    documents = 0
    for seed in range(SEEDS):
        outcome = run_load_case(postgres.url(), seed, kind)
        assert not outcome.findings, f"{kind.name}\n{outcome.story()}"
        documents += outcome.documents
    assert documents > SEEDS


@pytest.mark.parametrize("defects", [Defects(forgets_raise=True), Defects(forgets_sweep=True)], ids=str)
def test_what_an_operator_forgets_is_seen(postgres: Postgres, defects: Defects) -> None:
    """So the cases above do lose rows behind the log."""
    wrong = [seed for seed in range(6) if run_load_case(postgres.url(), seed, Kind.RECREATED, defects).findings]
    assert wrong
