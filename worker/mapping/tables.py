"""A file of tables: the columns that must not leave the source, declared once for all aggregates."""

from __future__ import annotations

import re
from typing import Final

import yaml

from contract.mapping import Policy, Sensitive
from worker.mapping import language
from worker.mapping.language import Place
from worker.mapping.problems import File

_TABLE: Final = re.compile(language.TABLE_PATTERN)


def read_tables(file: File, node: yaml.Node) -> tuple[Sensitive, ...]:
    """What stands under `tables`."""
    found: list[Sensitive] = []
    for table, (at, value) in file.entries(node, "tables").items():
        if not _TABLE.fullmatch(table):
            file.problem(at, f"tables: {table} must be schema.table")
        file.facts.tables[table] = file.spot(at)
        entries = file.known(value, f"table {table}", language.names(Place.TABLE))
        if "sensitive" in entries:
            found += _sensitive(file, entries["sensitive"], table)
    return tuple(found)


def _sensitive(file: File, node: yaml.Node, table: str) -> list[Sensitive]:
    found: list[Sensitive] = []
    for column, (at, value) in file.entries(node, f"table {table}: sensitive").items():
        policy = file.word(value, f"table {table}: sensitive {column}", Policy)
        file.facts.sensitive[table, column] = file.spot(at)
        if policy is not None:
            found.append(Sensitive(table, column, Policy(policy)))
    return found
