"""The mapping language: what a file means, and the exact line for everything that can be wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api_lambdas.queries.lists import CONTROLS
from contract.mapping import Aggregate, Field, FieldType, Filter, Index, Kind, Node
from tests.worker.mapping.mappings import aggregates, written
from tests.worker.mapping.reading import BASE, problems
from worker.mapping import language
from worker.mapping import loader as load
from worker.mapping.lint import lint
from worker.mapping.problems import File
from worker.mapping.reader import read_file

SHIPPED = sorted((Path(__file__).parents[3] / "mappings").glob("*.yaml"))

WHOLE = """\
aggregate: order
collection: all-orders
generation: 3
source: sales.orders
key: order_id
fields:
  - order_id
  - buyer: customer_id
  - placed_at: {column: created_at, type: timestamptz}
  - total: {type: decimal}
where: {status: [open, 012, null], archived: no}
one:
  customer:
    source: sales.customers
    key: [country, number]
    join: [customer_country, customer_id]
    fields: [number, {title: name}]
many:
  tags:
    source: sales.order_tags
    key: [order_id, tag_id]
    join: order_id
    order_by: [rank, tag_id]
    unwrap: tag
    one:
      tag: {source: sales.tags, key: tag_id, join: tag_id, fields: [label]}
indexes:
  by_buyer: {partition: buyer, sort: placed_at}
  by_total: {partition: total}
"""


def read(text: str) -> tuple[Aggregate | None, list[str]]:
    """The aggregate, and the problems as they are printed."""
    file = File("m.yaml")
    aggregate = read_file(text, file)
    assert aggregate is None or isinstance(aggregate, Aggregate)
    return aggregate, [str(problem) for problem in sorted(file.problems)]


def test_everything_that_can_be_declared() -> None:
    aggregate, problems = read(WHOLE)

    assert problems == []
    customer = Node(
        "customer",
        Kind.ONE,
        "sales.customers",
        ("country", "number"),
        ("customer_country", "customer_id"),
        (Field("number", "number"), Field("title", "name")),
    )
    tag = Node("tag", Kind.ONE, "sales.tags", ("tag_id",), ("tag_id",), (Field("label", "label"),))
    tags = Node(
        "tags",
        Kind.MANY,
        "sales.order_tags",
        ("order_id", "tag_id"),
        ("order_id",),
        children=(tag,),
        order_by=("rank", "tag_id"),
        unwrap="tag",
    )
    assert aggregate == Aggregate(
        name="order",
        collection="all-orders",
        root=Node(
            "order",
            Kind.ROOT,
            "sales.orders",
            ("order_id",),
            fields=(
                Field("order_id", "order_id"),
                Field("buyer", "customer_id"),
                Field("placed_at", "created_at", FieldType.TIMESTAMPTZ),
                Field("total", "total", FieldType.DECIMAL),
            ),
            children=(customer, tags),
            where=(Filter("status", ("open", "012", None)), Filter("archived", ("no",))),
        ),
        indexes=(Index("by_buyer", 1, "buyer", ("placed_at",)), Index("by_total", 2, "total")),
        generation=3,
    )


def test_collection_and_generation_have_defaults() -> None:
    aggregate, problems = read("{aggregate: order, source: s.orders, key: id, fields: [id]}")

    assert problems == []
    assert aggregate is not None
    assert (aggregate.collection, aggregate.generation) == ("orders", 1)


@pytest.mark.parametrize("word", ["no", "on", "012", "1e3", "2024-01-01", "0x1F", "~x", "true"])
def test_words_that_yaml_would_turn_into_something_else_stay_text(word: str) -> None:
    aggregate, problems = read(
        f"aggregate: order\nsource: s.{word}\nkey: {word}\nfields: [{word}]\nwhere: {{{word}: {word}}}\n"
    )

    assert problems == []
    assert aggregate is not None
    root = aggregate.root
    assert (root.table, root.key, root.fields[0].column) == (f"s.{word}", (word,), word)
    assert root.where == (Filter(word, (word,)),)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_the_shipped_mappings_have_no_problem(path: Path) -> None:
    assert read(path.read_text("utf-8"))[1] == []


PRODUCT = "product: {source: s.p, key: p, join: p, fields: [p]}"
ROOT_KEYS = "aggregate, collection, generation, source, key, fields, where, one, many, indexes, examples"
ONE_KEYS = "source, key, join, to, fields, where, depth, hidden, lookup, spread, one, many"
PAIRS = "they go in pairs; to join to other columns name them in `to`"

PROBLEMS: list[tuple[str, list[str]]] = [
    (
        "[a]",
        [
            *(f"1:1: ?: {key} is missing" for key in ("fields", "key", "source")),
            "1:1: aggregate is missing",
            "1:1: mapping: expected `name: value` entries",
        ],
    ),
    ("key: id\nfields: [id]\nsource: s.t\n", ["1:1: aggregate is missing"]),
    ("aggregate: order\n", [f"1:1: order: {key} is missing" for key in ("fields", "key", "source")]),
    (
        BASE.replace("order\n", "Order\n", 1),
        ["1:12: aggregate: Order must be lower-case letters, digits, _ and -, beginning with a letter"],
    ),
    (BASE.replace("aggregate: order", "aggregate: []"), ["1:12: aggregate: expected a text"]),
    (
        BASE + "collection: a/b\n",
        ["5:13: collection: a/b must be lower-case letters, digits, _ and -, beginning with a letter"],
    ),
    (BASE + "generation: 0\n", ["5:13: generation: expected a whole number from 1 to 999999999"]),
    (BASE + "generation: two\n", ["5:13: generation: expected a whole number from 1 to 999999999"]),
    (BASE + "generation: ²\n", ["5:13: generation: expected a whole number from 1 to 999999999"]),
    (BASE + "indexs: {}\n", ["5:1: mapping: unknown key indexs, did you mean indexes?"]),
    (
        BASE + "join: id\n",
        [f"5:1: mapping: unknown key join (known: {ROOT_KEYS})"],
    ),
    (BASE.replace("s.orders", "orders"), ["2:9: order: source orders must be schema.table"]),
    (BASE.replace("s.orders", "s.or#ders"), ["2:9: order: source s.or#ders must be schema.table"]),
    (BASE.replace("key: id", "key: [id, id]"), ["3:6: order: key: id is given twice"]),
    (BASE.replace("key: id", "key: 'a#b'"), ["3:6: order: key: a column name with # or , is not supported"]),
    (BASE.replace("key: id", "key: []"), ["3:6: order: key: the list is empty"]),
    (BASE.replace("[id]", "id"), ["4:9: order: fields: expected a list, of columns and `attribute: column`"]),
    (BASE.replace("[id]", "[id, id]"), ["4:14: order: id is given twice"]),
    (BASE.replace("[id]", "[[id]]"), ["4:10: order: fields: expected `name: value` entries"]),
    (
        BASE.replace("[id]", "[_rev]"),
        ["4:10: _rev: attributes beginning with _ are nearview's own; give it another name"],
    ),
    (BASE.replace("[id]", "[pk]"), ["4:10: pk is a key of the documents table: give the attribute another name"]),
    (BASE.replace("[id]", "[id: {type: decmal}]"), ["4:21: field id: type: unknown decmal, did you mean decimal?"]),
    (BASE.replace("[id]", "[id: {tpye: text}]"), ["4:15: field id: unknown key tpye, did you mean type?"]),
    (BASE.replace("[id]", "[id: {column: []}]"), ["4:23: field id: column: expected a text"]),
    (BASE + "where: [a]\n", ["5:8: order: where: expected `name: value` entries"]),
    (
        BASE + "where: {a: {b: 1}}\n",
        ["5:13: order: where a: unknown key b (known: not, at_least, at_most, above, below)"],
    ),
    (BASE + "where: {a: 1, a: 2}\n", ["5:15: order: where: a is given twice"]),
    (BASE + "one: [a]\n", ["5:6: one: expected `name: value` entries"]),
    (BASE + "one:\n  buyer: {source: s.c, key: c, fields: [c]}\n", ["6:3: buyer: join is missing"]),
    (
        BASE + "one:\n  buyer: {source: s.c, key: [a, b], join: a, fields: [c]}\n",
        [f"6:43: buyer: join names 1 column, its key has 2 columns (a, b): {PAIRS}"],
    ),
    (
        BASE + "many:\n  lines: {source: s.l, key: [a, b], join: [a, b], fields: [c]}\n",
        [f"6:43: lines: join names 2 columns, the key of what it belongs to has 1 column (id): {PAIRS}"],
    ),
    (
        BASE + "one:\n  buyer: {source: s.c, key: c, join: c, fields: [c], order_by: c}\n",
        [f"6:54: one buyer: unknown key order_by (known: {ONE_KEYS})"],
    ),
    (
        BASE + f"many:\n  lines: {{source: s.l, key: a, join: id, unwrap: prod, one: {{{PRODUCT}}}}}\n",
        ["6:50: lines: unwrap names no `one` of it: prod, did you mean product?"],
    ),
    (
        BASE + f"many:\n  lines: {{source: s.l, key: a, join: id, fields: [product], one: {{{PRODUCT}}}}}\n",
        ["6:67: lines: product is given twice"],
    ),
    (
        BASE + "indexes: {by_x: {partition: x}}\n",
        ["5:29: index by_x: partition: no field x at the top level (known: id)"],
    ),
    (BASE + "indexes: {by_id: {sort: id}}\n", ["5:11: index by_id: partition is missing"]),
    (
        BASE.replace("[id]", "[id, a, b, c]")
        + "indexes:\n  w: {partition: id}\n  x: {partition: a}\n  y: {partition: b}\n  z: {partition: c}\n",
        ["9:3: indexes: at most 3 per aggregate"],
    ),
    (
        BASE.replace("[id]", "[limit]") + "indexes: {x: {partition: limit}}\n",
        [
            "5:26: index x: partition: limit is a parameter of every list: give the attribute another name",
        ],
    ),
]


@pytest.mark.parametrize(
    ("text", "wanted"), PROBLEMS, ids=lambda value: value[-1].partition(": ")[2] if isinstance(value, list) else ""
)
def test_every_problem_names_its_place_and_what_to_do(text: str, wanted: list[str]) -> None:
    aggregate, problems = read(text)

    assert aggregate is None
    assert problems == [f"m.yaml:{problem}" for problem in wanted]


def test_indexes_may_share_their_partition_attribute() -> None:
    aggregate, problems = read(BASE + "indexes: {by_id: {partition: id}, newest: {partition: id, sort: id}}\n")

    assert problems == []
    assert aggregate is not None
    assert aggregate.indexes == (Index("by_id", 1, "id"), Index("newest", 2, "id", ("id",)))


@pytest.mark.parametrize("name", CONTROLS)
def test_no_index_has_a_parameter_of_lists_as_its_partition_attribute(name: str) -> None:
    aggregate, problems = read(BASE.replace("[id]", f"[id, {name}]") + f"indexes: {{x: {{partition: {name}}}}}\n")

    assert aggregate is None
    assert len(problems) == 1


def test_all_problems_of_a_file_come_in_one_run() -> None:
    text = """\
aggregate: order
source: orders
key: id
fields: [id, total: {type: decmal}]
one:
  buyer: {source: s.c, key: c, fields: [c], colour: red}
many:
  lines: {source: s.l, key: a, join: [a, b], fields: [_x]}
indexes:
  by_state: {partition: state}
"""
    assert read(text)[1] == [
        "m.yaml:2:9: order: source orders must be schema.table",
        "m.yaml:4:28: field total: type: unknown decmal, did you mean decimal?",
        "m.yaml:6:3: buyer: join is missing",
        f"m.yaml:6:45: one buyer: unknown key colour (known: {ONE_KEYS})",
        f"m.yaml:8:38: lines: join names 2 columns, the key of what it belongs to has 1 column (id): {PAIRS}",
        "m.yaml:8:55: _x: attributes beginning with _ are nearview's own; give it another name",
        "m.yaml:10:25: index by_state: partition: no field state at the top level (known: id, total)",
    ]


def test_nesting_has_a_bound() -> None:
    text = "{source: s.t, key: k, join: k, fields: [k]}"
    for _ in range(30):
        text = f"{{source: s.t, key: k, join: k, fields: [k], one: {{x: {text}}}}}"
    _, problems = read(f"{BASE}one: {{x: {text}}}\n")

    assert [problem.partition(": ")[2] for problem in problems] == ["x: nested deeper than 24 levels"]


WORDS = "s.t s.u id no 012 _x # 1 pk decimal null {id} {a.b} {{ a.b true copy drop token 3 24 follow text"
words = st.sampled_from(["", *WORDS.split(), *dict.fromkeys(str(key.name) for key in language.KEYS)])
trees = st.recursive(
    words | st.none() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=6),
    max_leaves=25,
)


@given(trees | st.text(max_size=200))
@settings(max_examples=300)
def test_anything_gives_an_aggregate_or_problems_and_never_an_exception(tree: object) -> None:
    text = tree if isinstance(tree, str) else yaml.safe_dump(tree)
    reading = load.read({"m.yaml": text})

    assert (reading.mapping is None) == bool(reading.problems)
    lint(reading)


BAD = st.sampled_from(
    [
        None,
        "",
        "x",
        [],
        {},
        ["id", "id"],
        {"id": "x"},
        0,
        "s.t",
        "{x",
        True,
        "copy",
        {"column": "a"},
        {"count": "lines"},
    ]
)


@given(aggregates(), st.data())
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_a_mapping_with_a_part_replaced_gives_an_aggregate_or_problems(
    aggregate: Aggregate, data: st.DataObject
) -> None:
    tree = yaml.safe_load(written(aggregate))
    at = tree
    while isinstance(at, (dict, list)) and at:
        key = data.draw(st.sampled_from(sorted(at, key=str) if isinstance(at, dict) else range(len(at))))
        if not at[key] or not isinstance(at[key], (dict, list)) or data.draw(st.booleans()):
            at[key] = data.draw(BAD)
            break
        at = at[key]
    reading = load.read({"m.yaml": yaml.safe_dump(tree)})

    assert (reading.mapping is None) == bool(reading.problems)
    lint(reading)


@given(
    st.lists(
        st.tuples(st.integers(0, len(WHOLE)), st.sampled_from(["", "x", "\n", "  ", ":", "[", "}", "#", "'"])),
        max_size=3,
    )
)
@settings(max_examples=300)
def test_a_mutilated_file_gives_an_aggregate_or_problems(cuts: list[tuple[int, str]]) -> None:
    text = WHOLE
    for at, put in cuts:
        text = text[:at] + put + text[at + 1 :]
    aggregate, problems = read(text)

    assert (aggregate is None) == bool(problems)


@pytest.mark.parametrize(
    "text",
    [
        BASE.replace("order", "o" * 129, 1),
        BASE.replace("s.orders", "s." + "o" * 499),
        BASE + f"one: {{c: {{source: s.c, key: c, join: {'j' * 495}, fields: [c]}}}}\n",
        BASE + f"many: {{c: {{source: s.{'t' * 250}, key: c, join: {'j' * 250}, fields: [c]}}}}\n",
        BASE + f"one: {{c: {{source: s.c, key: c, to: {'t' * 498}, join: c, fields: [c]}}}}\n",
    ],
)
def test_names_that_no_key_could_hold_are_problems(text: str) -> None:
    """A key of DynamoDB has room for a row's key and for names of a few hundred bytes."""
    assert ["at most" in found for found in problems(text)][:1] == [True]
