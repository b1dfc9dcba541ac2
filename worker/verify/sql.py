"""One SQL statement per aggregate that lets the source itself join every expected document. Pure.

Each place of the tree is a sub-select correlated with the place above it, so that rows flow through the server one
document at a time. `jsonb_agg(... ORDER BY ...)` makes a `many`; a `one` without a row is NULL. Computed attributes
are made of the row's finished jsonb, one select further out.
"""

# every name is quoted, every constant escaped
# ruff: noqa: S608

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from contract.mapping import Aggregate, Computed, Constant, Derived, Field, FieldType, Kind, Misfit, Node, Template
from worker.verify import attributes, render
from worker.verify.columns import Catalog, Category, Column
from worker.verify.comparable import Comparable, Traits, real, unwrapped
from worker.verify.compare import Leaf, Shape
from worker.verify.marks import Marks
from worker.verify.report import Uncompared

Position = Sequence[str]


@dataclass(frozen=True, slots=True)
class Statement:
    """Gives (position, key values as a JSON list, document as JSON) per expected document.

    A position is the key in the source's own texts, as a JSON list; `order` has its columns as the source's index does.
    """

    aggregate: Aggregate
    shape: Shape
    marks: Marks
    uncompared: tuple[Uncompared, ...]
    select: str
    rows: str
    conditions: tuple[str, ...]
    key: tuple[tuple[Column, str], ...]
    order: tuple[str, ...]

    def after(self, position: Position | None, limit: int | None) -> str:
        """The documents behind a position (None: from the first), at most `limit` of them, in key order."""
        conditions = list(self.conditions)
        if position is not None:
            conditions.append(f"({', '.join(self.order)}) > ({', '.join(map(render.literal, position))})")
        tail = f" ORDER BY {', '.join(self.order)}" + (f" LIMIT {limit}" if limit is not None else "")
        return self._documents(conditions, tail)

    def at(self, positions: Iterable[Position]) -> str:
        """The documents at some positions."""
        wanted = [
            f"({' AND '.join(f'{r} = {render.literal(p)}' for r, p in zip(self.order, position, strict=True))})"
            for position in positions
        ]
        return self._documents([*self.conditions, f"({' OR '.join(wanted) or 'false'})"], "")

    def of(self, keys: Iterable[Sequence[str]]) -> str:
        """The documents of some keys, given as the key texts of their parts; a few others may be among them."""
        wanted = [
            f"({' AND '.join(render.equal_to(c, r, part) for (c, r), part in zip(self.key, parts, strict=True))})"
            for parts in keys
            if len(parts) == len(self.key)
        ]
        return self._documents([*self.conditions, f"({' OR '.join(wanted) or 'false'})"], "")

    def _documents(self, conditions: list[str], tail: str) -> str:
        # OFFSET 0 keeps the sort below the documents: narrow rows are sorted, each document is built when it is fetched
        rows = _select("*", f"{self.rows}{_where(conditions)}{tail} OFFSET 0")
        alias = self.rows.rpartition(" ")[2]
        return _select(self.select, f"({rows}) {alias}")


def statement(aggregate: Aggregate, catalog: Catalog, marks: Marks, *, with_tokens: bool = False) -> Statement:
    """The statement of an aggregate that has no `problems`; `with_tokens`: the reader knows the key of the tokens."""
    writer = _Writer(catalog, marks, Comparable(catalog, with_tokens))
    root = aggregate.root
    alias = writer.alias()
    shape: Shape = {}
    document = writer.object(root, alias, shape, aggregate.name)
    key = tuple((catalog[root.table].columns[name], _reference(alias, name)) for name in root.key)
    shown = ", ".join(
        f"to_jsonb({attributes.shown(column, reference, marks)})"
        if column.tokened
        else render.delivered(column, reference)
        for column, reference in key
    )
    order = tuple(_reference(alias, name) for name in catalog[root.table].in_index_order(root.key))
    position = ", ".join(f"{reference}::text" for reference in order)
    select = f"jsonb_build_array({position})::text, jsonb_build_array({shown})::text, ({document})::text"
    conditions = (
        *writer.filters(root, alias),
        *(f"({render.number(c, r)}) IS NOT NULL" for c, r in key if c.category is Category.NUMERIC),  # NaN is no key
    )
    rows = f"{_table(root)} {alias}"
    return Statement(aggregate, shape, marks, tuple(writer.uncompared), select, rows, conditions, key, order)


@dataclass(slots=True)
class _Writer:
    """Writes the expressions of one statement; every place gets an alias of its own."""

    catalog: Catalog
    marks: Marks
    comparable: Comparable
    aliases: int = field(default=0)
    uncompared: list[Uncompared] = field(default_factory=list)

    def alias(self) -> str:
        self.aliases += 1
        return f"t{self.aliases}"

    def object(self, node: Node, alias: str, shape: Shape, place: str) -> str:
        """jsonb of a row at its place with everything below it; notes in `shape` what needs care."""
        kept = [entry for entry in (*node.fields, *node.computed) if self.keeps(node, entry, shape, place)]
        pairs = [(item.name, self.field(node, item, alias)) for item in kept if isinstance(item, Field)]
        computed = [entry for entry in kept if not isinstance(entry, Field)]
        hidden: list[tuple[str, str]] = []
        for child in node.children:
            if child.hidden and not _feeds(child, computed) and not _may_park(child):
                continue
            below: Shape = {}
            if self.leaves_out(child, shape, place):
                continue
            if not child.hidden:
                pairs.append((child.name, self.relation(node, child, alias, below, f"{place}.{child.name}")))
                shape.update({child.name: below} if below else {})
            if child.hidden or (_hides(child) and _feeds(child, computed)):
                hidden.append((child.name, self.bared(node, child, alias, f"{place}.{child.name}")))
        if not computed and not hidden:
            return render.json_object(pairs)
        names = frozenset(name for name, _ in hidden)
        more = [(entry.name, self.computed(node, entry, alias, names)) for entry in computed]
        unfit, parked = render.literal(self.marks.unfit), ""
        for name in sorted(child.name for child in node.children if child.hidden and _may_park(child)):
            # what parks in a hidden relation parks the document, too
            shown = render.literal(name)
            found = f"strpos((o.h -> {shown})::text, {unfit}) > 0"
            parked += f" || CASE WHEN {found} THEN jsonb_build_object({shown}, {unfit}) ELSE '{{}}' END"
        rows = f"(SELECT {render.json_object(pairs)} AS d, {render.json_object(hidden)} AS h OFFSET 0) o"
        return f"(SELECT o.d || {render.json_object(more)}{parked} FROM {rows})"

    def keeps(self, node: Node, entry: Field | Computed, shape: Shape, place: str) -> bool:
        traits: Traits = self.comparable.entry(node, entry)
        if traits.reason:
            self.uncompared.append(Uncompared(f"{place}.{entry.name}", traits.reason))
            shape[entry.name] = Leaf.UNCOMPARED
        elif traits.leaf is not None:
            shape[entry.name] = traits.leaf
        return not traits.reason

    def leaves_out(self, child: Node, shape: Shape, place: str) -> bool:
        reason = self.comparable.child(child)
        if reason and not child.hidden:
            self.uncompared.append(Uncompared(f"{place}.{child.name}", reason))
            shape[child.name] = Leaf.UNCOMPARED
        return bool(reason)

    def field(self, node: Node, item: Field, alias: str) -> str:
        column = self.catalog[node.table].columns[item.column]
        return attributes.field(item, column, _reference(alias, item.column), self.marks)

    def computed(self, node: Node, entry: Computed, alias: str, hidden: frozenset[str]) -> str:
        if isinstance(entry, Constant):
            return attributes.constant(entry, self.marks)
        if isinstance(entry, Template):
            return attributes.template(entry, self.catalog[node.table].columns, alias, hidden, self.marks)
        return attributes.derived(entry, hidden, self.marks)

    def relation(self, parent: Node, child: Node, alias: str, shape: Shape, place: str) -> str:
        """A virtual place is no row: what stands below it holds the same values as the row above it."""
        if child.virtual:
            rows = real(child)
            elements = self.many(parent, child.join, rows, alias, shape, place)
            return f"({elements} -> 0)" if child.first else elements
        if child.kind is Kind.ONE:
            return self.one(parent, child, alias, shape, place)
        return self.many(parent, parent.key, child, alias, shape, place)

    def bared(self, parent: Node, child: Node, alias: str, place: str) -> str:
        """A relation with all that is hidden in it, for the computed attributes above, which may read it."""
        known = len(self.uncompared)
        value = self.relation(parent, _bared(child), alias, {}, place)
        if not child.hidden:
            del self.uncompared[known:]  # named where it is shown
        return value

    def one(self, parent: Node, child: Node, parent_alias: str, shape: Shape, place: str) -> str:
        """The row that my columns point at; a NULL in any of them points nowhere, as SQL's `=` has it."""
        alias = self.alias()
        joined = self.join(parent, child.join, parent_alias, child, child.key, alias)
        where = [*joined, *self.filters(child, alias)]
        return f"({_select(self.object(child, alias, shape, place), f'{_table(child)} {alias}{_where(where)}')})"

    def many(
        self, parent: Node, mine: tuple[str, ...], child: Node, parent_alias: str, shape: Shape, place: str
    ) -> str:
        """The rows whose columns hold mine, in order, or with `unwrap` what each of them points at."""
        alias = self.alias()
        joined = self.join(parent, mine, parent_alias, child, child.join, alias)
        where = _where([*joined, *self.filters(child, alias)])
        columns = self.catalog[child.table].columns
        ordered = dict.fromkeys((*child.order_by, *child.key))
        order = ", ".join(render.sort_keys(columns[name], _reference(alias, name)) for name in ordered)
        if not self.comparable.ordered(child):
            shape[""] = Leaf.ANY_ORDER
        far = unwrapped(child)
        if far is None:
            element, present, beside = self.object(child, alias, shape, place), "", ""
        else:
            element = f"{alias}f.document"
            present = f" FILTER (WHERE {element} IS NOT NULL)"
            # OFFSET 0 keeps the planner from building each far side twice, once for the filter
            document = self.relation(child, far, alias, shape, place)
            beside = f", LATERAL (SELECT {document} AS document OFFSET 0) {alias}f"
        aggregated = f"jsonb_agg({element} ORDER BY {order}){present}"
        return f"coalesce(({_select(aggregated, f'{_table(child)} {alias}{beside}{where}')}), '[]'::jsonb)"

    def join(
        self, parent: Node, mine: tuple[str, ...], parent_alias: str, child: Node, theirs: tuple[str, ...], alias: str
    ) -> Iterator[str]:
        above, below = self.catalog[parent.table].columns, self.catalog[child.table].columns
        for my_name, their_name in zip(mine, theirs, strict=True):
            yield render.equal(
                below[their_name], _reference(alias, their_name), above[my_name], _reference(parent_alias, my_name)
            )

    def filters(self, node: Node, alias: str) -> Iterator[str]:
        """Conditions of `where`."""
        columns = self.catalog[node.table].columns
        for rule in node.where:
            yield attributes.condition(rule, columns[rule.column], _reference(alias, rule.column))


def _feeds(child: Node, computed: Iterable[Computed]) -> bool:
    """Whether a computed attribute reads a relation."""
    return any(
        entry.path[0] == child.name
        if isinstance(entry, Derived)
        else isinstance(entry, Template) and any(not isinstance(p, str) and p[0] == child.name for p in entry.parts)
        for entry in computed
    )


def _hides(node: Node) -> bool:
    return any(place.hidden for place in node.walk())


def _bared(node: Node) -> Node:
    return replace(node, hidden=False, children=tuple(map(_bared, node.children)))


def _may_park(node: Node) -> bool:
    """Whether a value at this place or below may fit so badly that the document waits."""
    for place in node.walk():
        if any(isinstance(entry, (Template, Derived)) for entry in place.computed):
            return True
        for item in place.fields:
            typed = item.type not in (FieldType.DELIVERED, FieldType.TEXT)
            if item.misfit is Misfit.PARK and (typed or (item.values and not item.otherwise)):
                return True
    return False


def _select(columns: str, rows: str) -> str:
    return f"SELECT {columns} FROM {rows}"


def _where(conditions: Iterator[str] | list[str]) -> str:
    text = " AND ".join(conditions)
    return f" WHERE {text}" if text else ""


def _table(node: Node) -> str:
    schema, _, name = node.table.partition(".")
    return f"{render.identifier(schema)}.{render.identifier(name)}"


def _reference(alias: str, column: str) -> str:
    return f"{alias}.{render.identifier(column)}"
