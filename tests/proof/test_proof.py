"""Random schemas, mappings and transactions on a real PostgreSQL: documents equal what SQL on the source says."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from local.postgres import Postgres
from tests.proof.case import run_case

MANY = range(1_000, 3_000)
_A_TEST = 50


@pytest.fixture(scope="module")
def url(postgres: Postgres) -> Iterator[str]:
    """A database for all cases: each has a schema of its own."""
    postgres.create_database("proof")
    yield postgres.url("proof")
    postgres.drop_database("proof")


@pytest.mark.parametrize("seed", range(60))
def test_every_document_is_the_join(url: str, seed: int) -> None:
    """Two oracles agree with each other and with every stored document; nothing went backward, nothing was parked."""
    outcome = run_case(url, seed)

    assert not outcome.findings, outcome.story()


@pytest.mark.long
@pytest.mark.parametrize("first", range(MANY.start, MANY.stop, _A_TEST))
def test_every_document_of_many_more_cases_is_the_join(url: str, first: int) -> None:
    """2,000 further seeds."""
    stories = [outcome.story() for seed in range(first, first + _A_TEST) if (outcome := run_case(url, seed)).findings]

    assert not stories, "\n\n".join(stories)
