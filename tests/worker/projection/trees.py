"""Rows by table, as an engine that has read everything would hand them to `assemble`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from contract.keys import key_text
from contract.mapping import Aggregate, Kind, Node
from worker.projection.assemble import Assembled, EdgeId, Memory, assemble
from worker.projection.image import NO_FORMER, Copy, Image
from worker.projection.merge import RowState, lag_text
from worker.records.rows import Row, RowId, parent_key

Tables = dict[str, Iterable[Row]]


class _Images(dict[RowId, Image | None]):
    def __missing__(self, row_id: RowId) -> None:
        assert "@" not in row_id[0], "a virtual place has no image"


class _Edges(dict[EdgeId, tuple[str, ...]]):
    def __missing__(self, _: EdgeId) -> tuple[str, ...]:
        return ()


def remember(aggregate: Aggregate, tables: Tables, copies: dict[RowId, dict[str, Copy]] | None = None) -> Memory:
    """All images and the edges of every `many` of the aggregate. A row's version is its column `_v`, else 1."""
    memory = Memory(_Images(), _Edges())
    nodes = {node.table: node for node in aggregate.root.walk() if not node.virtual}
    for table, rows in tables.items():
        for row in rows:
            row_id = table, key_text([row[column] for column in nodes[table].key])
            state = RowState(str(row.get("_v", "1")), {name: value for name, value in row.items() if name != "_v"})
            taken = (copies or {}).get(row_id, {})
            memory.images[row_id] = Image(1, state, "", lag_text(state), NO_FORMER, frozenset(), copied=taken)
    for parent in aggregate.root.walk():
        for child in parent.children:
            if child.kind is Kind.MANY:
                _edges(memory, parent, child)
    return memory


def _edges(memory: Memory, parent: Node, child: Node) -> None:
    found: dict[EdgeId, set[str]] = {}
    for (table, key), image in memory.images.items():
        row = image.row if image is not None and table == child.table else None
        if row is not None and (pointed := parent_key(row, child.join)) is not None:
            found.setdefault((parent.table, pointed, child.table, child.join), set()).add(key)
    memory.edges.update({edge: tuple(sorted(keys)) for edge, keys in found.items()})


def built(root: Node, tables: Tables, copies: dict[RowId, dict[str, Copy]] | None = None) -> Assembled:
    """The document of the root whose key is 1."""
    aggregate = Aggregate(root.name, root.name, root)
    return assemble(aggregate, "1", remember(aggregate, tables, copies))


def body(root: Node, tables: Tables, copies: dict[RowId, dict[str, Copy]] | None = None) -> dict[str, Any]:
    """The same where everything fits."""
    found = built(root, tables, copies)
    assert found.misfits == ()
    assert found.body is not None
    return found.body
