"""Attributes: from columns with types, misfits and value maps, constants, templates, computed ones."""

from __future__ import annotations

import pytest

from contract.mapping import Constant, Derived, Field, FieldType, Function, Misfit, Template
from tests.worker.mapping.reading import BASE, problems, root

RELATIONS = """\
one:
  customer:
    {source: s.c, key: c, join: c, fields: [name], one: {country: {source: s.n, key: n, join: n, fields: [code]}}}
many:
  lines:
    source: s.l
    key: n
    join: o
    fields: [amount, twice: {template: "{amount}{amount}"}]
    one: {product: {source: s.p, key: p, join: x, to: sku, fields: [price]}}
    many: {scans: {source: s.s, key: s, join: l, fields: [s]}}
  tags:
    source: s.t
    key: t
    join: o
    unwrap: tag
    one: {tag: {source: s.g, key: g, join: g, fields: [label]}}
  notes: {source: s.o, key: n, join: code, to: code, hidden: true, fields: [text]}
"""


def fields(text: str) -> str:
    return BASE.replace("[id]", f"[{text}]") + RELATIONS


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("id", Field("id", "id")),
        ("a: id", Field("a", "id")),
        ("a: {}", Field("a", "a")),
        ("a: {misfit: null}", Field("a", "a", misfit=Misfit.NULL)),
        ('a: {misfit: "null"}', Field("a", "a", misfit=Misfit.NULL)),
        ("a: {type: binary, misfit: text}", Field("a", "a", FieldType.BINARY, Misfit.TEXT)),
        (
            'a: {column: b, values: {P: paid, 012: no, null: none, "null": "", x: null}}',
            Field("a", "b", values=(("P", "paid"), ("012", "no"), (None, "none"), ("null", ""), ("x", None))),
        ),
        ("a: {values: {P: paid}, otherwise: null}", Field("a", "a", values=(("P", "paid"),), otherwise=(None,))),
        ("a: {values: {P: paid}, otherwise: ''}", Field("a", "a", values=(("P", "paid"),), otherwise=("",))),
    ],
)
def test_an_attribute_from_a_column(text: str, wanted: Field) -> None:
    assert root(fields(text)).fields == (wanted,)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a: {constant: order}", Constant("a", "order")),
        ("a: {constant: ''}", Constant("a", "")),
        ("a: {constant: 012, type: integer}", Constant("a", "012", FieldType.INTEGER)),
        ('a: {template: "{x}"}', Template("a", (("x",),))),
        (
            'a: {template: "{{{x}}} of {customer.country.code}!"}',
            Template("a", ("{", ("x",), "} of ", ("customer", "country", "code"), "!")),
        ),
        ("a: {count: lines}", Derived("a", Function.COUNT, ("lines",))),
        ("a: {count: notes}", Derived("a", Function.COUNT, ("notes",))),
        ("a: {sum: lines.amount}", Derived("a", Function.SUM, ("lines", "amount"))),
        ("a: {min: lines.product.price}", Derived("a", Function.MIN, ("lines", "product", "price"))),
        ("a: {max: lines.twice}", Derived("a", Function.MAX, ("lines", "twice"))),
        ("a: {max: tags.label}", Derived("a", Function.MAX, ("tags", "label"))),
        ("a: {max: notes.text}", Derived("a", Function.MAX, ("notes", "text"))),
    ],
)
def test_a_computed_attribute(text: str, wanted: object) -> None:
    assert root(fields(text)).computed == (wanted,)


FUNCTIONS = "(it may have: count, sum, min, max)"
COLUMN_KEYS = "column, type, misfit, values, otherwise"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("null", "4:10: order: fields: expected a text, put it in quotes if that is its name"),
        ("a: {misfit: ignore}", "4:22: field a: misfit: unknown ignore (known: park, null, text)"),
        ("a: {otherwise: x}", "4:25: field a: otherwise goes with values, which are not given"),
        ("a: {values: {}}", "4:22: field a: values: expected `value: text` entries"),
        ("a: {values: [x]}", "4:22: field a: values: expected `value: text` entries"),
        ("a: {values: {x: 1, x: 2}}", "4:29: field a: values: x is given twice"),
        ("a: {values: {x: [1]}}", "4:26: field a: values: expected a value"),
        ("a: {constant: [x]}", "4:24: field a: constant: expected a value"),
        ("a: {constant: null}", "4:24: field a: constant: null says nothing: leave the attribute out"),
        ("a: {constant: x, type: integer}", "4:24: field a: constant: x is no integer"),
        (
            "a: {constant: x, misfit: null}",
            "4:27: field a: misfit does not go with constant attribute (it may have: constant, type)",
        ),
        ("a: {template: '{x}', type: text}", "4:31: field a: type does not go with attribute made of texts and values"),
        (
            "a: {count: lines, column: x}",
            f"4:28: field a: column does not go with attribute computed over a `many` {FUNCTIONS}",
        ),
        ("a: {count: lines, sum: lines.amount}", "4:13: field a: only one of count, sum can make it"),
        ("a: {count: line}", "4:21: field a: count: line is no `many` of it, did you mean lines?"),
        ("a: {count: customer}", "4:21: field a: count: customer is no `many` of it (known: lines, tags, notes)"),
        ("a: {count: lines.n}", "4:21: field a: count: give the name of the `many` alone: lines"),
        ("a: {sum: lines}", "4:19: field a: sum: of which attribute of lines? (known: amount, twice)"),
        ("a: {sum: lines.total}", "4:19: field a: sum: total is no attribute of lines (known: amount, twice)"),
        ("a: {sum: lines.product}", "4:19: field a: sum: product is an object: name an attribute of it"),
        (
            "a: {sum: lines.scans.s}",
            "4:19: field a: sum: scans is a list: let lines have an attribute that is computed from it, and name that",
        ),
        ("a: {sum: lines.scan.s}", "4:19: field a: sum: scan is no `one` of lines (known: product)"),
        ("a: {max: tags.g}", "4:19: field a: max: g is no attribute of tag (known: label)"),
        ("a: {sum: [lines]}", "4:19: field a: sum: expected a text"),
        ("a: {template: '{x'}", "4:24: field a: template: a single {: write it twice to have it in the text"),
        ("a: {template: 'x}'}", "4:24: field a: template: a single }: write it twice to have it in the text"),
        ("a: {template: '{}'}", "4:24: field a: template: {} must be {column} or {one.attribute}, without blanks"),
        (
            "a: {template: '{ x }'}",
            "4:24: field a: template: { x } must be {column} or {one.attribute}, without blanks",
        ),
        ("a: {template: 'x{{}}'}", "4:24: field a: template: it has no {column}: use constant"),
        (
            "a: {template: '{lines.amount}'}",
            "4:24: field a: template: lines is a list: a template takes values of a `one`",
        ),
        (
            "a: {template: '{customer.nam}'}",
            "4:24: field a: template: nam is no attribute of customer, did you mean name?",
        ),
        (
            "a: {template: '{customer.country}'}",
            "4:24: field a: template: country is an object: name an attribute of it",
        ),
        ("a: {template: [x]}", "4:24: field a: template: expected a text"),
        ("a: {? [x] : y}", "4:16: field a: a name must be plain text"),
        ("a: {tpye: text}", "4:14: field a: unknown key tpye, did you mean type?"),
        ("a: [x]", "4:13: field a: expected `name: value` entries"),
        ("a: {count: lines}, a: x", "4:29: order: a is given twice"),
    ],
)
def test_an_attribute_that_cannot_be_is_one_line(text: str, wanted: str) -> None:
    assert problems(fields(text)) == [wanted]


def test_the_names_of_all_forms_are_known_where_none_is_chosen() -> None:
    (found,) = problems(fields("a: {zzz: 1}"))

    assert found == f"4:14: field a: unknown key zzz (known: {COLUMN_KEYS}, constant, count, max, min, sum, template)"


def test_nothing_is_said_of_paths_through_relations_that_could_not_be_read() -> None:
    text = BASE.replace(
        "[id]", "[a: {sum: lines.x}, b: {template: '{one.x}'}, c: {count: line}, d: {template: '{on.x}'}]"
    )
    relations = "one: {one: {source: c, key: c, join: c, fields: [c]}}\nmany: {lines: {source: s.l, fields: [n]}}\n"

    assert problems(text + relations) == [
        "4:66: field c: count: line is no `many` of it, did you mean lines?",
        "4:87: field d: template: on is no `one` of it, did you mean one?",
        "5:21: one: source c must be schema.table",
        "6:8: lines: join is missing",
        "6:8: lines: key is missing",
    ]


def test_an_entry_without_relations_says_so() -> None:
    assert problems(BASE.replace("[id]", "[a: {count: lines}, b: {template: '{x.y}'}]")) == [
        "4:21: field a: count: lines is no `many` of it: it has none",
        "4:43: field b: template: x is no `one` of it: it has none",
    ]
