"""Documents as the worker makes them: those that the examples beside mappings expect, which `nearview test` proves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from contract.mapping import Mapping
from local.processes import REPOSITORY
from worker.examples.model import Wanted
from worker.examples.suite import read_suite
from worker.mapping.loader import read_mappings

DEMO = REPOSITORY / "mappings"
FEATURES = REPOSITORY / "docs" / "examples" / "features"
Documents = dict[str, list[tuple[str, dict[str, Any]]]]


def examples(folder: Path) -> tuple[Mapping, Documents]:
    """The mapping of a folder, and keys and documents by aggregate."""
    texts = {path.name: path.read_text("utf-8") for path in sorted(folder.glob("*.yaml"))}
    mapping, problems = read_mappings(texts)
    assert mapping is not None, problems
    suite, wrong = read_suite(texts, mapping)
    assert not wrong
    found: Documents = {}
    for example, _ in suite:
        documents = found.setdefault(example.aggregate, [])
        documents += [(one.key, _plain(one.document)) for one in example.expected if one.document is not None]
    return mapping, found


def _plain(wanted: Wanted) -> Any:
    if isinstance(wanted.value, dict):
        return {name: _plain(value) for name, value in wanted.value.items()}
    if isinstance(wanted.value, tuple):
        return [_plain(value) for value in wanted.value]
    return wanted.value
