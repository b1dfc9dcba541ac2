"""A folder of mapping files to one compiled mapping."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from contract.mapping import Aggregate, Mapping, Sensitive
from worker.mapping.conflicts import conflicts
from worker.mapping.facts import Facts
from worker.mapping.problems import File, Problem
from worker.mapping.prune import without_unseen
from worker.mapping.reader import read_file


@dataclass(frozen=True, slots=True)
class Reading:
    """All that was read: the mapping (None with problems), each aggregate by its file, and what the files use."""

    mapping: Mapping | None
    problems: list[Problem]
    aggregates: dict[str, Aggregate]
    facts: dict[str, Facts]


def load_mappings(folder: Path) -> tuple[Mapping | None, list[Problem]]:
    """The mapping of all *.yaml files in a folder, or None and every problem, sorted by file and line."""
    reading = load(folder)
    return reading.mapping, reading.problems


def load(folder: Path) -> Reading:
    """The same with what lint asks for."""
    if not folder.is_dir():
        return Reading(None, [Problem(str(folder), 1, 1, "no such folder of mappings")], {}, {})
    texts: dict[str, str] = {}
    problems: list[Problem] = []
    for path in sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")]):
        try:
            texts[str(path)] = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = "not UTF-8 text" if isinstance(error, UnicodeDecodeError) else (error.strerror or "unreadable")
            problems.append(Problem(str(path), 1, 1, reason))
    if not texts and not problems:
        problems.append(Problem(str(folder), 1, 1, "the folder has no *.yaml file"))
    reading = read(texts)
    if texts and reading.mapping is not None and not reading.mapping.aggregates:
        problems.append(Problem(str(folder), 1, 1, "no file of the folder declares an aggregate"))
    problems = sorted(problems + reading.problems)
    return Reading(None if problems else reading.mapping, problems, reading.aggregates, reading.facts)


def read_mappings(texts: dict[str, str]) -> tuple[Mapping | None, list[Problem]]:
    """As `load_mappings`, from texts by path."""
    reading = read(texts)
    return reading.mapping, reading.problems


def read(texts: dict[str, str]) -> Reading:
    """As `load`, from texts by path."""
    files = {path: File(path) for path in texts}
    aggregates: dict[str, Aggregate] = {}
    sensitive: list[Sensitive] = []
    for path, file in files.items():
        found = read_file(texts[path], file)
        if isinstance(found, Aggregate):
            aggregates[path] = found
        elif found is not None:
            sensitive += found
    facts = {path: file.facts for path, file in files.items()}
    problems = [problem for file in files.values() for problem in file.problems]
    problems = sorted({*problems, *conflicts(aggregates, sensitive, facts)})
    ordered = tuple(sorted(sensitive, key=lambda entry: (entry.table, entry.column)))
    seen = (replace(found, root=without_unseen(found.root)) for found in aggregates.values())
    mapping = None if problems else Mapping(tuple(seen), ordered)
    return Reading(mapping, problems, aggregates, facts)
