"""What the generated SQL makes of every column type under every field type, on a real PostgreSQL."""

from decimal import Decimal
from typing import Any

import pytest

from contract.mapping import Aggregate, Field, FieldType, Filter, Kind, Mapping, Node
from local.postgres import Postgres
from tests.worker.verify.business import MARKS, expected, root, run_sql
from worker.verify.compare import UNFIT, Leaf
from worker.verify.errors import VerifyError
from worker.verify.problems import problems
from worker.verify.source import open_source
from worker.verify.sql import statement

SCHEMA = r"""
CREATE TYPE public.mood AS ENUM ('sad', 'glad');
CREATE DOMAIN public.price AS numeric(10,2);
CREATE DOMAIN public.dear AS public.price;
CREATE SCHEMA "Odd ""schema";
CREATE TABLE "Odd ""schema"."Kinds; --" (
  k text PRIMARY KEY, i2 int2, i8 int8, num numeric, dec numeric(12,3), wide numeric(45,2), f4 float4, f8 float8,
  ok bool, ch char(5), vc varchar(9), day date, at timestamp, moment timestamptz, js json, jsb jsonb, ints int[],
  id uuid, raw bytea, mood public.mood, span interval, clock time, dear public.dear, "it's %s" text);
INSERT INTO "Odd ""schema"."Kinds; --" VALUES
 ('a', -5, 9223372036854775807, 12345678901234567890123456789012345678, 1.500, 2.50, 2.2, 1e20,
  true, 'ab', 'x y ', '2024-02-29', '2024-02-29 01:02:03.1', '2024-02-29 01:02:03.120000+05:30',
  '{"b":1.10,  "a":[null,"\u00e9"],"a":[true]}', '{"b": 1.10, "aa": "☃"}', '{1,NULL}',
  '00112233-4455-6677-8899-AABBCCDDEEFF', '\xDEADbeef', 'glad', '1 day -01:30', '01:02:03', 7.10, 'it''s {} \ 100%'),
 ('x', 0, -1, 'NaN', 'NaN', 0, 'Infinity', '-Infinity', false, '', '', 'infinity', '-infinity', 'infinity',
  '"\u0000 is legal in json, not in text"', 'null', '{}', NULL, '', 'sad', '-00:00:01.5', '23:59:59.999999', 0, ''),
 ('y', 0, 0, 123456789012345678901234567890123456789, 0.001, 1, 0, 0.1, false, '', '', '0044-03-15 BC',
  '0044-03-15 00:00:00 BC', '12024-01-01 00:00:00+00', '1', '1e5', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO "Odd ""schema"."Kinds; --" VALUES ('n');
"""
TABLE = 'Odd "schema.Kinds; --'
COLUMNS = (
    *("i2", "i8", "num", "dec", "wide", "f4", "f8", "ok", "ch", "vc", "day", "at", "moment", "js", "jsb", "ints"),
    *("id", "raw", "mood", "span", "clock", "dear", "it's %s"),
)


@pytest.fixture(scope="module")
def source(postgres: Postgres) -> str:
    postgres.create_database("verify_types")
    url = postgres.url("verify_types")
    run_sql(url, SCHEMA)
    return url


def of_kinds(*fields: Field) -> Aggregate:
    return root(TABLE, ("k",), fields)


def test_delivered_values_are_those_of_change_records(source: str) -> None:
    documents = expected(source, of_kinds(*(Field(name, name) for name in COLUMNS)))

    assert list(documents) == ["a", "n", "x", "y"]
    assert documents["n"] == dict.fromkeys(COLUMNS)
    assert documents["a"] == {
        "i2": -5,
        "i8": 9223372036854775807,
        "num": 12345678901234567890123456789012345678,
        "dec": Decimal("1.5"),
        "wide": "2.50",  # declared longer than 38 digits: text
        "f4": Decimal("2.2"),
        "f8": 10**20,
        "ok": True,
        "ch": "ab",
        "vc": "x y ",
        "day": "2024-02-29",
        "at": "2024-02-29T01:02:03.100000Z",
        "moment": "2024-02-28T19:32:03.120000Z",
        "js": '{"b":1.10,  "a":[null,"\\u00e9"],"a":[true]}',
        "jsb": '{"b": 1.10, "aa": "☃"}',
        "ints": "{1,NULL}",
        "id": "00112233-4455-6677-8899-aabbccddeeff",
        "raw": "0xdeadbeef",
        "mood": "glad",
        "span": "1 day -01:30:00",
        "clock": "01:02:03",
        "dear": Decimal("7.1"),
        "it's %s": "it's {} \\ 100%",
    }
    assert documents["x"] == {
        "i2": 0,
        "i8": -1,
        "num": None,
        "dec": None,
        "wide": "0.00",
        "f4": None,
        "f8": None,
        "ok": False,
        "ch": "",
        "vc": "",
        "day": "9999-12-31",
        "at": "4713-01-01T00:00:00Z BC",
        "moment": "9999-12-31T23:59:59Z",
        "js": '"\\u0000 is legal in json, not in text"',
        "jsb": "null",
        "ints": "{}",
        "id": None,
        "raw": "0x",
        "mood": "sad",
        "span": "-00:00:01.5",
        "clock": "23:59:59.999999",
        "dear": 0,
        "it's %s": "",
    }
    assert documents["y"]["day"] == "0044-03-15 BC"
    assert documents["y"]["at"] == "0044-03-15T00:00:00Z BC"
    assert documents["y"]["moment"] == "12024-01-01T00:00:00Z"


def test_a_number_that_dynamodb_cannot_hold_does_not_fit(source: str) -> None:
    assert expected(source, of_kinds(Field("num", "num")))["y"] == {"num": UNFIT}


_A, _X, _Y = "a", "x", "y"


@pytest.mark.parametrize(
    ("column", "field_type", "row", "value"),
    [
        ("i8", FieldType.TEXT, _A, "9223372036854775807"),
        ("dec", FieldType.TEXT, _A, "1.5"),
        ("ok", FieldType.TEXT, _A, "true"),
        ("day", FieldType.TEXT, _A, "2024-02-29"),
        ("i2", FieldType.INTEGER, _A, -5),
        ("i8", FieldType.INTEGER, _A, 9223372036854775807),
        ("num", FieldType.INTEGER, _A, 12345678901234567890123456789012345678),
        ("dec", FieldType.INTEGER, _A, UNFIT),
        ("dec", FieldType.INTEGER, _X, None),
        ("dear", FieldType.INTEGER, _X, 0),
        ("vc", FieldType.INTEGER, _A, UNFIT),
        ("f8", FieldType.INTEGER, _A, 10**20),
        ("wide", FieldType.DECIMAL, _A, Decimal("2.5")),
        ("num", FieldType.DECIMAL, _Y, UNFIT),
        ("ok", FieldType.DECIMAL, _A, UNFIT),
        ("ok", FieldType.BOOLEAN, _A, True),
        ("i2", FieldType.BOOLEAN, _X, False),
        ("i2", FieldType.BOOLEAN, _A, UNFIT),
        ("day", FieldType.DATE, _A, "2024-02-29"),
        ("day", FieldType.DATE, _X, "9999-12-31"),
        ("day", FieldType.DATE, _Y, UNFIT),
        ("at", FieldType.DATE, _A, UNFIT),
        ("at", FieldType.TIMESTAMP, _A, "2024-02-29T01:02:03.1"),
        ("at", FieldType.TIMESTAMP, _X, UNFIT),
        ("at", FieldType.TIMESTAMP, _Y, UNFIT),
        ("at", FieldType.TIMESTAMPTZ, _A, "2024-02-29T01:02:03.1Z"),
        ("moment", FieldType.TIMESTAMPTZ, _A, "2024-02-28T19:32:03.12Z"),
        ("moment", FieldType.TIMESTAMPTZ, _X, "9999-12-31T23:59:59Z"),
        ("moment", FieldType.TIMESTAMPTZ, _Y, UNFIT),
        ("moment", FieldType.TIMESTAMP, _A, "2024-02-28T19:32:03.12"),
        ("day", FieldType.TIMESTAMP, _A, "2024-02-29T00:00:00"),
        ("js", FieldType.JSON, _A, {"b": Decimal("1.10"), "a": [True]}),
        ("js", FieldType.JSON, _X, "\0 is legal in json, not in text"),
        ("jsb", FieldType.JSON, _A, {"b": Decimal("1.1"), "aa": "☃"}),
        ("jsb", FieldType.JSON, _X, None),
        ("jsb", FieldType.JSON, _Y, 100000),
        ("vc", FieldType.JSON, _A, UNFIT),
        ("dec", FieldType.JSON, _A, Decimal("1.5")),
        ("ok", FieldType.JSON, _A, True),
    ],
)
def test_declared_types(source: str, column: str, field_type: FieldType, row: str, value: Any) -> None:
    documents = expected(source, of_kinds(Field("it", column, field_type)))

    assert documents[row] == {"it": value}
    assert isinstance(documents[row]["it"], bool) is isinstance(value, bool)
    assert documents["n"] == {"it": None}


@pytest.mark.parametrize(
    ("text", "field_type", "value"),
    [
        (" -1.50e1 ", FieldType.DECIMAL, Decimal(-15)),
        (".5", FieldType.DECIMAL, Decimal("0.5")),
        ("1e999", FieldType.DECIMAL, UNFIT),
        ("1e9999999", FieldType.DECIMAL, UNFIT),
        ("NaN", FieldType.DECIMAL, UNFIT),
        ("", FieldType.DECIMAL, UNFIT),
        ("2.0", FieldType.INTEGER, 2),
        ("2.5", FieldType.INTEGER, UNFIT),
        ("T", FieldType.BOOLEAN, True),
        ("0", FieldType.BOOLEAN, False),
        ("yes", FieldType.BOOLEAN, UNFIT),
        ("2024-01-02T00:00:00.000Z", FieldType.DATE, "2024-01-02"),
        ("2024-01-02T00:00:01Z", FieldType.DATE, UNFIT),
        ("2024-01-02\n", FieldType.DATE, UNFIT),
        ("2024-01-02 03:04:05.600", FieldType.TIMESTAMP, "2024-01-02T03:04:05.6"),
        ("2024-01-02T03:04:05.000Z", FieldType.TIMESTAMP, "2024-01-02T03:04:05"),
        ("2024-01-02T03:04:05+01:00", FieldType.TIMESTAMP, UNFIT),
        ("2024-01-02T03:04:05.123456789Z", FieldType.TIMESTAMPTZ, "2024-01-02T03:04:05.123456789Z"),
        ("2024-01-01 00:30:05.100+01:30", FieldType.TIMESTAMPTZ, "2023-12-31T23:00:05.1Z"),
        ("2024-02-29T23:00:00-0200", FieldType.TIMESTAMPTZ, "2024-03-01T01:00:00Z"),
        ("2024-02-30T23:00:00+02", FieldType.TIMESTAMPTZ, UNFIT),
        ("0000-01-01T00:00:00+00", FieldType.TIMESTAMPTZ, UNFIT),
        ("0001-01-01T00:00:00+01", FieldType.TIMESTAMPTZ, UNFIT),
        ('{"a": 1e400}', FieldType.JSON, {"a": UNFIT}),
        ("[NaN]", FieldType.JSON, UNFIT),
        ("[" * 100_000, FieldType.JSON, UNFIT),
        (f"[{'9' * 5000}]", FieldType.JSON, [UNFIT]),
    ],
)
def test_text_under_a_declared_type(scratch: str, text: str, field_type: FieldType, value: Any) -> None:
    """Text that does not fit never stops the statement: the other documents are still compared."""
    quoted = text.replace("'", "''")
    run_sql(scratch, f"CREATE TABLE t (k int PRIMARY KEY, v text); INSERT INTO t VALUES (1, '{quoted}'), (2, NULL)")  # noqa: S608

    documents = expected(scratch, root("public.t", ("k",), (Field("v", "v", field_type),)))

    assert documents == {"1": {"v": value}, "2": {"v": None}}


def test_more_attributes_than_a_function_takes_arguments(scratch: str) -> None:
    names = [f"c{number}" for number in range(260)]
    run_sql(scratch, f"CREATE TABLE t ({', '.join(f'{name} int' for name in names)}, PRIMARY KEY (c0))")
    run_sql(scratch, f"INSERT INTO t VALUES ({', '.join(str(number) for number in range(260))})")  # noqa: S608

    documents = expected(scratch, root("public.t", ("c0",), tuple(Field(name, name) for name in names)))

    assert documents["0"] == {name: number for number, name in enumerate(names)}


def test_an_object_without_attributes_is_still_an_object(scratch: str) -> None:
    run_sql(scratch, "CREATE TABLE t (k int PRIMARY KEY); INSERT INTO t VALUES (1)")

    assert expected(scratch, root("public.t", ("k",), ())) == {"1": {}}


def test_key_texts_are_those_of_the_contract(scratch: str) -> None:
    run_sql(
        scratch,
        """CREATE TABLE t (n numeric, t text, b bool, d timestamptz, PRIMARY KEY (n, t, b, d));
        INSERT INTO t VALUES (1.50, 'a|b#%', true, '2024-01-01 00:00:00.5+00'), (-0.0, 'Z', false, '2024-01-01Z'),
          (1.50, 'B', true, '2024-01-01Z')""",
    )

    documents = expected(scratch, root("public.t", ("n", "t", "b", "d"), ()))

    assert list(documents) == [
        "0|Z|false|2024-01-01T00:00:00Z",
        "1.5|B|true|2024-01-01T00:00:00Z",
        "1.5|a%7Cb%23%25|true|2024-01-01T00:00:00.500000Z",
    ]


def test_a_many_is_ordered_numbers_by_value_text_by_code_point_null_last_then_by_key(scratch: str) -> None:
    run_sql(
        scratch,
        """CREATE TABLE p (id int PRIMARY KEY);
        CREATE TABLE c (id text PRIMARY KEY, p int, n numeric, t text);
        INSERT INTO p VALUES (1);
        INSERT INTO c VALUES ('1', 1, 10, 'b'), ('2', 1, 9, 'a'), ('3', 1, 9, 'Z'), ('4', 1, 9, NULL),
          ('5', 1, NULL, 'é'), ('6', 1, NULL, 'z'), ('b', 1, NULL, NULL), ('B', 1, NULL, NULL), ('ä', 1, NULL, NULL)""",
    )
    child = Node("c", Kind.MANY, "public.c", ("id",), ("p",), (Field("id", "id"),), (), ("n", "t"))

    documents = expected(scratch, root("public.p", ("id",), (), child))

    assert [item["id"] for item in documents["1"]["c"]] == ["3", "2", "4", "1", "6", "5", "B", "b", "ä"]


def test_foreign_keys_of_another_type_meet_their_keys(scratch: str) -> None:
    """As key texts do: 42 and "42" are the same key."""
    run_sql(
        scratch,
        """CREATE TABLE p (id numeric PRIMARY KEY, name text); INSERT INTO p VALUES (42.0, 'found');
        CREATE TABLE c (id uuid PRIMARY KEY, p varchar(9));
        INSERT INTO c VALUES ('00000000-0000-0000-0000-000000000001', '42'),
          ('00000000-0000-0000-0000-000000000002', '42.0'), ('00000000-0000-0000-0000-000000000003', NULL)""",
    )
    parent = Node("p", Kind.ONE, "public.p", ("id",), ("p",), (Field("name", "name"),))
    children = Node("c", Kind.MANY, "public.c", ("id",), ("p",), (Field("id", "id"),))

    by_child = expected(scratch, root("public.c", ("id",), (), parent))
    by_parent = expected(scratch, root("public.p", ("id",), (), children))

    assert [document["p"] for document in by_child.values()] == [{"name": "found"}, None, None]
    assert by_parent == {"42": {"c": [{"id": "00000000-0000-0000-0000-000000000001"}]}}


@pytest.mark.parametrize(
    ("rule", "keys"),
    [
        (Filter("n", (Decimal("1.50"),)), ["1"]),
        (Filter("n", (None,)), ["3"]),
        (Filter("n", ("2", None)), ["2", "3"]),
        (Filter("t", ("it's",)), ["1"]),
        (Filter("b", (True,)), ["1"]),
        (Filter("b", ("false",)), ["2"]),
        (Filter("d", ("2024-01-01",)), ["2"]),
        (Filter("n", ()), []),
    ],
)
def test_filters_compare_as_key_text(scratch: str, rule: Filter, keys: list[str]) -> None:
    run_sql(
        scratch,
        """CREATE TABLE t (k int PRIMARY KEY, n numeric(5,2), t text, b bool, d date);
        INSERT INTO t VALUES
          (1, 1.5, 'it''s', true, NULL), (2, 2, 'IT', false, '2024-01-01'), (3, NULL, NULL, NULL, NULL)""",
    )

    assert list(expected(scratch, root("public.t", ("k",), (), where=(rule,)))) == keys


def test_places_that_need_care_are_named(source: str) -> None:
    """Through lists and unwrapped links, too."""
    far = Node("far", Kind.ONE, TABLE, ("k",), ("k",), (Field("r", "f8"), Field("j", "jsb", FieldType.JSON)))
    links = Node("links", Kind.MANY, TABLE, ("k",), ("k",), (Field("f4", "f4"),), (far,), unwrap="far")
    aggregate = root(TABLE, ("k",), (Field("f4", "f4"), Field("i", "i2")), links)

    with open_source(source) as opened:
        shape = statement(aggregate, opened.catalog([TABLE]), MARKS).shape

    assert shape == {"f4": Leaf.FLOAT4, "links": {"r": Leaf.FLOAT8, "j": Leaf.JSON_TEXT}}


@pytest.mark.parametrize(
    ("definition", "problem"),
    [
        ("k int NOT NULL", "thing: (k) of public.t is neither its primary key nor unique"),
        ("k int UNIQUE", "thing: key column public.t.k may be NULL; declare it NOT NULL"),
        ("k float8 PRIMARY KEY", "thing: public.t.k is a float, which cannot be a key: two texts may mean one value"),
        ("k2 int PRIMARY KEY", 'thing: table public.t has no column "k", did you mean "k2"?'),
    ],
)
def test_a_key_must_be_one(scratch: str, definition: str, problem: str) -> None:
    run_sql(scratch, f"CREATE TABLE t ({definition}, o int); CREATE UNIQUE INDEX ON t (o) WHERE o > 0")
    mapping = Mapping((root("public.t", ("k",), ()),))

    with open_source(scratch) as opened:
        assert problems(mapping, opened.catalog(["public.t"]), []) == [problem]


def test_a_snapshot_does_not_see_later_commits(scratch: str) -> None:
    run_sql(scratch, "CREATE TABLE t (k int PRIMARY KEY); INSERT INTO t VALUES (1)")
    aggregate = root("public.t", ("k",), ())

    with open_source(scratch) as opened:
        catalog = opened.catalog(["public.t"])
        run_sql(scratch, "INSERT INTO t VALUES (2)")
        found = [document.key for document in opened.documents(statement(aggregate, catalog, MARKS))]

    assert found == ["1"]


@pytest.mark.parametrize(
    ("url", "line"),
    [
        ("mysql", "--source is no PostgreSQL URL: postgresql://user:password@host:port/database"),
        ("postgresql://u:s3c@ret@127.0.0.1/x", '--source: write "@" in the password as %40'),
        ("postgresql://u:s3cret@127.0.0.1:1/x", "cannot connect to the source: .*refused"),
    ],
)
def test_a_source_that_cannot_be_reached_is_one_line_without_the_password(url: str, line: str) -> None:
    with pytest.raises(VerifyError, match=line) as refused, open_source(url):
        pass

    assert "s3c" not in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1


def test_rows_that_a_policy_would_hide_are_an_error(scratch: str) -> None:
    """Else they would be taken for deleted ones."""
    run_sql(
        scratch,
        """CREATE TABLE t (k int PRIMARY KEY); ALTER TABLE t ENABLE ROW LEVEL SECURITY;
        CREATE ROLE verify_reader LOGIN PASSWORD 'reader';
        GRANT SELECT ON t TO verify_reader""",
    )
    reader = "postgresql://verify_reader:reader@" + scratch.partition("@")[2]
    aggregate = root("public.t", ("k",), ())

    with open_source(reader) as opened, pytest.raises(VerifyError, match="row-level security"):
        list(opened.documents(statement(aggregate, opened.catalog(["public.t"]), MARKS)))
