"""Local stacks for the tests here: whatever a test does, nothing is left running; a failure shows what they did."""

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from local.running import Options
from local.stack import Stack
from tests.acceptance.live import Live, evidence

SMALL_SHOP = 150

_open: list[Stack] = []


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(call: pytest.CallInfo[None]) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add to a failure's report what the processes of the stacks that are up said last."""
    report = yield
    if report.failed and call.when != "teardown":
        report.sections += [section for stack in _open for section in evidence(stack)]
    return report


@contextmanager
def stacks(folder: Path) -> Iterator[Callable[[Options], Live]]:
    """Starts a stack in the folder and returns when the full load is in documents; stops it afterwards."""
    stack = Stack(folder, print)

    def start(options: Options) -> Live:
        live = Live(stack, stack.up(options))
        live.wait_until_quiet()
        return live

    _open.append(stack)
    try:
        yield start
    finally:
        _open.remove(stack)
        stack.down()


@pytest.fixture
def start_stack(tmp_path: Path) -> Iterator[Callable[[Options], Live]]:
    """Starts the test's own stack and returns when the full load is in documents."""
    with stacks(tmp_path / "stack") as start:
        yield start
