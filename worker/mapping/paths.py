"""What templates and computed attributes may refer to: the attributes and relations of the place they stand in."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

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
    file: File, computed: Iterable[tuple[Computed, yaml.Node]], children: tuple[Node, ...], unread: Mapping[str, Kind]
) -> None:
    """Note every path that leads nowhere; of `unread`, relations that could not be read, only the kind is known."""
    lists = {child.name: child for child in children if is_list(child)}
    ones = {child.name: child for child in children if not is_list(child)}
    for entry, node in computed:
        if isinstance(entry, Derived) and entry.path[0] not in unread:
            manys = [*lists, *(name for name, kind in unread.items() if kind is Kind.MANY)]
            _check_derived(file, node, entry, lists, manys)
        elif isinstance(entry, Template):
            for part in entry.parts:
                if isinstance(part, str) or len(part) < 2 or part[0] in unread:
                    continue
                what = f"field {entry.name}: template"
                if part[0] in lists:
                    file.problem(node, f"{what}: {part[0]} is a list: a template takes values of a `one`")
                elif part[0] not in ones:
                    known = [*ones, *(name for name, kind in unread.items() if kind is Kind.ONE)]
                    file.problem(node, f"{what}: {part[0]} is no `one` of it{_known(part[0], known)}")
                else:
                    _check_path(file, node, what, part[1:], shown(ones[part[0]]))


def _check_derived(file: File, node: yaml.Node, entry: Derived, lists: Mapping[str, Node], manys: list[str]) -> None:
    what = f"field {entry.name}: {entry.function}"
    first, *rest = entry.path
    if first not in lists:
        file.problem(node, f"{what}: {first} is no `many` of it{_known(first, manys)}")
    elif entry.function is Function.COUNT:
        if rest:
            file.problem(node, f"{what}: give the name of the `many` alone: {first}")
    elif not rest:
        of = attributes(shown(lists[first]))
        file.problem(node, f"{what}: of which attribute of {first}? (known: {', '.join(of)})")
    else:
        _check_path(file, node, what, tuple(rest), shown(lists[first]))


def _check_path(file: File, node: yaml.Node, what: str, path: tuple[str, ...], at: Node) -> None:
    """Through lookups down to an attribute."""
    name = path[0]
    ones = {child.name: child for child in at.children if not is_list(child)}
    if any(child.name == name for child in at.children) and name not in ones:
        why = f"is a list: let {at.name} have an attribute that is computed from it, and name that"
        file.problem(node, f"{what}: {name} {why}")
    elif len(path) > 1 and name in ones:
        _check_path(file, node, what, path[1:], shown(ones[name]))
    elif len(path) > 1:
        file.problem(node, f"{what}: {name} is no `one` of {at.name}{_known(name, ones)}")
    elif name in ones:
        file.problem(node, f"{what}: {name} is an object: name an attribute of it")
    elif name not in attributes(at):
        file.problem(node, f"{what}: {name} is no attribute of {at.name}{suggestion(name, attributes(at))}")


def _known(name: str, names: Collection[str]) -> str:
    return suggestion(name, names) if names else ": it has none"
