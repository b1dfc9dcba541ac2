"""One mapping file to what it declares. Every problem is noted and reading goes on, so that one run shows them all."""

from __future__ import annotations

import re
from typing import Final

import yaml

from contract.mapping import Aggregate, Mapping, Node, Sensitive
from worker.mapping import language
from worker.mapping.fields import read_fields
from worker.mapping.indexes import Attribute, read_indexes
from worker.mapping.language import Place
from worker.mapping.problems import File
from worker.mapping.relations import Entries, read_root
from worker.mapping.tables import read_tables

_NAME: Final = re.compile(language.NAME_PATTERN)

Tables = tuple[Sensitive, ...]


def read_file(text: str, file: File) -> Aggregate | Tables | None:
    """What a file's text declares: an aggregate, or sensitive columns; None when anything is wrong."""
    root = file.compose(text)
    if root is None:
        return None
    if "tables" in (entries := _names(root)):
        if "aggregate" in entries:
            file.problem(entries["tables"], "tables: a file declares one aggregate, or tables: put these into another")
            return None
        found = read_tables(file, file.known(root, "tables", language.names(Place.TABLES))["tables"])
        return None if file.problems else found
    return _aggregate(file, root)


def _names(root: yaml.Node) -> dict[str, yaml.Node]:
    """The top-level keys, before it is known what they may be."""
    entries = root.value if isinstance(root, yaml.MappingNode) else []
    return {key.value: key for key, _ in entries if isinstance(key, yaml.ScalarNode)}


def _aggregate(file: File, root: yaml.Node) -> Aggregate | None:
    entries = file.known(root, "mapping", language.names(Place.FILE))
    name = _name(file, root, entries, "aggregate")
    collection = _name(file, root, entries, "collection") if "collection" in entries else f"{name}s"
    generation = file.whole(entries["generation"], "generation", 1, 999_999_999) if "generation" in entries else 1
    if "examples" in entries and not isinstance(entries["examples"], yaml.SequenceNode):
        file.problem(entries["examples"], "examples: expected a list")
    for key, entry in entries.items():
        file.facts.spots["", key] = file.spot(entry)
    file.facts.spots[()] = file.spot(root)
    node = read_root(file, root, entries, name or "?")
    indexes = read_indexes(file, entries["indexes"], _attributes(entries, node)) if "indexes" in entries else ()
    if node is None or name is None:
        return None
    _check_extent(file, root, node)
    if file.problems:
        return None
    aggregate = Aggregate(name, collection or "", node, indexes, generation or 1)
    _check_names(file, root, aggregate)
    return None if file.problems else aggregate


def _attributes(entries: Entries, node: Node | None) -> dict[str, Attribute | None]:
    """The root's attributes for its indexes; None is one that could not be read. Empty: nothing is known of them."""
    if node is not None:
        return {entry.name: entry for entry in (*node.fields, *node.computed)}
    if "fields" not in entries:
        return {}
    found = read_fields(File(""), entries["fields"], None, "")  # their problems are noted with the root's
    known: dict[str, Attribute | None] = dict.fromkeys(name for name, _ in found.names)
    return known | {entry.name: entry for entry in (*found.fields, *(computed for computed, _ in found.computed))}


def _name(file: File, root: yaml.Node, entries: Entries, key: str) -> str | None:
    if key not in entries:
        file.problem(root, f"{key} is missing")
        return None
    name = file.text(entries[key], key)
    if name is not None and len(name) > language.MAX_NAME_CHARACTERS:
        file.problem(entries[key], f"{key}: at most {language.MAX_NAME_CHARACTERS} characters")
    if name is not None and not _NAME.fullmatch(name):
        file.problem(
            entries[key], f"{key}: {name} must be lower-case letters, digits, _ and -, beginning with a letter"
        )
    return name


def _check_extent(file: File, root: yaml.Node, node: Node) -> None:
    """Repetitions multiply: a few lines can ask for more than one document can hold."""
    places = sum(1 for _ in node.walk())
    if places > language.MAX_PLACES:
        file.problem(root, f"{node.name}: {places} places, at most {language.MAX_PLACES}: lower a depth")
    levels = _levels(node)
    if levels > language.MAX_LEVELS:
        file.problem(
            root,
            f"{node.name}: {levels} levels with those that depth adds, at most {language.MAX_LEVELS}: lower a depth",
        )


def _check_names(file: File, root: yaml.Node, aggregate: Aggregate) -> None:
    """Names are part of keys, whose length is bounded."""
    for table in Mapping((aggregate,)).tables.values():
        names = [table.name, *(f"{table.name} {','.join(ref.columns)}" for ref in table.references)]
        for name in [*names, *(ref.parent for ref in table.references)]:
            if len(name.encode()) > language.MAX_NAMED_BYTES:
                most = language.MAX_NAMED_BYTES
                file.problem(
                    root, f"{name[:40]}...: a table's name and the columns of a join have at most {most} bytes"
                )


def _levels(node: Node) -> int:
    """Levels of relations below a node; a virtual place is none of its own."""
    below = max((_levels(child) for child in node.children), default=-1)
    return below + (0 if node.virtual else 1)
