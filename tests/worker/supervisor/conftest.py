"""Workers with the real daemon."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local.ministack import MiniStack
from tests.worker.supervisor.real_worker import Stage, Worker

_numbers = itertools.count(1)


@pytest.fixture
def stage(ministack: MiniStack) -> Stage:
    """Tables and a stream of the test's own."""
    return Stage(ministack, f"supervised{next(_numbers)}")


@pytest.fixture
def start_worker(stage: Stage, tmp_path: Path) -> Iterator[Callable[..., Worker]]:
    """Starts workers on the stage; they share what they note."""
    workers: list[Worker] = []

    def start(name: str = "w1", **environ: str) -> Worker:
        workers.append(Worker(stage, tmp_path / "worker", name, **environ))
        return workers[-1]

    yield start
    for worker in workers:
        worker.end()
