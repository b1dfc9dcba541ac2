"""Sparse fields: `fields=order_id,lines.sku` as a choice of attributes, checked against the mapping, applied to items.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from api_lambdas.queries.catalog import Shown
from api_lambdas.shared.http import Kind, Problem
from contract.values import AttributeValue, Item

MAX_FIELDS: Final = 50

Selection = dict[str, "Selection | None"]
"""What is asked for: attributes by name; None asks for the whole of one."""


def selection(text: str, shown: Shown) -> Selection:
    """The choice that a `fields` parameter makes. Raises Problem, which names what is not there."""
    paths = text.split(",")
    if len(paths) > MAX_FIELDS:
        raise Problem(Kind.INVALID_REQUEST, f"fields: at most {MAX_FIELDS} can be asked for")
    chosen: Selection = {}
    for path in paths:
        names = _names(path, shown)
        if names is None:
            raise Problem(Kind.INVALID_REQUEST, "fields: a name that documents of this collection do not have")
        _add(chosen, names)
    return chosen


def paths(shown: Shown, before: str = "") -> Iterator[str]:
    """All names that `fields` can have."""
    for name, below in shown.items():
        yield before + name
        if below is not None:
            yield from paths(below, f"{before}{name}.")


def select(item: Item, chosen: Selection) -> Item:
    """The attributes asked for, in the order of the document."""
    return {name: _part(value, chosen[name]) for name, value in item.items() if name in chosen}


def _part(value: AttributeValue, chosen: Selection | None) -> AttributeValue:
    if chosen is None:
        return value
    if "M" in value:
        return {"M": select(value["M"], chosen)}
    if "L" in value:
        return {"L": [_part(entry, chosen) for entry in value["L"]]}
    return value  # null, where a row is not there


def _names(path: str, shown: Shown) -> list[str] | None:
    """The names on the way; an attribute's own name may have dots in it."""
    if path in shown:
        return [path]
    for name, below in shown.items():
        if below is not None and path.startswith(f"{name}."):
            rest = _names(path[len(name) + 1 :], below)
            if rest is not None:
                return [name, *rest]
    return None


def _add(chosen: Selection, names: list[str]) -> None:
    first, *rest = names
    if not rest or chosen.get(first, chosen) is None:  # the whole is asked for, now or before
        chosen[first] = None
        return
    below = chosen.setdefault(first, {})
    if below is not None:
        _add(below, rest)
