"""What no document shows is left out of the compiled mapping: it need not be kept or followed, and cannot park."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from contract.mapping import Derived, Node, Template

Path = tuple[str, ...]


def without_unseen(node: Node, read_above: Sequence[Path] = ()) -> Node:
    """The node without hidden relations that nothing reads, and without what an unwrapped element shows nobody.

    `read_above`: paths, from this node on, that computed attributes above it read.
    """
    if node.unwrap is not None:
        far = next(child for child in node.children if child.name == node.unwrap)
        return replace(node, fields=(), computed=(), children=(without_unseen(far, read_above),))
    if node.virtual:
        return replace(node, children=tuple(without_unseen(child, read_above) for child in node.children))
    read = [*read_above, *_paths(node)]
    children = [(child, [path[1:] for path in read if path[:1] == (child.name,)]) for child in node.children]
    return replace(
        node, children=tuple(without_unseen(child, below) for child, below in children if below or not child.hidden)
    )


def _paths(node: Node) -> list[Path]:
    found: list[Path] = []
    for entry in node.computed:
        if isinstance(entry, Derived):
            found.append(entry.path)
        elif isinstance(entry, Template):
            found += [part for part in entry.parts if not isinstance(part, str)]
    return found
