"""`where`: the tests that a row's columns must pass."""

from __future__ import annotations

import yaml

from contract.mapping import Filter, Test
from worker.mapping import language
from worker.mapping.facts import Use
from worker.mapping.language import Place
from worker.mapping.problems import File


def read_where(file: File, node: yaml.Node, table: str | None, name: str) -> tuple[Filter, ...]:
    """The filters of one entry, in the order of the file."""
    found: list[Filter] = []
    for column, (at, value) in file.entries(node, f"{name}: where").items():
        what = f"{name}: where {column}"
        if isinstance(value, yaml.MappingNode):
            tests = _tests(file, value, what, column)
        else:
            tests = [Filter(column, file.values(value, what))]
        if table is not None:
            plain = any(value is not None for test in tests for value in test.values)
            reason = "where compares it with a value" if plain else ""
            file.facts.uses.append(Use(table, column, file.spot(at), reason))
        found += tests
    return tuple(found)


def _tests(file: File, node: yaml.Node, what: str, column: str) -> list[Filter]:
    entries = file.known(node, what, language.names(Place.FILTER))
    if not node.value:
        file.problem(node, f"{what}: no test is given")
    return [_test(file, value, f"{what}: {name}", column, Test(name)) for name, value in entries.items()]


def _test(file: File, node: yaml.Node, what: str, column: str, test: Test) -> Filter:
    if test is Test.NOT:
        return Filter(column, file.values(node, what), test)
    value = file.value(node, what) or ()
    if value == (None,):
        file.problem(node, f"{what}: null is neither larger nor smaller than anything; `not: null` leaves it out")
    return Filter(column, value, test)
