"""What a step from one mapping to another needs."""

from __future__ import annotations

import pytest

from contract.mapping import Mapping
from worker.evolve.needs import Evolution, Need, evolve
from worker.mapping.loader import read_mappings

ORDER = """\
aggregate: order
source: s.orders
key: id
fields: [id, status, total: {type: decimal}]
where: {status: [open, paid]}
one:
  customer: {source: s.customers, key: id, join: customer_id, fields: [id, name]}
many:
  lines:
    source: s.lines
    key: [order_id, no]
    join: order_id
    order_by: no
    fields: [no, sku, quantity]
indexes:
  by_status: {partition: status}
"""
CUSTOMER = """\
aggregate: customer
source: s.customers
key: id
fields: [id, name, city]
"""


def _mapping(*texts: str) -> Mapping:
    mapping, problems = read_mappings({f"{at}.yaml": text for at, text in enumerate(texts)})
    assert mapping is not None, problems
    return mapping


def _changed(*replaced: tuple[str, str], text: str = ORDER) -> Evolution:
    new = text
    for old_part, new_part in replaced:
        assert old_part in new
        new = new.replace(old_part, new_part)
    return evolve(_mapping(text, CUSTOMER), _mapping(new, CUSTOMER))


def test_the_same_mapping_needs_nothing() -> None:
    """Nor does one whose attributes stand in another order."""
    assert not _changed().something_to_do
    moved = _changed(("[no, sku, quantity]", "[quantity, no, sku]"))
    assert moved.aggregates[0].need is Need.NOTHING
    assert [d.words for d in moved.aggregates[0].differences] == ["written in another order: documents show the same"]


@pytest.mark.parametrize(
    ("old", "new", "path", "words"),
    [
        ("total: {type: decimal}", "sum: {column: total, type: decimal}", "(root)", "attribute total is called sum"),
        ("total: {type: decimal}", "total", "(root)", "attribute total: column total, type decimal -> column total"),
        ("sku, quantity]", "sku]", "lines", "attribute quantity is gone"),
        ("[id, name]", "[id, name, city]", "customer", "new attribute city: column city"),
        ("[open, paid]", "{not: void}", "(root)", "where status in [open, paid] -> status not [void]"),
        ("order_by: no", "order_by: sku", "lines", "order_by [no] -> [sku]"),
        ("  lines:", "  positions:", "(root)", "relation lines is called positions"),
        ("key: id\nfields", "key: id\ncollection: o\nfields", "(root)",
         "collection orders -> o: only the path of the API is another one"),
        ("{partition: status}", "{partition: status, sort: id}", "(root)",
         "index by_status: partition status, sort by key, slot 1 -> partition status, sort id, slot 1"),
        ("join: customer_id,", "join: customer_id, spread: 8,", "customer", "spread 1 -> 8"),
        ("join: customer_id,", "join: customer_id, lookup: copy,", "customer", "lookup follow -> copy"),
    ],
)  # fmt: skip
def test_differences_are_told_by_path(old: str, new: str, path: str, words: str) -> None:
    """In words; kept columns need no reload."""
    evolution = _changed((old, new))

    assert [(d.path, d.words) for d in evolution.aggregates[0].differences] == [(path, words)]
    assert evolution.reloads == ()
    assert evolution.aggregates[1].need is Need.NOTHING


def test_a_column_that_was_not_kept_needs_a_reload() -> None:
    """Of its table; of every aggregate only the one that shows it is built anew."""
    evolution = _changed(("sku, quantity]", "sku, quantity, price]"))

    assert [(r.table, r.reasons) for r in evolution.reloads] == [("s.lines", ("not kept before: price",))]
    assert [(a.name, a.need, [r.table for r in a.reloads]) for a in evolution.aggregates] == [
        ("order", Need.RELOAD, ["s.lines"]),
        ("customer", Need.NOTHING, []),
    ]


def test_who_does_not_show_the_new_column_of_a_table_needs_nothing() -> None:
    """Though it shows others of the same table: the reload leaves these as they are."""
    evolution = evolve(_mapping(ORDER, CUSTOMER), _mapping(ORDER, CUSTOMER.replace("city", "city, phone")))

    assert [r.table for r in evolution.reloads] == ["s.customers"]
    assert [(a.name, a.need) for a in evolution.aggregates] == [("order", Need.NOTHING), ("customer", Need.RELOAD)]


def test_a_relation_over_kept_columns_is_a_rebuild_a_table_never_mapped_a_load() -> None:
    """The customer's orders can be found in the rows; products cannot."""
    orders = "many:\n  orders: {source: s.orders, key: id, join: customer_id, fields: [id, status]}\n"
    kept = evolve(_mapping(ORDER, CUSTOMER), _mapping(ORDER, CUSTOMER + orders))
    product = "    one:\n      product: {source: s.products, key: sku, join: sku, fields: [title]}\n"
    new = _changed(("quantity]\n", f"quantity]\n{product}"))

    assert kept.aggregates[1].need is Need.REBUILD
    assert kept.aggregates[1].differences[0].words == "new relation orders: many of s.orders"
    assert [(r.table, r.reasons) for r in new.reloads] == [("s.products", ("no mapping used it before",))]


def test_a_new_aggregate_of_kept_tables_is_built_and_one_that_is_gone_leaves_documents() -> None:
    """Tables that nobody uses any more are named."""
    added = evolve(_mapping(ORDER), _mapping(ORDER, CUSTOMER.replace(", city", "")))
    gone = evolve(_mapping(ORDER, CUSTOMER), _mapping(CUSTOMER))

    assert (added.aggregates[1].need, added.aggregates[1].old_generation) == (Need.REBUILD, None)
    assert gone.aggregates[0].need is Need.DELETE
    assert gone.unused == ("s.lines", "s.orders")


def test_a_changed_policy_needs_a_reload() -> None:
    """What is stored was made by the old one."""
    tables = "tables: {s.customers: {sensitive: {name: token}}}"
    evolution = evolve(_mapping(ORDER, CUSTOMER), _mapping(ORDER, CUSTOMER, tables))

    assert evolution.reloads[0].reasons == ("name was kept as it is, is token: stored values are the old ones",)
    assert {a.need for a in evolution.aggregates} == {Need.RELOAD}
    assert all("raise the generation to 2" in str(a.generation_problem) for a in evolution.aggregates)


def test_the_generation_must_rise_when_documents_change() -> None:
    """And never fall; of what only the API or edges see it may stay."""
    change = ("order_by: no", "order_by: sku")
    forgotten = _changed(change).aggregates[0].generation_problem
    raised = _changed(change, ("key: id\n", "key: id\ngeneration: 2\n")).aggregates[0].generation_problem
    lowered = evolve(_mapping("generation: 3\n" + ORDER), _mapping("generation: 2\n" + ORDER))

    assert forgotten is not None
    assert forgotten.startswith("raise the generation to 2")
    assert raised is None
    assert _changed(("join: customer_id,", "join: customer_id, spread: 8,")).aggregates[0].generation_problem is None
    assert "was lowered from 3 to 2" in str(lowered.aggregates[0].generation_problem)
    assert lowered.something_to_do


def test_joins_on_other_columns_are_compared_as_the_file_says_them() -> None:
    """The virtual place between is no difference of its own."""
    plain = ORDER.replace("join: customer_id, fields", "join: code, to: code, fields")
    other = ORDER.replace("join: customer_id, fields", "join: status, to: code, fields")
    (difference,) = evolve(_mapping(plain), _mapping(other)).aggregates[0].differences

    assert (difference.path, difference.words) == ("customer", "join [code, =, code] -> [status, =, code]")
