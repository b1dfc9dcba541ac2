"""Reading one file, for the tests of what stands in it."""

from __future__ import annotations

from contract.mapping import Aggregate, Node
from worker.mapping.loader import read_mappings
from worker.mapping.problems import File
from worker.mapping.reader import read_file

BASE = "aggregate: order\nsource: s.orders\nkey: id\nfields: [id]\n"
"""A mapping without problems, of four lines."""


def problems(text: str) -> list[str]:
    """The problems of a file as they are printed, without its name."""
    file = File("m.yaml")
    read_file(text, file)
    return [str(problem).removeprefix("m.yaml:") for problem in sorted(file.problems)]


def aggregate(text: str) -> Aggregate:
    """The aggregate of a file without problems."""
    mapping, found = read_mappings({"m.yaml": text})
    assert [str(problem) for problem in found] == []
    assert mapping is not None
    return mapping.aggregates[0]


def root(text: str) -> Node:
    """Its root."""
    return aggregate(text).root
