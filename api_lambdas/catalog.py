"""What of a compiled mapping the API reads: collections, how many parts their keys have, their indexes. Pure.

The rest of a mapping says how documents are made; reading it, and importing what describes it, would only make a
start longer.
"""

from __future__ import annotations

import json
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Index:
    """A way to list documents: by `partition`, in the order of `sort`; `slot` is the table's index it uses."""

    name: str
    slot: int
    partition: str
    sort: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Collection:
    """The documents of one aggregate."""

    aggregate: str
    key_parts: int
    indexes: tuple[Index, ...]


def from_json(text: str) -> dict[str, Collection]:
    """The collections of a mapping, by name, from what `contract.mapping.Mapping.to_json` wrote."""
    return {
        aggregate["collection"]: Collection(
            aggregate["name"],
            len(aggregate["root"]["key"]),
            tuple(Index(i["name"], i["slot"], i["partition"], tuple(i["sort"])) for i in aggregate["indexes"]),
        )
        for aggregate in json.loads(text)["aggregates"]
    }
