"""Local stacks for the tests here: whatever a test does, nothing is left running."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from local.running import Options
from local.stack import Stack
from tests.acceptance.live import Live

SMALL_SHOP = 150


@contextmanager
def stacks(folder: Path) -> Iterator[Callable[[Options], Live]]:
    """Starts a stack in the folder and returns when the full load is in documents; stops it afterwards."""
    stack = Stack(folder, print)

    def start(options: Options) -> Live:
        live = Live(stack, stack.up(options))
        live.wait_until_quiet()
        return live

    try:
        yield start
    finally:
        stack.down()


@pytest.fixture
def start_stack(tmp_path: Path) -> Iterator[Callable[[Options], Live]]:
    """Starts the test's own stack and returns when the full load is in documents."""
    with stacks(tmp_path / "stack") as start:
        yield start
