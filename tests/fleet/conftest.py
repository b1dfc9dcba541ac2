"""A stand-in with shards that close and tables that can be throttled, and workers with the real daemon on it."""

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local import ministack as local_ministack
from local.processes import Processes
from tests.fleet.load import Load
from tests.worker.supervisor.real_worker import Stage, Worker

STAND_IN = Path(__file__).with_name("stand_in.py")

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def throttled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that names what is throttled."""
    return tmp_path_factory.mktemp("stand-in") / "throttled"


@pytest.fixture
def stage(throttled: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Tables and a stream on a stand-in of the test's own."""
    processes = Processes(tmp_path_factory.mktemp("ministack"))
    os.environ["THROTTLED"] = str(throttled)
    try:
        yield Stage(local_ministack.start(processes, program=(str(STAND_IN),)), f"fleet{next(_numbers)}")
    finally:
        del os.environ["THROTTLED"]
        throttled.unlink(missing_ok=True)
        throttled.with_suffix(".count").unlink(missing_ok=True)
        local_ministack.stop(processes)


@pytest.fixture
def start_worker(stage: Stage, tmp_path: Path) -> Iterator[Callable[..., Worker]]:
    """Starts workers on hosts of their own; each has a folder of its name, and notes records in its own file."""
    workers: list[Worker] = []

    def start(name: str, **environ: str) -> Worker:
        workers.append(Worker(stage, tmp_path / name, name, **environ))
        return workers[-1]

    yield start
    for worker in workers:
        worker.end()


@pytest.fixture
def load(stage: Stage) -> Iterator[Load]:
    """Records that come all the time, until the test is over."""
    running = Load(stage)
    running.start()
    yield running
    running.end()
