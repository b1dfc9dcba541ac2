"""Fixtures that several packages' tests share."""

import itertools
from collections.abc import Callable, Iterator

import pytest
from hypothesis import settings

from local import ministack as stand_in
from local.ministack import MiniStack
from local.postgres import Postgres
from local.processes import Processes, free_port

_numbers = itertools.count(1)

# a busy machine is no failure
settings.register_profile("nearview", deadline=None, print_blob=True)
settings.load_profile("nearview")


@pytest.fixture(scope="session")
def ministack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MiniStack]:
    """One MiniStack for the whole test run: name what you create so that no other test can meet it."""
    processes = Processes(tmp_path_factory.mktemp("ministack"))
    yield stand_in.start(processes)
    stand_in.stop(processes)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """One PostgreSQL for the whole test run, with a logical log. Not durable: it is thrown away."""
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
