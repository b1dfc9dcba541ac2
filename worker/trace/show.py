"""A traced row or document as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from worker.console.tree import Found, Node
from worker.grid import grid
from worker.records.rows import Row
from worker.status.model import instant
from worker.trace.parked import ParkedOfRow
from worker.trace.row import Due, RowTrace, Written
from worker.trace.version import read_version


def show_row(row: RowTrace, parked: ParkedOfRow, *, values: bool) -> RenderableType:
    """A row, top down: what it is, where it points, who points at it, where it is shown."""
    head = f"{row.table} {row.key}: {row.state}"
    lines = [f"version   {row.version}" if row.version else "", f"image     written {row.revision} times"]
    lines += [f"columns   {_columns(row.columns, values=values)}"] if row.columns else []
    lines += [f"older     {name}: {version}" for name, version in sorted(row.older.items())]
    lines += [f"copies    {', '.join(row.copies)}"] if row.copies else []
    parts: list[RenderableType] = [Text(head, style="bold"), *(Text(line) for line in lines if line)]
    if row.edges_out or row.edges_in:
        parts += [Text(), _edges(row)]
    parts += [Text(), _documents(row.documents)] if row.documents else [Text("no document shows it")]
    if row.more_documents:
        parts.append(Text("it stands in more documents than are followed here"))
    parts += [Text(line) for line in (*map(_due, row.due), *_parked(parked))]
    if row.due_unknown:
        parts.append(Text("very much is due; whether something of this row is was not looked for"))
    return Group(*parts)


def show_document(last: Written, tree: Found, *, values: bool) -> RenderableType:
    """A document: its last write, its attributes, the rows it was built from."""
    parts: list[RenderableType] = [_documents((last,))]
    if tree.body is not None:
        shown = _columns(tree.body, values=values)
        parts += [Text(f"attributes  {shown}")]
    parts += [Text(f"does not fit: {line}", style="red") for line in tree.misfits]
    if tree.differs:
        parts.append(Text("its rows say something else: it is being built, waits for a rebuild, or is parked"))
    root = Tree(_node(tree.rows, values=values), guide_style="dim")
    _grow(root, tree.rows, values=values)
    parts += [Text(), root]
    if tree.left_out:
        parts.append(Text(f"and {tree.left_out:,} more rows"))
    return Group(*parts)


def _grow(branch: Tree, node: Node, *, values: bool) -> None:
    for child in node.children:
        _grow(branch.add(_node(child, values=values)), child, values=values)


def _node(node: Node, *, values: bool) -> str:
    version = f"  {read_version(node.version)}" if node.version else ""
    columns = f"  {_columns(node.columns, values=True)}" if values and node.columns else ""
    return escape(f"{node.place}: {node.table} {node.key}  {node.state}{version}{columns}")


def _columns(row: Row, *, values: bool) -> str:
    return ", ".join(f"{name}={value!r}" if values else name for name, value in row.items())


def _edges(row: RowTrace) -> Table:
    table = _table("edge", "by", "row", "stored")
    for out in row.edges_out:
        stored = str(out.edge) if out.edge else "missing"
        direction = "pointed at" if out.former else "points at"
        table.add_row(direction, ", ".join(out.columns), escape(f"{out.parent} {out.key}"), stored)
    for into in row.edges_in:
        more = " or more" if into.more else ""
        shown = ", ".join(into.keys) + (", ..." if into.count > len(into.keys) else "")
        table.add_row("pointed at by", ", ".join(into.columns), escape(f"{into.table} {shown}"), f"{into.count}{more}")
    return table


def _documents(documents: tuple[Written, ...]) -> Table:
    table = _table("document", "state", "revision", "generation", "fingerprint", "complete up to")
    for one in documents:
        state = f"{one.state}: {one.parked}" if one.parked else one.state
        state += f", in {one.parts + 1} items" if one.parts else ""
        state += f", holds its row: {one.holds_row}" if one.holds_row else ""
        counts = (str(one.revision or ""), str(one.generation or ""))
        table.add_row(escape(f"{one.aggregate} {one.key}"), escape(state), *counts, one.fingerprint, one.as_of)
    return table


def _due(due: Due) -> str:
    since = f"complete up to {instant(due.since_micros)}" if due.since_micros else "of a load, or not known since when"
    how = "under way" if due.begun else "waits"
    again = ", and once more" if due.again else ""
    return f"due       {'.'.join(due.path) or 'copies'}, of {due.shard}: {how}{again}; {since}"


def _parked(parked: ParkedOfRow) -> Iterator[str]:
    for record in parked.records:
        yield f"parked    {record.id} {record.parked_at} {record.reason}: {record.detail}"
    if parked.unread:
        yield f"parked    {parked.unread} records of the table could not be read: nobody knows of which row they are"
    if parked.more:
        yield "parked    the table has more parked records than were looked through"


def _table(*names: str) -> Table:
    table = grid()
    for name in names:
        table.add_column(name, overflow="fold")
    return table
