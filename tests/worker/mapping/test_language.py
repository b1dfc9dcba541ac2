"""The whole language: what can be said is read as it was meant; the schema and the reader agree."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import fastjsonschema
import pytest
import yaml
from hypothesis import HealthCheck, given, settings

from contract.mapping import Aggregate, Mapping
from tests.worker.mapping.mappings import aggregates, written
from worker.mapping import language, schema
from worker.mapping.language import Place
from worker.mapping.loader import read_mappings
from worker.mapping.prune import without_unseen

ROOT = Path(__file__).parents[3]
FILES = sorted([*(ROOT / "mappings").glob("*.yaml"), *(ROOT / "docs" / "examples").rglob("*.yaml")])
BASE = "aggregate: order\nsource: s.orders\nkey: id\nfields: [id]\n"


@cache
def validate() -> Callable[[Any], Any]:
    compiled: Callable[[Any], Any] = fastjsonschema.compile(schema.schema())
    return compiled


def as_an_editor_sees_it(text: str) -> Any:
    """YAML 1.2: plain `true`, `null` and numbers are values, everything else is text."""
    return _plain(yaml.compose(text, Loader=yaml.SafeLoader))


def _plain(node: yaml.Node | None) -> Any:
    if isinstance(node, yaml.MappingNode):
        return {key.value: _plain(value) for key, value in node.value}
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item) for item in node.value]
    assert isinstance(node, yaml.ScalarNode)
    if node.style is not None:
        return node.value
    known = {"true": True, "false": False, "null": None, "~": None, "": None}
    if node.value in known:
        return known[node.value]
    return int(node.value) if node.value.isascii() and node.value.isdigit() else node.value


@given(aggregates())
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_what_is_written_down_is_read_as_it_was_meant(aggregate: Aggregate) -> None:
    text = written(aggregate)
    mapping, problems = read_mappings({"m.yaml": text})

    assert [str(problem) for problem in problems] == []
    assert mapping == Mapping((replace(aggregate, root=without_unseen(aggregate.root)),))
    validate()(as_an_editor_sees_it(text))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_schema_takes_every_mapping_that_is_here(path: Path) -> None:
    validate()(as_an_editor_sees_it(path.read_text("utf-8")))


@pytest.mark.parametrize(
    "text",
    [
        "[a]",
        "aggregate: order\n",
        "{}",
        BASE + "colour: red\n",
        BASE + "join: id\n",
        BASE.replace("order\n", "Order\n", 1),
        BASE.replace("s.orders", "orders"),
        BASE.replace("s.orders", "s.or@ders"),
        BASE.replace("key: id", "key: []"),
        BASE.replace("key: id", "key: {a: b}"),
        BASE.replace("[id]", "id"),
        BASE.replace("[id]", "[_rev]"),
        BASE.replace("[id]", "[[id]]"),
        BASE.replace("[id]", "[id: {type: decmal}]"),
        BASE.replace("[id]", "[id: {tpye: text}]"),
        BASE.replace("[id]", "[id: {misfit: ignore}]"),
        BASE.replace("[id]", "[id: {otherwise: x}]"),
        BASE.replace("[id]", "[id: {values: {}}]"),
        BASE.replace("[id]", "[id: {constant: x, misfit: park}]"),
        BASE.replace("[id]", "[id: {constant: null}]"),
        BASE.replace("[id]", "[id: {template: '{a}', column: a}]"),
        BASE.replace("[id]", "[id: {count: a, sum: a.b}]"),
        BASE + "where: [a]\n",
        BASE + "where: {a: {like: x}}\n",
        BASE + "where: {a: {}}\n",
        BASE + "where: {a: []}\n",
        BASE + "where: {a: {above: [1, 2]}}\n",
        BASE + "where: {a: {below: null}}\n",
        BASE + "generation: 0\n",
        BASE + "one: {c: {source: s.c, key: c, fields: [c]}}\n",
        BASE + "one: {c: {source: s.c, key: c, join: c}}\n",
        BASE + "one: {c: {source: s.c, key: c, join: c, fields: [c], order_by: c}}\n",
        BASE + "one: {c: {source: s.c, key: c, join: c, fields: [c], spread: 257}}\n",
        BASE + "one: {c: {source: s.c, key: c, join: c, fields: [c], lookup: once}}\n",
        BASE + "many: {c: {source: s.c, key: c, join: c, fields: [c], spread: 2}}\n",
        BASE + "many: {c: {source: s.c, key: c, join: c, fields: [c], hidden: maybe}}\n",
        BASE + "many: {c: {source: s.c, key: c, join: c}}\n",
        BASE + "indexes: {x: {sort: id}}\n",
        BASE + "examples: {}\n",
        BASE + "tables: {}\n",
        "tables: {orders: {sensitive: {a: drop}}}",
        "tables: {s.orders: {sensitive: {a: hide}}}",
        "tables: {s.orders: {secret: {a: drop}}}",
        "tables: []",
    ],
)
def test_the_schema_and_the_reader_refuse_the_same_forms(text: str) -> None:
    _, problems = read_mappings({"m.yaml": text})

    assert problems
    with pytest.raises(fastjsonschema.JsonSchemaValueException):
        validate()(as_an_editor_sees_it(text))


def test_a_plain_word_of_yaml_is_a_name_for_both() -> None:
    text = BASE.replace("order\n", "true\n", 1) + "collection: false\n"

    assert read_mappings({"m.yaml": text})[1] == []
    validate()(as_an_editor_sees_it(text))


def test_every_key_is_used_in_the_feature_examples() -> None:
    def keys_of(value: Any) -> set[str]:
        if isinstance(value, dict):
            return {*value, *(key for inner in value.values() for key in keys_of(inner))}
        return {key for inner in value for key in keys_of(inner)} if isinstance(value, list) else set()

    texts = [path.read_text("utf-8") for path in FILES if path.parent.name == "features"]
    used = {key for text in texts for key in keys_of(as_an_editor_sees_it(text))}

    assert {str(key.name) for key in language.KEYS} - used == {"generation", "at_most"}


@pytest.mark.parametrize("place", Place)
def test_a_key_stands_once_at_a_place(place: Place) -> None:
    names = language.names(place)

    assert len(names) == len({*names})
