"""One PostgreSQL server for the whole run, a fresh database for whoever asks."""

import itertools
from collections.abc import Callable, Iterator

import pytest

from local.postgres import Postgres
from local.processes import free_port

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """A running server with a logical log. Not durable: it is thrown away."""
    server = Postgres(tmp_path_factory.mktemp("postgres"), free_port(), durable=False)
    try:
        server.start()
        yield server
    finally:
        server.destroy()


@pytest.fixture
def new_database(postgres: Postgres) -> Iterator[Callable[..., str]]:
    """Call it, with a template's name if wanted, for the URL of a database that the test has for itself."""
    made: list[str] = []

    def make(template: str | None = None) -> str:
        name = f"test_{next(_numbers)}"
        postgres.create_database(name, template=template)
        made.append(name)
        return postgres.url(name)

    yield make
    for name in made:
        postgres.drop_database(name)
