"""Indexes over attributes of the root, computed ones included (more refusals: test_reader)."""

from __future__ import annotations

import pytest

from contract.mapping import Index
from tests.worker.mapping.reading import BASE, aggregate, problems

FIELDS = BASE.replace(
    "[id]",
    "[id, n: {count: l}, k: {constant: x}, t: {template: 'a{id}'}, j: {type: json}, c: {constant: '{}', type: json}]",
)
TEXT = FIELDS + "many: {l: {source: s.l, key: n, join: o, hidden: true, fields: [n]}}\n"


def test_an_index_sorts_by_several_attributes_computed_ones_included() -> None:
    found = aggregate(TEXT + "indexes: {a: {partition: k, sort: [n, t, id]}, b: {partition: n}}\n").indexes

    assert found == (Index("a", 1, "k", ("n", "t", "id")), Index("b", 2, "n"))


@pytest.mark.parametrize(
    ("index", "wanted"),
    [
        ("{partition: j}", "6:26: index a: partition: j is JSON, which has no order"),
        ("{partition: id, sort: [n, c]}", "6:36: index a: sort: c is JSON, which has no order"),
        ("{partition: id, sort: [n, n]}", "6:36: index a: sort: n is given twice"),
        ("{partition: [id, n]}", "6:26: index a: partition must be one attribute"),
        ("{partition: l}", "6:26: index a: partition: no field l at the top level (known: id, j, n, k, t, c)"),
        ("{partition: id, order: n}", "6:30: index a: unknown key order (known: partition, sort)"),
    ],
)
def test_an_index_that_cannot_be_is_one_line(index: str, wanted: str) -> None:
    assert problems(f"{TEXT}indexes: {{a: {index}}}\n") == [wanted]


def test_names_and_orders_that_no_key_could_hold_are_problems() -> None:
    fields = BASE.replace("[id]", "[id, a, b, c, d, e, f, g, h]")
    assert problems(f"{fields}indexes: {{x: {{partition: id, sort: [a, b, c, d, e, f, g, h]}}}}\n") == []

    found = problems(f"{fields}indexes: {{{'x' * 129}: {{partition: id, sort: [id, a, b, c, d, e, f, g, h]}}}}\n")

    assert found[0] == "5:11: indexes: a name has at most 128 characters"
    assert found[1].endswith("sort: at most 8 attributes")


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        (
            "fields: [id, {x: {template: '{'}}]",
            ["5:45: index b: partition: no field y at the top level (known: id, x)"],
        ),
        ("fields: {id: x}", []),
        ("where: {id: [[]]}", []),
    ],
)
def test_of_a_root_with_problems_an_index_is_checked_by_the_names_that_are_known(
    fields: str, wanted: list[str]
) -> None:
    text = BASE.replace("fields: [id]", fields) + "indexes: {a: {partition: x}, b: {partition: y, sort: [id, id]}}\n"

    found = [line for line in problems(text) if "index" in line]

    assert found == [*wanted, "5:54: index b: sort: id is given twice"]
