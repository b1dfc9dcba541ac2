"""Which attributes of a mapping's documents can be compared with the source, and with what care. Pure.

A value that the source alone does not determine (a copied lookup, a token without its key, the text of a float) is
left out on both sides and named, together with everything computed from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from contract.mapping import (
    Computed,
    Constant,
    Derived,
    Field,
    FieldType,
    Function,
    Kind,
    Lookup,
    Misfit,
    Node,
    Template,
)
from worker.verify.columns import FLOATS, NUMBERS, Catalog, Category, Column
from worker.verify.compare import Leaf

COPIED: Final = "a copied lookup keeps what it showed first"
TOKEN: Final = "a token, and no key is given"  # noqa: S105  a reason
TOKEN_ORDER: Final = "computed from the order of tokens"  # noqa: S105  a reason
TOKEN_TYPE: Final = "a token under a type or a value map"  # noqa: S105  a reason
FLOAT_TEXT: Final = "made of a float, which has several exact texts"
JSON_VALUE: Final = "computed from a JSON value"

_JSON_LEAVES: Final = {
    Misfit.PARK: Leaf.JSON_TEXT,
    Misfit.NULL: Leaf.JSON_OR_NULL,
    Misfit.TEXT: Leaf.JSON_OR_TEXT,
}
JSON_LEAVES: Final = frozenset(_JSON_LEAVES.values())
_FLOAT_LEAVES: Final = frozenset({Leaf.FLOAT4, Leaf.FLOAT8})

MAPPED: Final = Column("", "text", Category.TEXT, nullable=True)
"""What a value map gives: a text that the field's type reads."""


@dataclass(frozen=True, slots=True)
class Traits:
    """`leaf`: the care that comparing takes; `reason`: why it cannot be compared at all, empty when it can."""

    leaf: Leaf | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Comparable:
    """Looks attributes up; `with_tokens`: the key of the tokens is known."""

    catalog: Catalog
    with_tokens: bool

    def entry(self, node: Node, entry: Field | Computed) -> Traits:
        """Traits of one declared attribute of a node."""
        if isinstance(entry, Field):
            return self._field(self.catalog[node.table].columns[entry.column], entry)
        if isinstance(entry, Constant):
            return Traits(Leaf.JSON_TEXT if entry.type is FieldType.JSON else None)
        if isinstance(entry, Template):
            return Traits(reason=self._template(node, entry))
        return self._derived(node, entry)

    def child(self, child: Node) -> str:
        """Why a whole relation cannot be compared; empty when it can."""
        shown = real(child)
        far = unwrapped(shown)
        if child.lookup is Lookup.COPY or (far is not None and far.lookup is Lookup.COPY):
            return COPIED
        return ""

    def ordered(self, many: Node) -> bool:
        """Whether the order of a list is known: tokens order otherwise than the values they stand for."""
        columns = self.catalog[many.table].columns
        return not any(columns[name].tokened for name in (*many.order_by, *many.key))

    def _field(self, column: Column, item: Field) -> Traits:
        plain = item.type in (FieldType.DELIVERED, FieldType.TEXT) and not (item.values or item.otherwise)
        if column.tokened:
            return Traits(reason="" if self.with_tokens and plain else TOKEN_TYPE if self.with_tokens else TOKEN)
        shown = MAPPED if item.values or item.otherwise else column
        if item.type is FieldType.JSON and shown.category not in NUMBERS and shown.category is not Category.BOOLEAN:
            return Traits(_JSON_LEAVES[item.misfit])
        if shown.category in FLOATS:
            return Traits(Leaf.FLOAT4 if shown.category is Category.FLOAT4 else Leaf.FLOAT8)
        return Traits()

    def _template(self, node: Node, template: Template) -> str:
        for part in template.parts:
            if isinstance(part, str):
                continue
            if len(part) == 1:
                column = self.catalog[node.table].columns[part[0]]
                reason = FLOAT_TEXT if column.category in FLOATS else ""
                reason = TOKEN if column.tokened and not self.with_tokens else reason
            else:
                traits = self._path(node, part)
                reason = traits.reason or _as_text(traits.leaf)
            if reason:
                return reason
        return ""

    def _derived(self, node: Node, derived: Derived) -> Traits:
        many = next(child for child in node.children if child.name == derived.path[0])
        if reason := self.child(many):
            return Traits(reason=reason)
        if derived.function is Function.COUNT:
            return Traits()
        shown = real(many)
        element = real(unwrapped(shown) or shown)
        traits = self._path(element, derived.path[1:])
        if traits.reason:
            return traits
        if traits.leaf in JSON_LEAVES:
            return Traits(reason=JSON_VALUE)
        if derived.function is Function.SUM:
            return Traits(reason=_as_text(traits.leaf))
        return Traits(traits.leaf, TOKEN_ORDER if self._tokened(element, derived.path[1:]) else "")

    def _path(self, node: Node, path: tuple[str, ...]) -> Traits:
        for step in path[:-1]:
            child = next(child for child in node.children if child.name == step)
            if reason := self.child(child):
                return Traits(reason=reason)
            node = real(child)
        entry = next((entry for entry in (*node.fields, *node.computed) if entry.name == path[-1]), None)
        return self.entry(node, entry) if entry is not None else Traits()

    def _tokened(self, node: Node, path: tuple[str, ...]) -> bool:
        """Whether tokens take part in the value at a path."""
        for step in path[:-1]:
            node = real(next(child for child in node.children if child.name == step))
        columns = self.catalog[node.table].columns
        for entry in (*node.fields, *node.computed):
            if entry.name != path[-1] or isinstance(entry, Constant):
                continue
            if isinstance(entry, Field):
                return columns[entry.column].tokened
            if isinstance(entry, Template):
                paths = [part for part in entry.parts if not isinstance(part, str)]
                return any(columns[p[0]].tokened if len(p) == 1 else self._tokened(node, p) for p in paths)
        return False


def real(node: Node) -> Node:
    """The rows' own place: of a virtual place, the one below it."""
    return node.children[0] if node.virtual else node


def unwrapped(many: Node) -> Node | None:
    """The place whose objects stand for the elements of a link, None where the rows stand for themselves."""
    if many.kind is not Kind.MANY or many.unwrap is None:
        return None
    return next(child for child in many.children if child.name == many.unwrap)


def _as_text(leaf: Leaf | None) -> str:
    """Why an attribute cannot take part in a text or a sum."""
    if leaf in _FLOAT_LEAVES:
        return FLOAT_TEXT
    return JSON_VALUE if leaf in JSON_LEAVES else ""
