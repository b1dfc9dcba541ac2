"""The seeds of `make test` reach the whole language and all kinds of schemas: nothing is proven that never occurs."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest

from tests.proof.attributes import names_of
from tests.proof.case import make_case
from tests.proof.schema import Rule, Schema

_ENTRY_KEYS = ("where", "order_by", "unwrap", "hidden", "depth", "to", "spread", "lookup", "one", "many", "indexes")
_FIELD_KEYS = ("type", "misfit", "values", "otherwise", "constant", "template", "count", "sum", "min", "max")
_TESTS = ("not", "at_least", "at_most", "above", "below")


@pytest.fixture(scope="module")
def cases() -> list[tuple[Schema, list[dict[str, Any]]]]:
    return [make_case(random.Random(seed), seed) for seed in range(60)]


def _visit(node: dict[str, Any], level: int, found: Counter[str]) -> None:
    found[f"level {level}"] += 1
    found.update(key for key in _ENTRY_KEYS if key in node)
    for _, spec in map(names_of, node.get("fields", ())):
        found.update(key for key in _FIELD_KEYS if isinstance(spec, dict) and key in spec)
    for test in node.get("where", {}).values():
        found.update(key for key in _TESTS if isinstance(test, dict) and key in test)
    for relation in ("one", "many"):
        for child in node.get(relation, {}).values():
            _visit(child, level + 1, found)


def test_every_key_of_the_language_occurs(cases: list[tuple[Schema, list[dict[str, Any]]]]) -> None:
    """Each at least three times, and trees have four levels."""
    found: Counter[str] = Counter()
    for _, trees in cases:
        for tree in trees:
            _visit(tree, 1, found)

    rare = [key for key in (*_ENTRY_KEYS, *_FIELD_KEYS, *_TESTS, "level 4") if found[key] < 3]
    assert rare == []


def test_all_kinds_of_tables_and_foreign_keys_occur(cases: list[tuple[Schema, list[dict[str, Any]]]]) -> None:
    """Keys of up to four columns, every rule, self references, two keys to one table, shared columns, other keys."""
    found: Counter[str] = Counter()
    for schema, _ in cases:
        for table in schema.tables.values():
            found[f"key of {len(table.key)}"] += 1
            found.update(column.policy for column in table.columns.values())
            found["large"] += table.has_large
            references = schema.of(table.name)
            found["two to one table"] += len({r.parent for r in references}) < len(references)
            columns = [column for reference in references for column in reference.columns]
            found["shared column"] += len(set(columns)) < len(columns)
        for reference in schema.references:
            found[reference.rule] += 1
            found["self reference"] += reference.table == reference.parent
            found["other key"] += set(reference.target) != set(schema.tables[reference.parent].key)

    wanted = ("key of 1", "key of 2", "key of 3", "key of 4", "drop", "token", "large", "two to one table", *Rule)
    assert [kind for kind in (*wanted, "shared column", "self reference", "other key") if found[kind] < 3] == []
