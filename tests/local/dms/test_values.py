"""Every source type's text as DMS writes it, with and without the switches that lose something."""

import json
from dataclasses import replace
from typing import Any

import pytest

from local.dms.settings import DEFAULT_TASK, load_settings
from local.dms.tables import (
    BOOL,
    BPCHAR,
    BYTEA,
    DATE,
    FLOAT4,
    FLOAT8,
    INT2,
    INT4,
    INT8,
    JSONB,
    NUMERIC,
    TEXT,
    TIMESTAMP,
    TIMESTAMPTZ,
    VARCHAR,
    Column,
)
from local.dms.values import converter

DEFAULTS = load_settings(DEFAULT_TASK)
NUMERIC_12_2 = ((12 << 16) | 2) + 4
NUMERIC_39_0 = (39 << 16) + 4
INTERVAL, TIME, UUID_ARRAY = 1186, 1083, 2951


def _convert(kind: int, text: str, modifier: int = -1, category: str = "U", **changes: Any) -> str:
    return converter(Column("c", kind, modifier, category), replace(DEFAULTS, **changes))(text)


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        (INT2, "-7", "-7"),
        (INT4, "2147483647", "2147483647"),
        (INT8, "9223372036854775807", "9223372036854775807"),
        (FLOAT4, "2.2", "2.20000005"),
        (FLOAT4, "4.4", "4.4000001"),
        (FLOAT4, "NaN", "null"),
        (FLOAT8, "5", "5"),
        (FLOAT8, "20.2", "20.2"),
        (FLOAT8, "0.1", "0.1"),
        (FLOAT8, "1e+300", "1e+300"),
        (FLOAT8, "-Infinity", "null"),
        (NUMERIC, "3.140", "3.14"),
        (NUMERIC, "1200.00", "1200"),
        (NUMERIC, "1200", "1200"),
        (NUMERIC, "0.00", "0"),
        (NUMERIC, "12345678901234567890.123456789", "12345678901234567890.123456789"),
        (NUMERIC, "NaN", "null"),
        (BOOL, "t", "true"),
        (BOOL, "f", "false"),
        (DATE, "2018-01-01", '"2018-01-01"'),
        (DATE, "infinity", '"9999-12-31"'),
        (TIMESTAMP, "2020-01-01 00:00:00", '"2020-01-01T00:00:00Z"'),
        (TIMESTAMP, "2020-01-01 00:02:00.1", '"2020-01-01T00:02:00.100000Z"'),
        (TIMESTAMP, "infinity", '"9999-12-31T23:59:59Z"'),
        (TIMESTAMP, "-infinity", '"4713-01-01T00:00:00Z BC"'),
        (TIMESTAMP, "0044-03-15 12:00:00 BC", '"0044-03-15T12:00:00Z BC"'),
        (TIMESTAMPTZ, "2017-05-29 11:01:31.000401+00", '"2017-05-29T11:01:31.000401Z"'),
        (TIMESTAMPTZ, "2017-05-29 11:01:31+00", '"2017-05-29T11:01:31Z"'),
        (TIMESTAMPTZ, "0044-03-15 12:00:00.5+00 BC", '"0044-03-15T12:00:00.500000Z BC"'),
        (TIME, "01:00:00", '"01:00:00"'),
        (INTERVAL, "-1 days -01:42:30", '"-1 days -01:42:30"'),
        (JSONB, '{"foo": "bar"}', r'"{\"foo\": \"bar\"}"'),
        (UUID_ARRAY, "{a,b}", '"{a,b}"'),
        (BYTEA, "\\x00ff", '"0x00ff"'),
        (BYTEA, "\\x", '"0x"'),
        (TEXT, 'Жё "q" \\ /\n', '"Жё \\"q\\" \\\\ /\\n"'),
        (VARCHAR, "", '""'),
        (BPCHAR, "ab   ", '"ab"'),
    ],
)
def test_default_text(kind: int, text: str, expected: str) -> None:
    assert _convert(kind, text) == expected
    json.loads(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1234567890123456", "1234567890123456"),
        ("9999999999999999", "10000000000000000"),
        ("12345678901234567", "1.2345678901234568e+16"),
        ("-12345678901234567", "-1.2345678901234568e+16"),
    ],
)
def test_big_integers_go_through_double_without_use_large_integer_value(text: str, expected: str) -> None:
    assert _convert(INT8, text, use_large_integer_value=False) == expected


def test_use_large_integer_value_keeps_eighteen_digits_and_lossless_numerics_the_nineteenth() -> None:
    assert _convert(INT8, "123456789012345678", lossless_numerics=False) == "123456789012345678"
    assert _convert(INT8, "1234567890123456789", lossless_numerics=False) == "1.2345678901234568e+18"
    assert _convert(INT8, "1234567890123456789") == "1234567890123456789"


@pytest.mark.parametrize(
    ("modifier", "text", "expected"),
    [
        (NUMERIC_12_2, "12.50", "12.5"),
        (NUMERIC_12_2, "1234567890123456789.25", "1.2345678901234568e+18"),
        (-1, "1.23456789", "1.234567"),
        (-1, "-1.99999999", "-1.999999"),
        (-1, "NaN", "null"),
        (NUMERIC_39_0, "123456789012345678901234567890123456789", '"123456789012345678901234567890123456789"'),
    ],
)
def test_lossy_numerics_go_through_double_and_six_decimals(modifier: int, text: str, expected: str) -> None:
    assert _convert(NUMERIC, text, modifier, lossless_numerics=False) == expected


def test_a_numeric_declared_beyond_38_digits_is_a_text_even_if_lossless() -> None:
    assert _convert(NUMERIC, "1", NUMERIC_39_0) == '"1"'


def test_switches_of_the_source_endpoint() -> None:
    assert _convert(BOOL, "f", map_boolean_as_boolean=False) == '"false"'
    assert _convert(BPCHAR, "ab   ", trim_space_in_char=False) == '"ab   "'
    assert _convert(BYTEA, "\\x00ff", no_hex_prefix=True) == '"00ff"'


def test_large_objects_are_cut_at_the_limit_and_others_are_not() -> None:
    assert _convert(TEXT, "я" * 600, lob_max_kb=1) == '"' + "я" * 512 + '"'
    assert _convert(UUID_ARRAY, "x" * 600, category="A", lob_max_kb=1) == '"' + "x" * 512 + '"'
    assert _convert(BYTEA, "\\x" + "ab" * 1100, lob_max_kb=1) == '"0x' + "ab" * 1024 + '"'
    assert _convert(VARCHAR, "x" * 600, lob_max_kb=1) == '"' + "x" * 600 + '"'


def test_typmods_give_precision_scale_and_length() -> None:
    column = Column("c", NUMERIC, NUMERIC_12_2)
    assert (column.numeric_precision, column.numeric_scale) == (12, 2)
    assert Column("c", NUMERIC, ((3 << 16) | (-2 & 0x7FF)) + 4).numeric_scale == -2
    assert Column("c", VARCHAR, 24).length == 20
    assert Column("c", TEXT, -1).length is None
