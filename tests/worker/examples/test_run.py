"""Examples through the worker's own path."""

from __future__ import annotations

from tests.worker.examples.conftest import MAPPING, Run
from worker.examples.run import Arrival
from worker.examples.suite import read_suite, run_suite
from worker.mapping.loader import read_mappings

GOOD = """\
examples:
  - name: lines come, move and go
    changes:
      - {load: shop.customers, row: {customer_id: 7, name: Ada}}
      - {insert: shop.orders, row: {order_id: 1, customer_id: 7, status: placed, details: {a: 1}}}
      - {insert: shop.orders, row: {order_id: 2, status: new}}
      - {insert: shop.lines, row: {order_id: 1, line_no: 1, quantity: 2}}
      - {insert: shop.lines, row: {order_id: 1, line_no: 2, quantity: 5}}
      - {update: shop.lines, before: {order_id: 1, line_no: 2}, row: {order_id: 2, line_no: 1}}
      - {update: shop.orders, row: {order_id: 1, total: 1.50}}
      - {update: shop.orders, row: {order_id: 2, status: paid, customer_id: 8}}
      - {delete: shop.lines, row: {order_id: 1, line_no: 1}}
    expect:
      "1": {order_id: 1, status: placed, total: 1.5, note: null, details: {a: 1}, customer: {name: Ada}, lines: []}
      "2":
        order_id: 2
        status: paid
        total: null
        note: null
        details: null
        customer: null
        lines: [{line_no: 1, quantity: 5}]
      "3": null
"""


def test_the_documents_are_the_same_in_every_order_of_arrival(run: Run) -> None:
    """Moves, deletions and filters included."""
    result = run(GOOD)

    assert result.failed == 0
    assert result.outcomes[0].failures == ()


def test_a_failure_points_at_the_expected_value(run: Run) -> None:
    """Line and column in the file, the path in the document, and both values."""
    (outcome,) = run(GOOD.replace("quantity: 5}]", "quantity: 6}]")).outcomes

    assert [str(failure) for failure in outcome.failures] == [
        "order.yaml:23:40: document 2: lines[0].quantity: expected 6, is 5"
    ]


def test_a_document_that_is_not_there_or_should_not_be(run: Run) -> None:
    """The keys that exist are named."""
    text = GOOD.replace('"1": {order_id: 1', '"9": {order_id: 1').replace('"3": null', '"2 ": null')
    paid = "      - {update: shop.orders, row: {order_id: 2, status: paid, customer_id: 8}}\n"
    (outcome,) = run(text.replace(paid, "")).outcomes

    assert [failure.message for failure in outcome.failures] == [
        "document 9: there is no such document (there are: 1)",
        "document 2: there is no such document (there are: 1)",
    ]


def test_a_document_may_be_expected_to_be_parked(run: Run) -> None:
    """A value that is not of its type."""
    text = """\
    examples:
      - name: a total that is none
        changes:
          - {insert: shop.orders, row: {order_id: 1, status: paid, total: much}}
          - {insert: shop.orders, row: {order_id: 2, status: paid}}
        expect: {"1": %s, "2": %s}
    """

    assert run(text % ("parked", "{}")).outcomes[0].failures[0].message.startswith("document 2: expected {}, is {")
    (unexpected, fits) = run(text % ("{}", "parked")).outcomes[0].failures
    assert unexpected.message == "document 1: it is parked: /: shop.orders.total as decimal: not a number"
    assert fits.message == "document 2: expected to be parked, it fits"


def test_an_unchanged_large_value_stays(run: Run) -> None:
    """In every order of arrival."""
    result = run(f"""\
    examples:
      - name: a long note
        changes:
          - {{insert: shop.orders, row: {{order_id: 1, status: paid, note: {"n" * 50}}}}}
          - {{update: shop.orders, row: {{order_id: 1, total: 7}}, unchanged: note}}
        expect:
          "1": {{order_id: 1, status: paid, total: 7, note: {"n" * 50}, details: null, customer: null, lines: []}}
    """)

    assert result.outcomes[0].failures == ()


def test_what_would_park_a_table_is_a_failure(run: Run) -> None:
    """A number cannot be absent because it is large and unchanged; only some orders of arrival show it."""
    (outcome,) = run("""\
    examples:
      - name: a number
        changes:
          - {insert: shop.orders, row: {order_id: 1, status: paid, total: 7}}
          - {update: shop.orders, row: {order_id: 1, status: sent}, unchanged: total}
        expect: {"1": null}
    """).outcomes

    assert outcome.failures[0].message.startswith("the table would be parked: shop.orders: column total is missing")
    assert Arrival.ONE_BY_ONE in outcome.failures[0].arrivals


def test_sensitive_columns_are_tokens_that_can_be_read_or_gone() -> None:
    """Also as keys and foreign keys; in an example a token shows its value."""
    mapping, problems = read_mappings({"order.yaml": MAPPING, "tables.yaml": TABLES})
    assert mapping is not None, problems
    text = """\
aggregate: order
examples:
  - name: tokens
    changes:
      - {insert: shop.customers, row: {customer_id: 7, name: Ada}}
      - {insert: shop.orders, row: {order_id: 1, customer_id: 7, status: paid, secret: x}}
    expect:
      "1": {order_id: 1, status: paid, total: null, note: null, details: null, customer: {name: "tok:example:Ada"},
            lines: []}
"""
    suite, problems = read_suite({"order.yaml": text}, mapping)

    assert problems == []
    assert run_suite(suite, mapping).outcomes[0].failures == ()


def test_an_example_may_hold_in_its_order_only() -> None:
    """A lookup that keeps what it showed first shows another thing when the records come the other way round."""
    copying = MAPPING.replace("join: customer_id, fields", "join: customer_id, lookup: copy, fields")
    mapping, problems = read_mappings({"order.yaml": copying})
    assert mapping is not None, problems
    text = """\
aggregate: order
examples:
  - name: the name stays%s
    changes:
      - {insert: shop.customers, row: {customer_id: 7, name: Ada}}
      - {insert: shop.orders, row: {order_id: 1, customer_id: 7, status: paid}}
      - {update: shop.customers, row: {customer_id: 7, name: Eve}}
    expect: {"1": {order_id: 1, status: paid, total: null, note: null, details: null, customer: {name: Ada}, lines: []}}
"""
    in_order, _ = read_suite({"order.yaml": text % "\n    in_order: true"}, mapping)
    in_any, _ = read_suite({"order.yaml": text % ""}, mapping)

    assert run_suite(in_order, mapping).outcomes[0].failures == ()
    (failure,) = run_suite(in_any, mapping).outcomes[0].failures
    assert str(failure).endswith('expected "Ada", is "Eve" (in one batch, in reverse order)')


TABLES = """\
tables:
  shop.customers: {sensitive: {name: token, customer_id: token}}
  shop.orders: {sensitive: {customer_id: token, secret: drop}}
"""
