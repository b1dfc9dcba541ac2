"""Local stacks for the tests here: whatever a test does, nothing is left running."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from local.stack import Options, Stack
from tests.acceptance.live import Live

SMALL_SHOP = 150

PICKUPS = """
aggregate: pickup
source: shop.addresses
key: [customer_id, address_no]
where: {street: Misfit Lane}
fields: [customer_id, address_no, city, {postal_code: {type: integer}}]
"""
"""One more document over the shop's tables: a text column that is declared to hold numbers."""


@contextmanager
def stacks(folder: Path) -> Iterator[Callable[[Options], Live]]:
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


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A running shop for tests that leave it right; rows come and go, so ask the source for keys."""
    folder = tmp_path_factory.mktemp("shop")
    mappings = folder / "mappings"
    shutil.copytree(Options().mappings, mappings)
    (mappings / "pickup.yaml").write_text(PICKUPS, encoding="utf-8")
    with stacks(folder / "stack") as start:
        yield start(Options(orders=SMALL_SHOP, mappings=mappings))
