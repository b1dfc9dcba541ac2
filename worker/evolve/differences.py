"""Two versions of an aggregate side by side: what differs where, in words. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Any, Final

from contract.mapping import Aggregate, Computed, Constant, Derived, Field, Filter, Index, Node, Template

ROOT_PLACE: Final = "(root)"


class Effect(StrEnum):
    """What a difference touches: nothing stored, only edges, or the documents themselves."""

    NOTHING = "nothing"
    EDGES = "edges"
    DOCUMENTS = "documents"


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is another one now."""

    path: str
    words: str
    effect: Effect = Effect.DOCUMENTS


def differences(old: Aggregate, new: Aggregate) -> list[Difference]:
    """All differences between two versions of an aggregate, the generation left out."""
    found = list(_nodes(old.root, new.root, ()))
    found += _indexes(old.indexes, new.indexes)
    if old.collection != new.collection:
        words = f"collection {old.collection} -> {new.collection}: only the path of the API is another one"
        found.append(Difference(ROOT_PLACE, words, Effect.NOTHING))
    same = replace(new, generation=old.generation)
    if not found and same.digest != old.digest:
        found.append(Difference(ROOT_PLACE, "written in another order: documents show the same", Effect.NOTHING))
    return found


def _nodes(old: Node, new: Node, path: tuple[str, ...]) -> Iterator[Difference]:
    place = ".".join(path) or ROOT_PLACE
    for name, effect in _PLAIN.items():
        before, after = getattr(old, name), getattr(new, name)
        if before != after:
            yield Difference(place, f"{_KEYS.get(name, name)} {_text(before)} -> {_text(after)}", effect)
    if set(old.where) != set(new.where):
        yield Difference(place, f"where {_rules(old.where)} -> {_rules(new.where)}")
    yield from _named(old.fields, new.fields, "attribute", place, _field)
    yield from _named(old.computed, new.computed, "computed attribute", place, _computed)
    yield from _named(old.children, new.children, "relation", place, _source)
    after_children = {child.name: child for child in new.children}
    for child in old.children:
        if child.name in after_children:
            yield from _nodes(_seen(child), _seen(after_children[child.name]), (*path, child.name))


# attributes of a node that are compared as they are
_PLAIN: Final = {
    "kind": Effect.DOCUMENTS,
    "table": Effect.DOCUMENTS,
    "key": Effect.DOCUMENTS,
    "join": Effect.DOCUMENTS,
    "order_by": Effect.DOCUMENTS,
    "unwrap": Effect.DOCUMENTS,
    "hidden": Effect.DOCUMENTS,
    "first": Effect.DOCUMENTS,
    "lookup": Effect.DOCUMENTS,
    "spread": Effect.EDGES,
}
_KEYS: Final = {"table": "source", "kind": "relation", "first": "only the first row:"}


def _seen(node: Node) -> Node:
    """The row's own place; a virtual one above it (a join on other columns) is part of its `join`."""
    if not node.virtual:
        return node
    (child,) = node.children
    return replace(
        child, join=(*node.join, "=", *child.join), hidden=node.hidden, first=node.first, spread=node.spread,
        lookup=node.lookup,
    )  # fmt: skip


def _named(old: Iterable[Any], new: Iterable[Any], what: str, place: str, words: Any) -> Iterator[Difference]:
    """Entries of a list by their names: added, removed, renamed, changed."""
    before, after = {entry.name: entry for entry in old}, {entry.name: entry for entry in new}
    gone = [entry for name, entry in before.items() if name not in after]
    for name, entry in after.items():
        if name in before:
            if words is not _source and before[name] != entry:
                yield Difference(place, f"{what} {name}: {words(before[name])} -> {words(entry)}")
            continue
        renamed = next((e for e in gone if _called(e, name) == entry), None)
        if renamed is not None:
            gone.remove(renamed)
            yield Difference(place, f"{what} {renamed.name} is called {name}")
        else:
            yield Difference(place, f"new {what} {name}: {words(entry)}")
    for entry in gone:
        yield Difference(place, f"{what} {entry.name} is gone")


def _called(entry: Any, name: str) -> Any:
    """The entry under another name; a virtual place and its child share theirs."""
    if isinstance(entry, Node) and entry.virtual:
        return replace(entry, name=name, children=tuple(replace(child, name=name) for child in entry.children))
    return replace(entry, name=name)


def _source(node: Node) -> str:
    seen = _seen(node)
    return f"{seen.kind} of {seen.table}"


def _field(entry: Field) -> str:
    parts = [f"column {entry.column}"]
    defaults = Field(entry.name, entry.column)
    for part in fields(Field):
        value = getattr(entry, part.name)
        if part.name not in ("name", "column") and value != getattr(defaults, part.name):
            parts.append(f"{part.name} {_text(value)}")
    return ", ".join(parts)


def _computed(entry: Computed) -> str:
    if isinstance(entry, Constant):
        return f"constant {entry.text}"
    if isinstance(entry, Template):
        return "template " + "".join(p if isinstance(p, str) else f"{{{'.'.join(p)}}}" for p in entry.parts)
    assert isinstance(entry, Derived)  # noqa: S101  for the type checker
    return f"{entry.function} of {'.'.join(entry.path)}"


def _indexes(old: tuple[Index, ...], new: tuple[Index, ...]) -> Iterator[Difference]:
    before, after = {index.name: index for index in old}, {index.name: index for index in new}
    for name in dict.fromkeys((*before, *after)):
        if name not in before:
            yield Difference(ROOT_PLACE, f"new index {name}: {_index(after[name])}")
        elif name not in after:
            yield Difference(ROOT_PLACE, f"index {name} is gone")
        elif before[name] != after[name]:
            yield Difference(ROOT_PLACE, f"index {name}: {_index(before[name])} -> {_index(after[name])}")


def _index(index: Index) -> str:
    return f"partition {index.partition}, sort {', '.join(index.sort) or 'by key'}, slot {index.slot}"


def _rules(rules: tuple[Filter, ...]) -> str:
    found = (f"{rule.column} {rule.test} {_text(rule.values)}" for rule in rules)
    return " and ".join(sorted(found)) or "everything"


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_text, value))}]"
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
