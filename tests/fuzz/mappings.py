"""Any text as a mapping gives a mapping or problems, and what is read holds for everything made of it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, Final

import fastjsonschema
import yaml

from contract.keys import MAX_KEY_TEXT_BYTES, edge_sk_prefix
from contract.mapping import Kind, Mapping
from tests.fuzz.mutate import written
from tests.fuzz.parts import Target, join, split, text_of
from tests.fuzz.records import FILES, MAX_SK_BYTES
from tests.worker.mapping.test_language import BASE, as_an_editor_sees_it
from worker.evolve.needs import evolve
from worker.examples.suite import read_suite, run_suite
from worker.mapping.lint import lint
from worker.mapping.loader import Reading, read
from worker.mapping.problems import Problem
from worker.mapping.schema import schema
from worker.projection.plan import make_plan
from worker.verify.columns import Category, Column, SourceTable, with_policies
from worker.verify.marks import Marks
from worker.verify.problems import problems
from worker.verify.sql import statement

HEAD_BYTES: Final = 1
"""Whether the examples are read and run; the parts are files."""

SAYABLE: Final = ("unknown key", "is missing", "expected a list", "expected `name: value` entries", "the list is empty")
"""What the reader refuses with these words, the schema refuses as well."""


@cache
def validate() -> Any:
    """The schema's validator."""
    return fastjsonschema.compile(schema())


def check(data: bytes) -> None:
    """Read the parts as files of one folder, and each on its own. Raises for a finding."""
    head, parts = split(data, HEAD_BYTES)
    texts = {f"m{number}.yaml": text_of(part) for number, part in enumerate(parts)}
    reading = read(texts)
    assert (reading.mapping is None) == bool(reading.problems)
    _lines(reading.problems)
    for warned in lint(reading):
        assert str(warned).isprintable()
    for path, text in texts.items():
        _schema_agrees(text, read({path: text}) if len(texts) > 1 else reading)
    if reading.mapping is not None:
        _usable(reading.mapping, texts, run=head[0] % 2 == 0)


def _lines(found: list[Problem]) -> None:
    for problem in found:
        assert problem.line > 0
        assert problem.column > 0
        assert "\n" not in str(problem)
        str(problem).encode("utf-8", "backslashreplace")


def _schema_agrees(text: str, reading: Reading) -> None:
    """What the reader takes, the schema takes; what the schema can say, it refuses as the reader does."""
    said = [problem.message for problem in reading.problems]
    if any(message.startswith(("not YAML", "nested deeper", "aliases")) for message in said):
        return
    alone = not any("twice" in message or "other" in message for message in said)
    try:
        seen = as_an_editor_sees_it(text)
    except (yaml.YAMLError, ValueError, RecursionError, AssertionError, AttributeError, TypeError):
        return  # no YAML, or keys that are no text: nothing a schema is asked about
    try:
        validate()(seen)
        refusal = ""
    except fastjsonschema.JsonSchemaValueException as error:
        refusal = error.message
    assert said or not refusal, f"the reader takes what the schema refuses: {refusal}"
    unsaid = [message for message in said if any(words in message for words in SAYABLE)]
    assert refusal or not unsaid or not alone, f"the schema takes what the reader refuses: {unsaid}"


def _usable(mapping: Mapping, texts: dict[str, str], *, run: bool) -> None:
    assert Mapping.from_json(mapping.to_json()) == mapping
    plan = make_plan(mapping)
    for table, references in plan.references.items():
        for reference in references:
            prefix = edge_sk_prefix(table, reference.columns)
            assert len(prefix.encode()) + MAX_KEY_TEXT_BYTES <= MAX_SK_BYTES, "a sort key may be too long"
    assert not evolve(mapping, mapping).something_to_do, "a mapping differs from itself"
    _sql(mapping)
    if not run:
        return
    suite, found = read_suite(texts, mapping)
    _lines(found)
    if not found:
        for outcome in run_suite(suite[:2], mapping).outcomes:
            for failure in outcome.failures:
                assert "\n" not in str(failure)


def _sql(mapping: Mapping) -> None:
    """`verify` can ask for every mapping, whatever the columns' types."""
    catalog = {}
    for number, table in enumerate(mapping.tables.values()):
        categories = list(Category)
        columns = {
            name: Column(name, "text", categories[(number + at) % len(categories)], nullable=True)
            for at, name in enumerate(table.columns)
        }
        catalog[table.name] = SourceTable(table.name, columns, (table.key,))
    catalog = with_policies(catalog, mapping.policies)
    if problems(mapping, catalog, list(catalog)):
        return
    for aggregate in mapping.aggregates:
        made = statement(aggregate, catalog, Marks.new())
        assert made.after(None, 10).startswith("SELECT")


def seeds() -> Iterator[bytes]:
    """Every mapping of the repository, alone and together, and files of tables."""
    trees = [as_an_editor_sees_it(path.read_text("utf-8")) for path in FILES]
    for tree in trees:  # short ones are read often
        examples = tree.pop("examples", [])
        yield join(b"\1", [yaml.safe_dump(tree, sort_keys=False).encode()])
        if examples:
            yield join(b"\0", [written({**tree, "examples": examples[:1]}).encode()])
    yield join(b"\1", [written(tree).encode() for tree in trees[:3]])
    yield join(b"\1", [BASE.encode(), b"tables: {s.orders: {sensitive: {id: token, name: drop}}}"])
    yield join(b"\0", [BASE.encode() + b"where: {a: {at_least: 1, not: [2, null]}}\nindexes: {x: {partition: id}}\n"])
    for kind in Kind:
        relation = f"{kind}: {{c: {{source: s.c, key: c, join: c, fields: [c]}}}}\n"
        yield join(b"\0", [(BASE + relation).encode()])


TARGET: Final = Target("mappings", check, seeds)
