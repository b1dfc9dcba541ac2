"""The shop that the tests here share."""

import shutil
from collections.abc import Iterator

import pytest

from local.running import Options
from tests.acceptance.conftest import SMALL_SHOP, stacks
from tests.acceptance.live import Live

PICKUPS = """
aggregate: pickup
source: shop.addresses
key: [customer_id, address_no]
where: {street: Misfit Lane}
fields: [customer_id, address_no, city, {postal_code: {type: integer}}]
"""
"""One more document over the shop's tables: a text column that is declared to hold numbers."""


@pytest.fixture(scope="package")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A running shop for tests that leave it right; rows come and go, so ask the source for keys."""
    folder = tmp_path_factory.mktemp("shop")
    mappings = folder / "mappings"
    shutil.copytree(Options().mappings, mappings)
    (mappings / "pickup.yaml").write_text(PICKUPS, encoding="utf-8")
    with stacks(folder / "stack") as start:
        yield start(Options(orders=SMALL_SHOP, mappings=mappings))
