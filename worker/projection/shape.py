"""A mapping's node prepared for assembling: its filters, fields and computed attributes as functions, made once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from contract.keys import KeyReader, key_reader
from contract.mapping import Kind, Node
from worker.projection.computed import Compute, computation, kind
from worker.projection.fields import Read, reader
from worker.projection.filters import Passes, passes
from worker.projection.plan import copy_id, is_copied
from worker.records.rows import Row

_KEPT: Final = "_shape"


class Attribute(NamedTuple):
    """An attribute from a column; `read` None: as delivered. `what` names it in a misfit."""

    name: str
    column: str
    read: Read | None
    what: str


@dataclass(frozen=True, eq=False, slots=True)
class Calculation:
    """A computed attribute; `what` names it in a misfit."""

    name: str
    compute: Compute
    what: str


@dataclass(frozen=True, eq=False, slots=True)
class Shape:
    """One place of an aggregate.

    `order_columns` order a `many`: the declared ones, then the key, without what all rows of one parent share.
    `copy_id`: of a `copy` lookup, else None. `hides`: whether something below must be taken out of the body at the end.
    `reads_join`: the key text of `join`'s columns, in the parent's row for a `one`, in its own for a `many`. `manys`,
    `lookups`: of the children, those whose rows point at this one, and those that this row points at (without copies,
    which this row holds itself). `has_more`: whether it shows more than attributes of the row.
    """

    name: str
    table: str
    join: tuple[str, ...]
    order_columns: tuple[str, ...]
    many: bool
    virtual: bool
    first: bool
    copy_id: str | None
    hidden: bool
    unwrap: str | None
    needs: frozenset[str]
    filters: tuple[tuple[str, Passes], ...]
    attributes: tuple[Attribute, ...]
    calculations: tuple[Calculation, ...]
    children: tuple[Shape, ...]
    hides: bool
    reads_join: KeyReader
    manys: tuple[Shape, ...]
    lookups: tuple[Shape, ...]
    has_more: bool

    def lets_through(self, row: Row) -> bool:
        """Whether no filter leaves the row out."""
        return not self.filters or all(let(row) for _, let in self.filters)

    def may_let_through(self, row: Row) -> bool:
        """The same, as far as the columns seen say."""
        return all(let(row) for column, let in self.filters if column in row)

    @property
    def shown(self) -> Shape:
        """The place whose bodies stand in the document for this one."""
        if self.virtual:
            return self.children[0].shown
        if self.unwrap is not None:
            return next(child for child in self.children if child.name == self.unwrap).shown
        return self


def shape_of(node: Node) -> Shape:
    """A node's shape, kept on the node itself as its cached properties are."""
    kept: dict[str, Any] = node.__dict__
    found: Shape | None = kept.get(_KEPT)
    if found is None:
        found = kept[_KEPT] = _shape(node)
    return found


def _shape(node: Node) -> Shape:
    children = tuple(shape_of(child) for child in node.children)
    return Shape(
        name=node.name,
        table=node.table,
        join=node.join,
        order_columns=tuple(dict.fromkeys(c for c in (*node.order_by, *node.key) if c not in node.join)),
        many=node.kind is Kind.MANY,
        virtual=node.virtual,
        first=node.first,
        copy_id=copy_id(node) if is_copied(node) else None,
        hidden=node.hidden,
        unwrap=node.unwrap,
        needs=node.needs,
        filters=tuple((rule.column, passes(rule)) for rule in node.where),
        attributes=tuple(
            Attribute(field.name, field.column, reader(field), f"{node.table}.{field.column} as {field.type}")
            for field in node.fields
        ),
        calculations=tuple(
            Calculation(entry.name, computation(entry), f"{node.table}: {entry.name} as {kind(entry)}")
            for entry in node.computed
        ),
        children=children,
        hides=any(child.hidden or child.hides for child in children),
        reads_join=key_reader(node.join),
        manys=tuple(child for child in children if child.many),
        has_more=bool(children or node.computed),
        lookups=tuple(child for child in children if not child.many and child.copy_id is None),
    )
