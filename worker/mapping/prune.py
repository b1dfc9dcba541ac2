"""What no document shows is left out of the compiled mapping: it need not be kept or followed, and cannot park."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from contract.mapping import Derived, Node, Template

Path = tuple[str, ...]


def without_unseen(node: Node, read_above: Sequence[Path] = (), *, shown: bool = True) -> Node:
    """The node without what neither is `shown` nor read: hidden relations and what stands in them, and what stands
    beside the unwrapped side of an element.

    `read_above`: paths, from this node on, that computed attributes above it read.
    """
    if node.unwrap is not None:
        far = next(child for child in node.children if child.name == node.unwrap)
        return replace(node, fields=(), computed=(), children=(without_unseen(far, read_above, shown=shown),))
    if node.virtual:
        return replace(node, children=tuple(without_unseen(child, read_above, shown=shown) for child in node.children))
    if not shown:
        named = {path[0] for path in read_above if path}
        fields = tuple(entry for entry in node.fields if entry.name in named)
        node = replace(node, fields=fields, computed=tuple(entry for entry in node.computed if entry.name in named))
    read = [*read_above, *_paths(node)]
    children = []
    for child in node.children:
        below = [path[1:] for path in read if path[:1] == (child.name,)]
        stays = shown and not child.hidden
        if below or stays:
            children.append(without_unseen(child, below, shown=stays))
    return replace(node, children=tuple(children))


def _paths(node: Node) -> list[Path]:
    found: list[Path] = []
    for entry in node.computed:
        if isinstance(entry, Derived):
            found.append(entry.path)
        elif isinstance(entry, Template):
            found += [part for part in entry.parts if not isinstance(part, str)]
    return found
