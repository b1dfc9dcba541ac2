"""A body is checked as JSON Schema means it, and becomes the monolith's request with the value of every number."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from api_lambdas.commands.declared import Command
from api_lambdas.shared.bodies import InvalidBody
from api_lambdas.shared.json_text import loads


def _dispatched(rule: dict[str, Any], value: str, path: str = "/a") -> str:
    schema = json.dumps({"type": "object", "properties": {"x": rule}})
    found = Command("a", "POST", path, schema).dispatch(loads(f'{{"x": {value}}}'))
    return f"{found.path} {found.body.decode()}"


@pytest.mark.parametrize(
    ("rule", "value"),
    [
        ({"multipleOf": 0.01}, "19.95"),
        ({"enum": [0.5, 1.5]}, "1.5"),
        ({"const": 1.5}, "1.5"),
        ({"type": "integer"}, "7.0"),
        ({"type": "number", "minimum": 0}, "0.10000000000000000000001"),
    ],
)
def test_numbers_with_decimals_meet_every_rule_and_keep_their_value(rule: dict[str, Any], value: str) -> None:
    assert _dispatched(rule, value) == f'/a {{"x":{value}}}'


@pytest.mark.parametrize(
    ("rule", "value"),
    [
        ({"multipleOf": 0.01}, "19.955"),
        ({"enum": [0.5]}, "0.25"),
        ({"multipleOf": 0.01}, "1e400"),
    ],
)
def test_what_breaks_a_rule_or_the_check_is_an_invalid_body(rule: dict[str, Any], value: str) -> None:
    with pytest.raises(InvalidBody):
        _dispatched(rule, value)


@pytest.mark.usefixtures("usual_stack")
def test_a_body_too_deep_for_the_check_is_an_invalid_body() -> None:
    """Bodies that were read are not so deep; the check stands on its own."""
    deep = json.loads("[" * 600 + "1.5" + "]" * 600, parse_float=Decimal)
    schema = json.dumps({"type": "object", "properties": {"x": {"uniqueItems": True}}})

    with pytest.raises(InvalidBody):
        Command("a", "POST", "/a", schema).dispatch({"x": deep})


@pytest.mark.parametrize(("value", "path"), [("7", "7"), ("7.0", "7"), ('"a/b"', "a%2Fb"), ("true", "true")])
def test_a_member_in_the_path_is_its_plain_text(value: str, path: str) -> None:
    assert _dispatched({}, value, "/a/{x}") == f"/a/{path} {{}}"


@pytest.mark.parametrize(
    ("pointer", "answer", "position"),
    [
        ("/commit_position", '{"commit_position": "0/16B3740"}', "0/16B3740"),
        ("/a/1/x~1y~0", '{"a": [0, {"x/y~": 18446744073709551615}]}', 18446744073709551615),
        ("/", '{"": "1"}', "1"),
        ("/a", "[]", None),
        ("/a", '{"a": {"b": 1}}', None),
        ("/a", '{"a": true}', None),
        ("/a", '{"a": null}', None),
        ("/1", "[0]", None),
        ("/-", "[0]", None),
        ("/a/b", '{"a": "text"}', None),
        ("/a", "", None),
        ("/a", "{", None),
        (None, '{"a": "1"}', None),
    ],
)
def test_the_position_is_where_the_pointer_leads(pointer: str | None, answer: str, position: str | int | None) -> None:
    """What is not there, or cannot be a position, is none."""
    assert Command("a", "POST", "/a", "{}", position=pointer).position_in(answer) == position
