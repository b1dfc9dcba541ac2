"""What of a compiled mapping the API reads: collections, their keys, indexes, tables and attributes. Pure.

The rest of a mapping says how documents are made; reading it, and importing what describes it, would only make a
start longer.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

Shown = Mapping[str, "Shown | None"]
"""The attributes of an object by name; None where nothing is known of what stands below, or nothing does."""

NUMBERS: Final = ("integer", "decimal")
_RANGED: Final = (*NUMBERS, "text", "boolean", "date", "timestamp", "timestamptz")
_TOTALS: Final = ("count", "sum")


@dataclass(frozen=True, slots=True)
class Index:
    """A way to list documents: by `partition`, in the order of `sort`; `slot` is the table's index it uses.

    `range_type`: the type of the first attribute of `sort`; empty if none is declared, then no bound can be compared.
    """

    name: str
    slot: int
    partition: str
    sort: tuple[str, ...]
    range_type: str = ""


@dataclass(frozen=True, slots=True)
class Collection:
    """The documents of one aggregate; `tables` are all that they show something of."""

    name: str
    aggregate: str
    key_parts: int
    indexes: tuple[Index, ...]
    tables: tuple[str, ...]
    shown: Shown


def from_json(text: str) -> dict[str, Collection]:
    """The collections of a mapping, by name, from what `contract.mapping.Mapping.to_json` wrote."""
    return {
        aggregate["collection"]: Collection(
            aggregate["collection"],
            aggregate["name"],
            len(aggregate["root"]["key"]),
            tuple(
                Index(i["name"], i["slot"], i["partition"], tuple(i["sort"]), _range_type(aggregate["root"], i["sort"]))
                for i in aggregate["indexes"]
            ),
            tuple(sorted(set(_tables(aggregate["root"])))),
            _shown(aggregate["root"]),
        )
        for aggregate in json.loads(text)["aggregates"]
    }


def _tables(node: dict[str, Any]) -> Iterator[str]:
    yield node["table"].partition("@")[0]  # a virtual place is a value that rows of its table hold
    for child in node["children"]:
        yield from _tables(child)


def _shown(node: dict[str, Any]) -> Shown:
    """What an object at this place shows: a `many` shows a list of these."""
    if "@" in node["table"]:
        return _shown(node["children"][0])
    if node["unwrap"] is not None:
        return _shown(next(child for child in node["children"] if child["name"] == node["unwrap"]))
    attributes = [entry["name"] for entry in (*node["fields"], *node["computed"])]
    below = {child["name"]: _shown(child) for child in node["children"] if not child["hidden"]}
    return {**dict.fromkeys(attributes), **below}


def _range_type(root: dict[str, Any], sort: list[str]) -> str:
    for field in root["fields"]:
        if sort and field["name"] == sort[0]:
            mixed = field["misfit"] == "text" and field["type"] != "text"
            return field["type"] if field["type"] in _RANGED and not mixed else ""
    for entry in root["computed"]:
        if sort and entry["name"] == sort[0]:
            return "text" if "parts" in entry else "decimal" if entry.get("function") in _TOTALS else ""
    return ""
