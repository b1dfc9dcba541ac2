"""A folder of mapping files to one compiled mapping."""

from __future__ import annotations

from pathlib import Path

from contract.mapping import Aggregate, Mapping
from worker.mapping.problems import File, Problem
from worker.mapping.reader import read_aggregate


def load_mappings(folder: Path) -> tuple[Mapping | None, list[Problem]]:
    """The mapping of all *.yaml files in a folder, or None and every problem, sorted by file and line."""
    if not folder.is_dir():
        return None, [Problem(str(folder), 1, 1, "no such folder of mappings")]
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
    mapping, found = read_mappings(texts)
    problems = sorted(problems + found)
    return (None if problems else mapping), problems


def read_mappings(texts: dict[str, str]) -> tuple[Mapping | None, list[Problem]]:
    """The same from texts by path."""
    problems: list[Problem] = []
    aggregates: dict[str, Aggregate] = {}
    for path, text in texts.items():
        file = File(path)
        aggregate = read_aggregate(text, file)
        problems += file.problems
        if aggregate is not None:
            aggregates[path] = aggregate
    problems += _conflicts(aggregates)
    if problems:
        return None, sorted(problems)
    return Mapping(tuple(aggregates.values())), []


def _conflicts(aggregates: dict[str, Aggregate]) -> list[Problem]:
    """What only shows when all files are seen: names given twice, a table with two different keys."""
    problems: list[Problem] = []
    names: dict[tuple[str, str], str] = {}
    keys: dict[str, tuple[tuple[str, ...], str]] = {}
    for path, aggregate in aggregates.items():
        for what, name in (("aggregate", aggregate.name), ("collection", aggregate.collection)):
            other = names.setdefault((what, name), path)
            if other != path:
                problems.append(Problem(path, 1, 1, f"{what} {name} is already declared in {other}"))
        for node in aggregate.root.walk():
            key, other = keys.setdefault(node.table, (node.key, path))
            if key != node.key:
                problems.append(
                    Problem(
                        path,
                        1,
                        1,
                        f"{node.name}: table {node.table} has the key {', '.join(node.key)} here, but"
                        f" {', '.join(key)} in {other}: a table's key is its primary key everywhere, in the same order",
                    )
                )
    return problems
