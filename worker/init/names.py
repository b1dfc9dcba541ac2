"""Names for aggregates and relations out of names of tables and columns. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

_SUFFIX: Final = re.compile(
    r"(?<=.)(?:_(?:id|no|nr|code|key|num|number|uuid|ref|fk|pk)|(?<=[a-z])(?:ID|Id|No|Code|Key))$"
)
_RELATING: Final = re.compile(r"(?:_(?:of|by|to|from|for)|(?<=[a-z])(?:Of|By|To|From|For))$")
_NO_NAME: Final = re.compile(r"[^a-z0-9_-]+")


def singular(name: str) -> str:
    """The word for one of them, as far as simple rules of English go."""
    lower = name.lower()
    if lower.endswith(("ss", "us", "is")) or len(name) < 4:
        return name
    if lower.endswith("ies"):
        return name[:-3] + "y"
    if lower.endswith(("sses", "shes", "ches", "xes", "zes")):
        return name[:-2]
    return name[:-1] if lower.endswith("s") else name


def plural(name: str) -> str:
    """The word for several of them."""
    lower = name.lower()
    if singular(name) != name:
        return name
    if lower.endswith("y") and lower[-2:-1] not in "aeiou":
        return name[:-1] + "ies"
    return name + ("es" if lower.endswith(("s", "x", "ch", "sh")) else "s")


def table_word(table: str) -> str:
    """A table's own name, without its schema."""
    return table.partition(".")[2]


def aggregate_name(table: str) -> str:
    """A name that an aggregate may have."""
    name = _NO_NAME.sub("_", singular(table_word(table)).lower()).strip("_-")
    return name if name[:1].isalpha() else f"t{name}"


def without_suffix(column: str) -> str:
    """`customer` of `customer_id`; the column itself when nothing is to be taken away."""
    return _SUFFIX.sub("", column)


def referring(column: str, parent: str, *, to_itself: bool) -> str | None:
    """`invited_by_person` of a column that says how the row is related, and is none of the words for the row itself."""
    if not (to_itself or _RELATING.search(column)):
        return None
    return column + ("" if column[:1].isupper() else "_") + singular(table_word(parent))


def below(child: str, parent: str) -> str:
    """What a parent calls its rows of a child table: `lines` of `order_lines` in an order."""
    name = plural(table_word(child))
    for stem in (singular(table_word(parent)), table_word(parent)):
        rest = name[len(stem) :].lstrip("_") if name.lower().startswith(stem.lower()) else ""
        if rest and (name[len(stem)] == "_" or rest[:1].isupper()):
            return rest
    return name


def free(wanted: str, taken: Iterable[str]) -> str:
    """The name, or one with a number behind it that is not taken; it never begins with an underscore."""
    base = wanted.lstrip("_") or "x"
    names = set(taken)
    found, number = base, 2
    while found in names:
        found, number = f"{base}_{number}", number + 1
    return found
