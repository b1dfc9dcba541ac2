"""`indexes`: the lists of the API, over attributes of the root."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import yaml

from contract.mapping import Computed, Constant, Field, FieldType, Index
from worker.mapping import language
from worker.mapping.language import Place
from worker.mapping.problems import File, suggestion

# of the API's lists, beside the attribute
_LIST_PARAMETERS: Final = ("limit", "cursor", "order", "index", "fields", "key", "from", "after", "to", "before")


Attribute = Field | Computed


def read_indexes(file: File, node: yaml.Node, attributes: Mapping[str, Attribute | None]) -> tuple[Index, ...]:
    """The indexes in the order of the file, each with its slot.

    `attributes` are the root's, None where one could not be read; when there are none they are not looked up.
    """
    found: list[Index] = []
    for slot, (name, (at, value)) in enumerate(file.entries(node, "indexes").items(), start=1):
        file.facts.spots["", "indexes", name] = file.spot(at)
        if slot == language.MAX_INDEXES + 1:
            file.problem(at, f"indexes: at most {language.MAX_INDEXES} per aggregate")
        entries = file.known(value, f"index {name}", language.names(Place.INDEX))
        parts = {part: file.texts(entry, f"index {name}: {part}") for part, entry in entries.items()}
        for part, named in parts.items():
            _check_part(file, entries[part], f"index {name}: {part}", named, attributes)
        if len(name) > language.MAX_NAME_CHARACTERS:
            file.problem(at, f"indexes: a name has at most {language.MAX_NAME_CHARACTERS} characters")
        if len(parts.get("sort", ())) > language.MAX_SORT:
            file.problem(entries["sort"], f"index {name}: sort: at most {language.MAX_SORT} attributes")
        if len(parts.get("partition", ())) != 1:
            why = "must be one attribute" if "partition" in parts else "is missing"
            file.problem(entries.get("partition", at), f"index {name}: partition {why}")
            continue
        (partition,) = parts["partition"]
        if partition in _LIST_PARAMETERS:
            meaning = f"index {name}: partition: {partition} is a parameter of every list"
            file.problem(entries["partition"], f"{meaning}: give the attribute another name")
        found.append(Index(name, slot, partition, parts.get("sort", ())))
    return tuple(found)


def _check_part(
    file: File, node: yaml.Node, what: str, named: tuple[str, ...], attributes: Mapping[str, Attribute | None]
) -> None:
    for attribute in named:
        entry = attributes.get(attribute)
        if attributes and attribute not in attributes:
            close = suggestion(attribute, attributes)
            file.problem(node, f"{what}: no field {attribute} at the top level{close}")
        elif isinstance(entry, (Field, Constant)) and entry.type is FieldType.JSON:
            file.problem(node, f"{what}: {attribute} is JSON, which has no order")
    for attribute in sorted({name for name in named if named.count(name) > 1}):
        file.problem(node, f"{what}: {attribute} is given twice")
