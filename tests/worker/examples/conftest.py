"""A small mapping, and examples of it from a text."""

from __future__ import annotations

import textwrap
from collections.abc import Callable

import pytest

from contract.mapping import Mapping
from worker.examples.suite import Ready, Result, read_suite, run_suite
from worker.mapping.loader import read_mappings
from worker.mapping.problems import Problem

MAPPING = """\
aggregate: order
source: shop.orders
key: order_id
fields: [order_id, status, total: {type: decimal}, note, details: {type: json}]
where: {status: [placed, paid]}
one:
  customer: {source: shop.customers, key: customer_id, join: customer_id, fields: [name]}
many:
  lines:
    source: shop.lines
    key: [order_id, line_no]
    join: order_id
    fields: [line_no, quantity]
"""

Read = Callable[[str], tuple[list[Ready], list[Problem]]]
Run = Callable[[str], Result]


@pytest.fixture(scope="session")
def mapping() -> Mapping:
    """Orders with their customer and lines."""
    found, problems = read_mappings({"order.yaml": MAPPING})
    assert found is not None, problems
    return found


@pytest.fixture
def read(mapping: Mapping) -> Read:
    """Reads the examples of a text; they stand in `order.yaml` from line 2 on."""
    return lambda text: read_suite({"order.yaml": f"aggregate: order\n{textwrap.dedent(text)}"}, mapping)


@pytest.fixture
def run(read: Read, mapping: Mapping) -> Run:
    """Runs the examples of a text that has no problems."""

    def run(text: str) -> Result:
        suite, problems = read(text)
        assert problems == []
        return run_suite(suite, mapping)

    return run
