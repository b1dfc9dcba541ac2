"""What the generated SQL makes of every feature of the mapping language, by hand, on a real PostgreSQL."""

import itertools
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from contract.mapping import (
    Computed,
    Constant,
    Derived,
    Field,
    FieldType,
    Filter,
    Function,
    Kind,
    Lookup,
    Misfit,
    Node,
    Policy,
    Sensitive,
    Template,
    Test,
)
from tests.worker.verify.business import expected, fields, one, root, run_sql, statement_of
from worker.verify.compare import UNFIT, Leaf, digest, first_difference
from worker.verify.source import open_source


def many(name: str, table: str, key: tuple[str, ...], join: tuple[str, ...], *parts: Any, **more: Any) -> Node:
    """A `many` node."""
    return Node(name, Kind.MANY, table, key, join, *parts, **more)


def value(url: str, literal: str, item: Field, sql_type: str = "text") -> Any:
    """The one attribute of a table with one row of one column `v`."""
    run_sql(url, f"CREATE TABLE t (k int PRIMARY KEY, v {sql_type}); INSERT INTO t VALUES (1, {literal})")  # noqa: S608
    return expected(url, root("public.t", ("k",), (item,)))["1"]["v"]


STATES = (("P", "paid"), ("O", "open"), (None, "none"))


@pytest.mark.parametrize(
    ("literal", "item", "shown"),
    [
        ("'P'", Field("v", "v", values=STATES), "paid"),
        ("NULL", Field("v", "v", values=STATES), "none"),
        ("'p'", Field("v", "v", values=STATES), UNFIT),
        ("'p'", Field("v", "v", values=STATES, otherwise=("unknown",)), "unknown"),
        ("'p'", Field("v", "v", values=STATES, otherwise=(None,)), None),
        ("'p'", Field("v", "v", values=STATES, misfit=Misfit.NULL), None),
        ("'p'", Field("v", "v", values=STATES, misfit=Misfit.TEXT), "p"),
        ("NULL", Field("v", "v", values=(("P", "paid"),), otherwise=("unknown",)), None),
        ("'P'", Field("v", "v", values=(("P", None),)), None),
        ("'Y'", Field("v", "v", FieldType.BOOLEAN, values=(("Y", "true"), ("N", "false"))), True),
        ("'Y'", Field("v", "v", FieldType.INTEGER, values=(("Y", "yes"),)), UNFIT),
        ("'Y'", Field("v", "v", FieldType.INTEGER, Misfit.TEXT, (("Y", "yes"),)), "Y"),
        ("'it''s'", Field("v", "v", FieldType.INTEGER, values=(("it's", "7"),)), 7),
        ("'x'", Field("v", "v", FieldType.JSON, values=(("x", '{"a": [1.50]}'),)), {"a": [Decimal("1.5")]}),
    ],
)
def test_value_maps(scratch: str, literal: str, item: Field, shown: Any) -> None:
    """The map is asked first; its text is read by the type; NULL without an entry stays NULL."""
    found = value(scratch, literal, item)

    assert found == shown
    assert type(found) is type(shown) or isinstance(found, Decimal)


def test_a_value_map_looks_numbers_and_booleans_up_by_key_text(scratch: str) -> None:
    run_sql(scratch, "CREATE TABLE t (k int PRIMARY KEY, n numeric(9,2), b bool); INSERT INTO t VALUES (1, 1.50, true)")
    items = (Field("n", "n", values=(("1.5", "more"),)), Field("b", "b", values=(("true", "on"), ("false", "off"))))

    assert expected(scratch, root("public.t", ("k",), items)) == {"1": {"n": "more", "b": "on"}}


@pytest.mark.parametrize(
    ("literal", "sql_type", "field_type", "as_text"),
    [
        ("'x'", "text", FieldType.INTEGER, "x"),
        ("2.50", "numeric", FieldType.INTEGER, "2.5"),
        ("'2024-13-01 '", "text", FieldType.DATE, "2024-13-01 "),
        ("'{'", "text", FieldType.JSON, "{"),
        ("true", "bool", FieldType.DECIMAL, "true"),
        ("7", "int", FieldType.BINARY, "7"),
    ],
)
def test_misfit_policies(scratch: str, literal: str, sql_type: str, field_type: FieldType, as_text: str) -> None:
    for misfit, shown in ((Misfit.PARK, UNFIT), (Misfit.NULL, None), (Misfit.TEXT, as_text)):
        run_sql(scratch, "DROP TABLE IF EXISTS t")
        assert value(scratch, literal, Field("v", "v", field_type, misfit), sql_type) == shown


@pytest.mark.parametrize(
    ("literal", "sql_type", "field_type", "shown"),
    [
        ("repeat('7', 39)::numeric", "numeric", FieldType.DELIVERED, UNFIT),
        ("'1' || repeat('0', 126)", "text", FieldType.DECIMAL, UNFIT),
        ("'[1e400]'", "text", FieldType.JSON, [UNFIT]),
    ],
)
@pytest.mark.parametrize("misfit", Misfit)
def test_numbers_that_cannot_be_stored_are_no_misfits(
    scratch: str, literal: str, sql_type: str, field_type: FieldType, shown: Any, misfit: Misfit
) -> None:
    """They are of their type: every policy parks them."""
    assert value(scratch, literal, Field("v", "v", field_type, misfit), sql_type) == shown


@pytest.mark.parametrize("misfit", Misfit)
def test_what_fits_and_null_are_left_alone_by_every_policy(scratch: str, misfit: Misfit) -> None:
    run_sql(
        scratch,
        """CREATE TABLE t (k int PRIMARY KEY, n numeric, j jsonb);
        INSERT INTO t VALUES (1, -0.00120, '[1]'), (2, NULL, NULL)""",
    )
    items = (Field("n", "n", FieldType.DECIMAL, misfit), Field("j", "j", FieldType.JSON, misfit))

    documents = expected(scratch, root("public.t", ("k",), items))

    assert documents == {"1": {"n": Decimal("-0.0012"), "j": [1]}, "2": {"n": None, "j": None}}


@pytest.mark.parametrize(
    ("literal", "sql_type", "shown"),
    [
        (r"'\x00ff10'::bytea", "bytea", "AP8Q"),
        ("''::bytea", "bytea", ""),
        ("'0xDEADbeef'", "text", "3q2+7w=="),
        ("'deadbe'", "varchar(9)", "3q2+"),
        ("repeat('00', 90)", "text", "A" * 120),
        ("'abc'", "text", UNFIT),
        ("'0xg0'", "text", UNFIT),
        ("NULL", "bytea", None),
    ],
)
def test_binary_is_base64_of_hex(scratch: str, literal: str, sql_type: str, shown: Any) -> None:
    assert value(scratch, literal, Field("v", "v", FieldType.BINARY), sql_type) == shown


def test_constants_are_read_by_their_type(scratch: str) -> None:
    run_sql(scratch, "CREATE TABLE t (k int PRIMARY KEY); INSERT INTO t VALUES (1)")
    computed = (
        Constant("plain", "it's 7"),
        Constant("number", "7.50", FieldType.DECIMAL),
        Constant("flag", "true", FieldType.BOOLEAN),
        Constant("json", '{"a": null}', FieldType.JSON),
    )

    document = expected(scratch, root("public.t", ("k",), fields("k"), computed=computed))["1"]

    assert document == {"k": 1, "plain": "it's 7", "number": Decimal("7.5"), "flag": True, "json": {"a": None}}


SHOP = """
CREATE TABLE customers (id int PRIMARY KEY, name text, code text UNIQUE, country text, factor numeric, vip bool);
CREATE TABLE countries (code text PRIMARY KEY, name text);
CREATE TABLE products (sku text PRIMARY KEY, ean text UNIQUE, price numeric(9,3), doc jsonb, weight float8);
CREATE TABLE orders (id int PRIMARY KEY, customer int, customer_code text, placed timestamptz, day date, note text,
  rank numeric(6,2));
CREATE TABLE lines (id int, no int, sku text, ean text, amount text, state text, qty int, PRIMARY KEY (id, no));
INSERT INTO countries VALUES ('IE', 'Éire');
INSERT INTO customers VALUES (1, 'Ada', 'a', 'IE', 1.50, true), (2, NULL, 'b', NULL, 1000000000000000000000, NULL);
INSERT INTO products VALUES ('p', '11', 1.250, '7', 0.1), ('q', '22', NULL, '"x"', 2), ('r', NULL, 3, NULL, NULL);
INSERT INTO orders VALUES (1, 1, 'a', '2024-01-02 03:04:05.5+00', '2024-01-02', 'x', 2.00),
  (2, 2, 'nobody', NULL, NULL, NULL, 10), (3, NULL, NULL, '2024-01-02 03:04:05+00', '2024-02-02', 'X', NULL);
INSERT INTO lines VALUES (1, 1, 'p', '22', '10', 'ok', 3), (1, 2, 'q', '11', '9.50', 'ok', NULL),
  (1, 3, 'r', NULL, NULL, 'off', 5), (1, 4, NULL, 'none', '1e1', NULL, 1);
"""


@pytest.fixture
def shop(scratch: str) -> str:
    run_sql(scratch, SHOP)
    return scratch


COUNTRY = one("country", "public.countries", ("code",), ("country",), fields("name"))
CUSTOMER = one("customer", "public.customers", ("id",), ("customer",), fields("name", "factor", "vip"), (COUNTRY,))
PRODUCT = one("product", "public.products", ("sku",), ("sku",), fields("sku", "price"))


def lines(*children: Node, **more: Any) -> Node:
    """The lines of an order."""
    own = (Field("no", "no"), Field("amount", "amount", FieldType.DECIMAL), Field("qty", "qty"))
    return many("lines", "public.lines", ("id", "no"), ("id",), own, children, **more)


def orders(computed: tuple[Computed, ...], *children: Node, **more: Any) -> Any:
    """Documents of the orders with some computed attributes, and no fields."""
    return root("public.orders", ("id",), (), *children, computed=computed, **more)


@pytest.mark.parametrize(
    ("parts", "texts"),
    [
        (("no. ", ("id",), " {}"), ["no. 1 {}", "no. 2 {}", "no. 3 {}"]),
        ((("id",), "/", ("rank",)), ["1/2", "2/10", None]),
        (
            (("placed",), "|", ("day",)),
            ["2024-01-02T03:04:05.500000Z|2024-01-02", None, "2024-01-02T03:04:05Z|2024-02-02"],
        ),
        (("of ", ("customer", "name")), ["of Ada", None, None]),
        ((("customer", "factor"),), ["1.5", "1000000000000000000000", None]),
        ((("customer", "vip"), ("note",)), ["truex", None, None]),
        ((("customer", "country", "name"),), ["Éire", None, None]),
        (("it's",), ["it's", "it's", "it's"]),
    ],
)
def test_templates_show_key_text_and_are_null_as_soon_as_a_value_is(
    shop: str, parts: tuple[Any, ...], texts: list[str | None]
) -> None:
    for hidden in (False, True):
        customer = one(
            "customer", "public.customers", ("id",), ("customer",), CUSTOMER.fields, (COUNTRY,), hidden=hidden
        )
        documents = expected(shop, orders((Template("label", parts),), customer))

        assert [document["label"] for document in documents.values()] == texts
        assert all(("customer" in document) is not hidden for document in documents.values())


def test_a_template_of_an_object_does_not_fit(shop: str) -> None:
    run_sql(shop, "UPDATE customers SET name = 'x'")
    unfit = one("customer", "public.customers", ("id",), ("customer",), (Field("name", "name", FieldType.DATE),))

    documents = expected(shop, orders((Template("label", ("a", ("customer", "name"))),), unfit))

    assert [document["label"] for document in documents.values()] == [UNFIT, UNFIT, None]


def test_what_does_not_fit_in_a_hidden_relation_parks_its_document(shop: str) -> None:
    """Whether or not a computed attribute reads it."""
    bad = (Field("no", "no"), Field("state", "state", FieldType.DATE))
    hidden = many("lines", "public.lines", ("id", "no"), ("id",), bad, hidden=True)

    documents = expected(shop, orders((Derived("n", Function.COUNT, ("lines",)),), hidden))

    assert documents == {"1": {"n": 4, "lines": UNFIT}, "2": {"n": 0}, "3": {"n": 0}}


@pytest.mark.parametrize(
    ("function", "path", "values"),
    [
        (Function.COUNT, ("lines",), [4, 0, 0]),
        (Function.SUM, ("lines", "amount"), [Decimal("29.5"), 0, 0]),
        (Function.MIN, ("lines", "amount"), [Decimal("9.5"), None, None]),
        (Function.MAX, ("lines", "qty"), [5, None, None]),
        (Function.SUM, ("lines", "product", "price"), [Decimal("4.25"), 0, 0]),
        (Function.MAX, ("lines", "product", "sku"), ["r", None, None]),
        (Function.SUM, ("lines", "product", "sku"), [UNFIT, 0, 0]),
    ],
)
def test_derived_attributes(shop: str, function: Function, path: tuple[str, ...], values: list[Any]) -> None:
    """NULL does not count; the sum of nothing is 0, the smallest and largest of nothing are null; paths see all."""
    for hidden, product in itertools.product((False, True), (PRODUCT, replace(PRODUCT, hidden=True))):
        documents = expected(shop, orders((Derived("it", function, path),), lines(product, hidden=hidden)))

        assert [document["it"] for document in documents.values()] == values
        assert all(("lines" in document) is not hidden for document in documents.values())


def test_derived_attributes_see_the_elements_as_shown(shop: str) -> None:
    """After the relation's filter, and of a link what it points at, where that exists."""
    ok = lines(where=(Filter("state", ("ok",)),), hidden=True)
    far = many("far", "public.lines", ("id", "no"), ("id",), (), (PRODUCT,), unwrap="product", hidden=True)
    computed = (
        Derived("ok", Function.COUNT, ("lines",)),
        Derived("far", Function.COUNT, ("far",)),
        Derived("price", Function.MIN, ("far", "price")),
    )

    assert expected(shop, orders(computed, ok, far))["1"] == {"ok": 2, "far": 3, "price": Decimal("1.25")}


def test_attributes_computed_of_computed_ones(shop: str) -> None:
    """Deeper rows are finished before those above them."""
    tagged = Node(
        "lines",
        Kind.MANY,
        "public.lines",
        ("id", "no"),
        ("id",),
        fields("no"),
        (PRODUCT,),
        computed=(Template("tag", (("product", "sku"), "-", ("no",))), Constant("one", "1", FieldType.INTEGER)),
    )
    computed = (Derived("most", Function.MAX, ("lines", "tag")), Derived("ones", Function.SUM, ("lines", "one")))

    document = expected(shop, orders(computed, tagged))["1"]

    assert [line["tag"] for line in document["lines"]] == ["p-1", "q-2", "r-3", None]
    assert (document["most"], document["ones"]) == ("r-3", 4)


@pytest.mark.parametrize(
    ("column", "smallest", "largest"),
    [
        ("mixed", 2, "é"),
        ("instant", "2024-01-01T00:00:00Z", "2024-01-01T00:00:00.5Z"),
        ("flag", False, True),
        ("nothing", None, None),
    ],
)
def test_min_and_max_order_numbers_booleans_texts(scratch: str, column: str, smallest: Any, largest: Any) -> None:
    run_sql(
        scratch,
        """CREATE TABLE p (id int PRIMARY KEY); INSERT INTO p VALUES (1);
        CREATE TABLE c (id int PRIMARY KEY, p int, mixed text, instant timestamptz, flag bool, nothing int);
        INSERT INTO c VALUES (1, 1, '10', '2024-01-01Z', true), (2, 1, '2', '2024-01-01 00:00:00.5Z', false),
          (3, 1, 'Z', NULL, NULL), (4, 1, 'é', NULL, NULL), (5, 1, NULL, NULL, NULL)""",
    )
    items = (
        Field("mixed", "mixed", FieldType.INTEGER, Misfit.TEXT),
        Field("instant", "instant", FieldType.TIMESTAMPTZ),
        *fields("flag", "nothing"),
    )
    children = many("c", "public.c", ("id",), ("p",), items, hidden=True)
    computed = (Derived("min", Function.MIN, ("c", column)), Derived("max", Function.MAX, ("c", column)))

    document = expected(scratch, root("public.p", ("id",), (), children, computed=computed))["1"]

    assert document == {"min": smallest, "max": largest}
    assert isinstance(document["min"], bool) is isinstance(smallest, bool)


@pytest.mark.parametrize(
    ("rules", "keys"),
    [
        ([Filter("note", ("x", None))], ["1", "2"]),
        ([Filter("note", ("x", None), Test.NOT)], ["3"]),
        ([Filter("note", ("x",), Test.NOT)], ["2", "3"]),
        ([Filter("note", (), Test.NOT)], ["1", "2", "3"]),
        ([Filter("note", (None,), Test.NOT)], ["1", "3"]),
        ([Filter("rank", (2,), Test.AT_LEAST)], ["1", "2"]),
        ([Filter("rank", ("2.0",), Test.ABOVE)], ["2"]),
        ([Filter("rank", (Decimal("2.00"),), Test.AT_MOST)], ["1"]),
        ([Filter("rank", (10,), Test.BELOW)], ["1"]),
        ([Filter("rank", ("1e0",), Test.ABOVE)], ["1", "2"]),
        ([Filter("rank", ("two",), Test.AT_LEAST)], []),
        ([Filter("day", ("2024-01-02",), Test.AT_LEAST)], ["1", "3"]),
        ([Filter("day", ("2024-02",), Test.BELOW)], ["1"]),
        ([Filter("placed", ("2024-01-02T03:04:05.5",), Test.AT_LEAST)], ["1", "3"]),
        ([Filter("note", ("Z",), Test.ABOVE)], ["1"]),
        ([Filter("id", (1,), Test.ABOVE), Filter("id", (3,), Test.BELOW)], ["2"]),
    ],
)
def test_filters_of_every_kind(shop: str, rules: list[Filter], keys: list[str]) -> None:
    """Numbers by value, else text by code point; NULL passes only where it is named, or by a `not`."""
    assert list(expected(shop, root("public.orders", ("id",), (), where=tuple(rules)))) == keys


def virtual_one(name: str, table: str, to: str, join: str, child: Node, **more: Any) -> Node:
    """A `one` joined to a column that is not its key."""
    return Node(name, Kind.ONE, f"{table}@{to}", (to,), (join,), (), (child,), first=True, **more)


def test_a_one_joined_to_a_unique_column(shop: str) -> None:
    below = many("customer", "public.customers", ("id",), ("code",), fields("id"), (COUNTRY,))
    by_code = virtual_one("customer", "public.customers", "code", "customer_code", below)

    documents = expected(shop, orders((Template("who", (("customer", "country", "name"),)),), by_code))

    assert documents == {
        "1": {"who": "Éire", "customer": {"id": 1, "country": {"name": "Éire"}}},
        "2": {"who": None, "customer": None},
        "3": {"who": None, "customer": None},
    }


def test_a_one_joined_to_a_unique_column_inside_a_list_and_unwrapped(shop: str) -> None:
    below = many(
        "product", "public.products", ("sku",), ("ean",), fields("sku", "price"), where=(Filter("sku", ("p",)),)
    )
    by_ean = virtual_one("product", "public.products", "ean", "ean", below)
    links = many("found", "public.lines", ("id", "no"), ("id",), (), (by_ean,), unwrap="product")
    nested = lines(by_ean, hidden=True)
    computed = (
        Derived("n", Function.COUNT, ("found",)),
        Derived("first", Function.MIN, ("found", "sku")),
        Derived("price", Function.SUM, ("lines", "product", "price")),
    )

    document = expected(shop, orders(computed, links, nested))["1"]

    found = [{"sku": "p", "price": Decimal("1.25")}]
    assert document == {"n": 1, "first": "p", "price": Decimal("1.25"), "found": found}


def test_a_many_joined_to_a_column_of_mine_that_is_not_my_key(shop: str) -> None:
    below = many(
        "orders",
        "public.orders",
        ("id",),
        ("customer_code",),
        fields("id"),
        order_by=("day",),
        where=(Filter("id", (1, 3)),),
    )
    placed = Node("orders", Kind.ONE, "public.customers@code", ("code",), ("code",), (), (below,))
    computed = (Derived("n", Function.COUNT, ("orders",)),)

    documents = expected(shop, root("public.customers", ("id",), (), placed, computed=computed))

    assert documents == {"1": {"n": 1, "orders": [{"id": 1}]}, "2": {"n": 0, "orders": []}}


def test_a_self_reference_of_some_depth(scratch: str) -> None:
    run_sql(
        scratch,
        """CREATE TABLE e (id int PRIMARY KEY, boss int);
        INSERT INTO e VALUES (1, 1), (2, 1), (3, 2), (4, 3), (5, NULL)""",
    )
    chain = one("boss", "public.e", ("id",), ("boss",), fields("id"))
    for _ in range(2):
        chain = one("boss", "public.e", ("id",), ("boss",), fields("id"), (chain,))

    documents = expected(scratch, root("public.e", ("id",), (), chain))

    assert documents["4"] == {"boss": {"id": 3, "boss": {"id": 2, "boss": {"id": 1}}}}
    assert documents["1"] == {"boss": {"id": 1, "boss": {"id": 1, "boss": {"id": 1}}}}
    assert documents["5"] == {"boss": None}


def test_copied_lookups_and_what_is_made_of_them_are_left_out_and_named(shop: str) -> None:
    copied = one("customer", "public.customers", ("id",), ("customer",), fields("name"), lookup=Lookup.COPY)
    product = one("product", "public.products", ("sku",), ("sku",), fields("price"), lookup=Lookup.COPY, hidden=True)
    computed = (
        Template("label", ("a", ("customer", "name"))),
        Derived("total", Function.SUM, ("lines", "product", "price")),
        Derived("n", Function.COUNT, ("lines",)),
    )
    aggregate = orders(computed, copied, lines(product))

    with open_source(shop) as opened:
        made = statement_of(opened, aggregate)
        found = [document.body for document in opened.documents(made)]

    assert found[1] == {"lines": [], "n": 0}
    assert [entry.place for entry in made.uncompared] == ["thing.label", "thing.total", "thing.customer"]
    stored = {"lines": [], "n": 0, "customer": {"name": "who knows"}, "label": "any", "total": 3}
    assert digest(found[1], made.shape) == digest(stored, made.shape)
    assert first_difference(found[1], stored, made.shape) is None


def test_what_is_made_of_floats_or_json_values_is_left_out(shop: str) -> None:
    product = one(
        "product", "public.products", ("sku",), ("sku",), (Field("w", "weight"), Field("d", "doc", FieldType.JSON))
    )
    computed = (
        Derived("sum", Function.SUM, ("lines", "product", "w")),
        Derived("min", Function.MIN, ("lines", "product", "w")),
        Derived("json", Function.MAX, ("lines", "product", "d")),
    )

    with open_source(shop) as opened:
        made = statement_of(opened, orders(computed, lines(product)))
        found = next(document.body for document in opened.documents(made))

    assert [entry.place for entry in made.uncompared] == ["thing.sum", "thing.json"]
    assert (found["min"], made.shape["min"]) == (Decimal("0.1"), Leaf.FLOAT8)


SECRET = (Sensitive("public.customers", "name", Policy.TOKEN), Sensitive("public.customers", "code", Policy.TOKEN))


def tokens(text: str) -> str:
    """As if keyed."""
    return f"t({text[::-1]})"


def test_tokens_are_made_after_the_query(shop: str) -> None:
    items = (*fields("id", "name"), Field("shown", "code", FieldType.TEXT))
    computed = (Template("label", (("code",), " & ", ("name",))),)
    aggregate = root("public.customers", ("id",), items, computed=computed)

    documents = expected(shop, aggregate, SECRET, tokens)

    assert documents["1"] == {"id": 1, "name": "t(adA)", "shown": "t(a)", "label": "t(a) & t(adA)"}
    assert documents["2"] == {"id": 2, "name": None, "shown": "t(b)", "label": None}


def test_a_tokened_key_is_the_documents_key(shop: str) -> None:
    by_code = root("public.countries", ("code",), fields("code"))

    found = expected(shop, by_code, (Sensitive("public.countries", "code", Policy.TOKEN),), tokens)

    assert found == {"t(EI)": {"code": "t(EI)"}}


def test_tokens_without_their_key_are_left_out_and_named(shop: str) -> None:
    computed = (Template("label", (("code",),)),)

    with open_source(shop) as opened:
        made = statement_of(opened, root("public.customers", ("id",), fields("id", "name"), computed=computed), SECRET)
        found = [document.body for document in opened.documents(made)]

    assert found == [{"id": 1}, {"id": 2}]
    assert [(entry.place, entry.reason) for entry in made.uncompared] == [
        ("thing.name", "a token, and no key is given"),
        ("thing.label", "a token, and no key is given"),
    ]


def test_a_list_in_the_order_of_tokens_is_compared_in_any_order(scratch: str) -> None:
    run_sql(
        scratch,
        """CREATE TABLE p (id int PRIMARY KEY); INSERT INTO p VALUES (1);
        CREATE TABLE c (id int PRIMARY KEY, p int, who text); INSERT INTO c VALUES (1, 1, 'a'), (2, 1, 'b')""",
    )
    child = many("c", "public.c", ("id",), ("p",), fields("id"), order_by=("who",))

    with open_source(scratch) as opened:
        sensitive = (Sensitive("public.c", "who", Policy.TOKEN),)
        shape = statement_of(opened, root("public.p", ("id",), (), child), sensitive).shape

    one_way, other = {"c": [{"id": 1}, {"id": 2}]}, {"c": [{"id": 2}, {"id": 1}]}
    assert digest(one_way, shape) == digest(other, shape)
    assert first_difference(one_way, other, shape) is None
    assert first_difference(one_way, {"c": [{"id": 2}, {"id": 3}]}, shape) is not None


def test_positions_find_documents_again(scratch: str) -> None:
    """By the source's own texts, in chunks; by key texts, where only the documents' keys are known."""
    run_sql(
        scratch,
        """CREATE TABLE t (a int2, b text, c numeric, d timestamptz, PRIMARY KEY (a, b, c, d));
        INSERT INTO t SELECT a, b, c, '2024-01-01 00:00:00.5+00'
        FROM generate_series(1, 3) a, unnest(ARRAY['x', 'it''s', 'Z|%']) b, unnest(ARRAY[1.50, 'NaN']) c""",
    )
    aggregate = root("public.t", ("a", "b", "c", "d"), fields("a"))

    with open_source(scratch) as opened:
        made = statement_of(opened, aggregate)
        every = [(document.position, document.key) for document in opened.documents(made)]
        chunked = []
        position = None
        while chunk := [(d.position, d.key) for d in opened.documents(made, made.after(position, 4))]:
            chunked += chunk
            position = chunk[-1][0]
        again = [(d.position, d.key) for d in opened.documents(made, made.at([every[3][0], every[7][0]]))]
        sought = ("2", "Z|%", "1.5", "2024-01-01T00:00:00.500000Z")
        by_key = [d.key for d in opened.documents(made, made.of([sought, ("no", "such", "key", "text"), ("1",)]))]

    assert len(every) == 9  # a number that is none is no key
    assert chunked == every
    assert again == [every[3], every[7]]
    assert by_key == ["2|Z%7C%25|1.5|2024-01-01T00:00:00.500000Z"]


def test_positions_follow_the_sources_index(scratch: str) -> None:
    """Whatever the order in the mapping: else every chunk would sort the table."""
    run_sql(scratch, "CREATE TABLE t (a int, b text, PRIMARY KEY (b, a)); INSERT INTO t VALUES (1, 'y'), (2, 'x')")

    with open_source(scratch) as opened:
        made = statement_of(opened, root("public.t", ("a", "b"), ()))
        first, second = opened.documents(made)
        (behind,) = opened.documents(made, made.after(first.position, 5))
        (again,) = opened.documents(made, made.at([second.position]))
        (sought,) = opened.documents(made, made.of([("2", "x")]))

    assert [(first.key, first.position), (second.key, second.position)] == [("2|x", ("x", "2")), ("1|y", ("y", "1"))]
    assert (behind, again, sought) == (second, second, first)


ODD = "Ödd \"q\" 's' {0} %s"


def test_names_of_every_kind_stand_at_every_place(scratch: str) -> None:
    quoted = '"' + ODD.replace('"', '""') + '"'
    run_sql(
        scratch,
        f"""CREATE SCHEMA {quoted};
        CREATE TABLE {quoted}.{quoted} (k int PRIMARY KEY, {quoted} text UNIQUE);
        CREATE TABLE {quoted}."T" ("ID" int PRIMARY KEY, {quoted} text, n int);
        INSERT INTO {quoted}.{quoted} VALUES (1, 'x'); INSERT INTO {quoted}."T" VALUES (7, 'x', 1)""",  # noqa: S608
    )
    table, lines_table = f"{ODD}.{ODD}", f"{ODD}.T"
    below = many(ODD, lines_table, ("ID",), (ODD,), (Field(ODD, "n"),), order_by=(ODD,), where=(Filter(ODD, ("x",)),))
    held = Node(ODD, Kind.ONE, f"{table}@{ODD}", (ODD,), (ODD,), (), (below,), hidden=True)
    computed = (
        Derived("sum of " + ODD, Function.SUM, (ODD, ODD)),
        Template("text " + ODD, (ODD, (ODD,))),
        Constant("constant " + ODD, ODD),
    )
    items = (Field(ODD, ODD, values=(("x", ODD),)), Field("k", "k"))

    documents = expected(scratch, root(table, ("k",), items, held, computed=computed))

    assert documents == {"1": {"k": 1, ODD: ODD, "sum of " + ODD: 1, "text " + ODD: ODD + "x", "constant " + ODD: ODD}}


def test_a_table_of_300_columns_with_as_many_computed_attributes(scratch: str) -> None:
    names = [f"c{number}" for number in range(300)]
    run_sql(scratch, f"CREATE TABLE t ({', '.join(f'{name} int' for name in names)}, PRIMARY KEY (c0))")
    run_sql(scratch, f"INSERT INTO t VALUES ({', '.join(str(number) for number in range(300))})")  # noqa: S608
    computed = tuple(Template(f"t{name}", ((name,),)) for name in names)

    document = expected(scratch, root("public.t", ("c0",), fields(*names), computed=computed))["0"]

    assert document == {name: n for n, name in enumerate(names)} | {f"t{name}": str(n) for n, name in enumerate(names)}


def test_a_tree_as_deep_as_the_language_allows(scratch: str) -> None:
    """Lists in lookups in lists, 24 levels, each with something computed of the level below."""
    run_sql(scratch, "CREATE TABLE t (k int PRIMARY KEY, up int); INSERT INTO t VALUES (1, 1)")
    node = Node("end", Kind.ONE, "public.t", ("k",), ("up",), fields("k"))
    for level in range(23):
        kind = Kind.MANY if level % 2 else Kind.ONE
        computed = (
            (Derived("n", Function.COUNT, (node.name,)),)
            if node.kind is Kind.MANY
            else (Template("n", ((node.name, "k"),)),)
        )
        node = Node(f"l{level}", kind, "public.t", ("k",), ("up",), fields("k"), (node,), computed=computed)

    document = expected(scratch, root("public.t", ("k",), (), node))["1"]

    depth = 0
    inner: Any = document
    while isinstance(inner, dict) and (names := [name for name in inner if name not in ("k", "n")]):
        inner = inner[names[0]]
        inner = inner[0] if isinstance(inner, list) else inner
        depth += 1
    assert depth == 24


def test_a_document_of_500_places(scratch: str) -> None:
    run_sql(scratch, "CREATE TABLE t (k int PRIMARY KEY, up int); INSERT INTO t VALUES (1, 1), (2, 1)")
    places = tuple(
        Node(f"p{n}", Kind.MANY if n % 2 else Kind.ONE, "public.t", ("k",), ("up",), fields("k")) for n in range(499)
    )

    document = expected(scratch, root("public.t", ("k",), (), *places))["2"]

    assert len(document) == 499
    assert document["p0"] == {"k": 1}
    assert document["p1"] == []
