"""The model of the projection protocol: no history of the rules as they stand goes wrong, every broken rule does."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.model.mutants import MUTANTS
from tests.model.run import SCENARIOS, run, search

PROTOCOL = Path(__file__).parents[2] / "docs" / "protocol.md"


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_history_ends_with_the_join(name: str) -> None:
    """Kills, zombies, rewinds, reordered records, rolling deployments, reloads: 100 histories of each scenario."""
    assert search(range(100), SCENARIOS[name]) == {}


@pytest.mark.long
@pytest.mark.parametrize("name", SCENARIOS)
def test_many_more_histories(name: str) -> None:
    """5,000 further histories of each scenario."""
    assert search(range(1_000_000, 1_005_000), SCENARIOS[name]) == {}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_broken_rule_loses_something(name: str) -> None:
    """The history at the hinted seed ends wrong with the rule broken, and right without."""
    mutant = MUTANTS[name]
    scenario = SCENARIOS[mutant.scenario]

    assert run(mutant.seed, scenario, frozenset({name})) != []
    assert run(mutant.seed, scenario) == []


def test_the_protocol_page_names_every_broken_rule() -> None:
    """docs/protocol.md tells readers what breaks without each rule."""
    page = PROTOCOL.read_text("utf-8")

    assert [name for name in MUTANTS if f"`{name}`" not in page] == []
