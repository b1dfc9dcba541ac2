"""What DMS settings let through is compared, what they cut or round is left out and named."""

from typing import Any

import pytest

from contract.mapping import Derived, Field, FieldType, Function, Kind, Mapping, Node, Template
from tests.worker.verify.business import MARKS, fields, root, run_sql
from worker.dms.documents import settings_of
from worker.verify.carried import carried, not_carried
from worker.verify.compare import ANYTHING, digest, first_difference
from worker.verify.source import open_source
from worker.verify.sql import statement

SCHEMA = """
CREATE TABLE t (k int PRIMARY KEY, big int8, num numeric, fixed numeric(30,2), note text, short varchar(9), flag bool,
  raw bytea);
INSERT INTO t VALUES
  (1, 9007199254740992, 1.123456, 1234567890123.45, repeat('x', 256), 'a', true, '\\xff'),
  (2, 9007199254740993, 1.1234567, 12345678901234.56, repeat('x', 257), 'b', false, NULL);
"""
LOSSLESS: dict[str, Any] = {
    "KinesisSettings": {"UseLargeIntegerValue": True},
    "PostgreSQLSettings": {"MapBooleanAsBoolean": True},
}


@pytest.fixture
def table(scratch: str) -> str:
    run_sql(scratch, SCHEMA)
    return scratch


def under(url: str, settings: dict[str, Any], *items: Field, **more: Any) -> tuple[list[dict[str, Any]], list[str]]:
    """Documents as these settings let them through, and what is named as not comparable."""
    aggregate = root("public.t", ("k",), items, **more)
    mapping = Mapping((aggregate,))
    found = settings_of({"task.json": settings})
    with open_source(url) as source:
        catalog = source.catalog(mapping.tables)
        limits = [f"{limit.column}: {limit.values} ({limit.setting})" for limit in not_carried(mapping, catalog, found)]
        made = statement(aggregate, carried(catalog, found), MARKS)
        return [document.body for document in source.documents(made)], limits


def test_integers_through_double(table: str) -> None:
    documents, limits = under(table, {"KinesisSettings": {}}, *fields("big"))

    assert documents == [{"big": 9007199254740992}, {"big": ANYTHING}]
    assert limits == ["public.t.big: integers of more than 15 digits (UseLargeIntegerValue is off)"]
    assert under(table, LOSSLESS, *fields("big"))[0][1] == {"big": 9007199254740993}


def test_numbers_of_many_digits(table: str) -> None:
    documents, limits = under(table, LOSSLESS, *fields("num", "fixed"))

    assert documents[0]["num"] is not ANYTHING
    assert documents[0]["fixed"] is not ANYTHING
    assert documents[1] == {"num": ANYTHING, "fixed": ANYTHING}
    assert limits == [
        "public.t.fixed: numbers of more than 15 digits (numbers go through double)",
        "public.t.num: numbers of more than 6 decimals (NUMERIC without precision is NUMERIC(28,6))",
        "public.t.num: numbers of more than 15 digits (numbers go through double)",
    ]


def test_large_values_that_are_cut(table: str) -> None:
    settings = {**LOSSLESS, "TaskSettings": {"TargetMetadata": {"LobMaxSize": 1}}}

    documents, limits = under(table, settings, *fields("note", "short"))

    assert documents == [{"note": "x" * 256, "short": "a"}, {"note": ANYTHING, "short": "b"}]
    assert limits == ["public.t.note: more than 256 characters (LobMaxSize is 1)"]


def test_booleans_and_bytes_are_compared_as_they_come(table: str) -> None:
    settings = {"KinesisSettings": {"NoHexPrefix": True}, "PostgreSQLSettings": {}}
    typed = (*fields("flag", "raw"), Field("typed", "flag", FieldType.BOOLEAN), Field("b", "raw", FieldType.BINARY))

    documents, limits = under(table, settings, *typed)

    assert documents[0] == {"flag": "true", "raw": "ff", "typed": True, "b": "/w=="}
    assert limits == []
    assert under(table, LOSSLESS, *fields("flag", "raw"))[0][0] == {"flag": True, "raw": "0xff"}


def test_what_is_computed_from_them_is_left_out_too(table: str) -> None:
    child = Node("c", Kind.MANY, "public.t", ("k",), ("k",), fields("big"), hidden=True)
    computed = (
        Template("text", ("no. ", ("big",))),
        Derived("sum", Function.SUM, ("c", "big")),
        Derived("max", Function.MAX, ("c", "big")),
        Derived("n", Function.COUNT, ("c",)),
    )
    aggregate = root("public.t", ("k",), (), child, computed=computed)
    found = settings_of({"task.json": {"KinesisSettings": {}}})

    with open_source(table) as source:
        made = statement(aggregate, carried(source.catalog(["public.t"]), found), MARKS)
        first, second = (document.body for document in source.documents(made))

    assert first == {"text": "no. 9007199254740992", "sum": 2**53, "max": 2**53, "n": 1}
    assert second == {"text": ANYTHING, "sum": ANYTHING, "max": ANYTHING, "n": 1}


def test_anything_will_do_where_a_value_is_not_carried() -> None:
    expected = {"a": ANYTHING, "b": [1, ANYTHING]}

    assert first_difference(expected, {"a": {"x": 1}, "b": [1, None]}, {}) is None
    assert first_difference(expected, {"a": 1, "b": [2, None]}, {}) is not None
    assert first_difference(expected, {"b": [1, 2]}, {}) is not None
    assert digest(expected, {}) != digest({"a": 1, "b": [1, 2]}, {})
