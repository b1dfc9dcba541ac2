"""What templates and computed attributes may refer to: the attributes and relations of the place they stand in."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import yaml

from contract.mapping import Computed, Derived, Function, Kind, Node, Template
from worker.mapping.problems import File, suggestion


def shown(child: Node) -> Node:
    """The rows that a relation shows: those behind a virtual place, and of unwrapped elements what stands for them."""
    inner = child.children[0] if child.virtual else child
    if inner.unwrap is not None:
        return shown(next(one for one in inner.children if one.name == inner.unwrap))
    return inner


def is_list(child: Node) -> bool:
    """Whether a relation stands in the document as a list; one to columns of mine is compiled to a `one` above it."""
    return not child.first if child.virtual else child.kind is Kind.MANY


def attributes(node: Node) -> tuple[str, ...]:
    """What its rows show of their own: no relations."""
    return (*(field.name for field in node.fields), *(entry.name for entry in node.computed))


def check_computed(
    file: File, computed: Iterable[tuple[Computed, yaml.Node]], children: tuple[Node, ...], unread: Collection[str]
) -> None:
    """Note every path that leads nowhere; nothing is known of relations that could not be read."""
    for entry, node in computed:
        if isinstance(entry, Derived) and entry.path[0] not in unread:
            _check_derived(file, node, entry, children)
        elif isinstance(entry, Template):
            for part in entry.parts:
                if not isinstance(part, str) and len(part) > 1 and part[0] not in unread:
                    _check_lookup(file, node, f"field {entry.name}: template", part, children)


def _check_derived(file: File, node: yaml.Node, entry: Derived, children: tuple[Node, ...]) -> None:
    what = f"field {entry.name}: {entry.function}"
    lists = {child.name: child for child in children if is_list(child)}
    first, *rest = entry.path
    if first not in lists:
        known = suggestion(first, lists) if lists else ": it has none"
        file.problem(node, f"{what}: {first} is no `many` of it{known}")
    elif entry.function is Function.COUNT:
        if rest:
            file.problem(node, f"{what}: give the name of the `many` alone: {first}")
    elif not rest:
        of = attributes(shown(lists[first]))
        file.problem(node, f"{what}: of which attribute of {first}? (known: {', '.join(of)})")
    else:
        _check_path(file, node, what, tuple(rest), shown(lists[first]))


def _check_lookup(file: File, node: yaml.Node, what: str, path: tuple[str, ...], children: tuple[Node, ...]) -> None:
    ones = {child.name: child for child in children if not is_list(child)}
    if path[0] not in ones:
        known = suggestion(path[0], ones) if ones else ": it has none"
        file.problem(node, f"{what}: {path[0]} is no `one` of it{known}")
    else:
        _check_path(file, node, what, path[1:], shown(ones[path[0]]))


def _check_path(file: File, node: yaml.Node, what: str, path: tuple[str, ...], at: Node) -> None:
    """Through lookups down to an attribute."""
    if len(path) > 1:
        _check_lookup(file, node, what, path, at.children)
    elif path[0] not in attributes(at):
        relation = any(child.name == path[0] for child in at.children)
        why = " is an object or a list: name an attribute of it" if relation else " is no attribute of"
        known = "" if relation else f" {at.name}{suggestion(path[0], attributes(at))}"
        file.problem(node, f"{what}: {path[0]}{why}{known}")
