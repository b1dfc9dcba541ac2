"""Fixtures that several packages' tests share."""

from collections.abc import Iterator

import pytest

from local import ministack as stand_in
from local.ministack import MiniStack
from local.processes import Processes


@pytest.fixture(scope="session")
def ministack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MiniStack]:
    """One MiniStack for the whole test run: name what you create so that no other test can meet it."""
    processes = Processes(tmp_path_factory.mktemp("ministack"))
    yield stand_in.start(processes)
    stand_in.stop(processes)
