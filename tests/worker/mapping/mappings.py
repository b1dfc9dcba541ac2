"""Aggregates as the language can say them, drawn at random, and written down as YAML."""

from __future__ import annotations

from typing import Any, Final

import yaml
from hypothesis import strategies as st

from contract.mapping import (
    Aggregate,
    Computed,
    Constant,
    Derived,
    Field,
    FieldType,
    Filter,
    Function,
    Index,
    Kind,
    Lookup,
    Misfit,
    Node,
    Template,
    Test,
)

KEYS: Final = {"s.a": ("id",), "s.b": ("x", "y"), "s.c": ("k",), "012.on": ("p", "q", "r")}
COLUMNS: Final = ("c1", "c2", "null", "no", "012", "a b", "ütf", "2024-01-01", "{", "x: y")
TEXTS: Final = ("", "a", "null", "~", "no", "1.50", "a: b", "{x}", "é\n")

columns = st.sampled_from(COLUMNS)
values = st.none() | st.sampled_from(TEXTS)
names = st.sampled_from([f"n{n}" for n in range(6)] + ["on", "no", "null", "1"])


@st.composite
def fields(draw: st.DrawFn, name: str) -> Field:
    pairs: dict[str | None, str | None] = draw(st.dictionaries(values, values, max_size=3))
    return Field(
        name,
        draw(st.just(name) | columns),
        draw(st.sampled_from(FieldType)),
        draw(st.sampled_from(Misfit)),
        tuple(pairs.items()),
        (draw(values),) if len(pairs) > 0 and draw(st.booleans()) else (),
    )


@st.composite
def filters(draw: st.DrawFn) -> tuple[Filter, ...]:
    found: list[Filter] = []
    for column in draw(st.lists(columns, max_size=2, unique=True)):
        many = st.lists(values, min_size=1, max_size=3).map(tuple)
        if draw(st.booleans()):
            found.append(Filter(column, draw(many)))
            continue
        tests = draw(st.lists(st.sampled_from([t for t in Test if t is not Test.IN]), min_size=1, unique=True))
        one = st.sampled_from(TEXTS).map(lambda text: (text,))
        found += [Filter(column, draw(many if test is Test.NOT else one), test) for test in tests]
    return tuple(found)


def _shown(node: Node) -> Node:
    inner = node.children[0] if node.virtual else node
    unwrapped = [child for child in inner.children if child.name == inner.unwrap]
    return _shown(unwrapped[0]) if unwrapped else inner


def _attributes(node: Node) -> list[str]:
    return [entry.name for entry in (*node.fields, *node.computed)]


@st.composite
def computed(draw: st.DrawFn, name: str, children: tuple[Node, ...]) -> Computed:
    lists = [child for child in children if (not child.first if child.virtual else child.kind is Kind.MANY)]
    ones = [(one.name, a) for one in children if one not in lists for a in _attributes(_shown(one)) if "." not in a]
    functions = [f for f in Function if f is Function.COUNT or any(_attributes(_shown(child)) for child in lists)]
    form = draw(st.sampled_from(["constant", "template", *(["derived"] if lists else [])]))
    if form == "constant":
        return Constant(
            name, draw(st.sampled_from(TEXTS)), draw(st.sampled_from([FieldType.DELIVERED, FieldType.TEXT]))
        )
    if form == "template":
        path = st.sampled_from([(c,) for c in COLUMNS if "{" not in c] + ones)
        parts: list[Any] = [draw(path)]
        for _ in range(draw(st.integers(0, 2))):
            parts += [draw(st.sampled_from(["{", "x}", " of "])), draw(path)]
        return Template(name, tuple(parts))
    function = draw(st.sampled_from(functions))
    if function is Function.COUNT:
        return Derived(name, function, (draw(st.sampled_from(lists)).name,))
    over = draw(st.sampled_from([child for child in lists if _attributes(_shown(child))]))
    return Derived(name, function, (over.name, draw(st.sampled_from(_attributes(_shown(over))))))


@st.composite
def nodes(draw: st.DrawFn, name: str, kind: Kind, above: tuple[str, tuple[str, ...]] | None, depth: int) -> Node:
    table = draw(st.sampled_from(sorted(KEYS)))
    key = KEYS[table]
    copied = kind is Kind.ONE and draw(st.integers(0, 3)) == 0
    used = draw(st.lists(names, max_size=6, unique=True))
    cut, last = (
        (len(used), len(used)) if copied else sorted([draw(st.integers(0, len(used))), draw(st.integers(0, len(used)))])
    )
    relations = [] if depth == 0 or copied else used[last:]
    split = draw(st.integers(0, len(relations)))
    children = tuple(
        draw(nodes(child, Kind.ONE if at < split else Kind.MANY, (table, key), depth - 1))
        for at, child in enumerate(relations)
    )
    ones = [c.name for c in children if (c.first if c.virtual else c.kind is Kind.ONE) and not c.hidden]
    unwrap = draw(st.none() | st.sampled_from(ones)) if kind is Kind.MANY and ones else None
    to = (
        ()
        if above is None or copied
        else draw(st.just(()) | st.lists(columns, min_size=1, max_size=2, unique=True).map(tuple))
    )
    paired = to or (key if kind is Kind.ONE else above[1] if above else ())
    node = Node(
        name=name,
        kind=kind,
        table=table,
        key=key,
        join=tuple(draw(st.permutations(COLUMNS))[: len(paired)]),
        fields=tuple(draw(fields(each)) for each in used[:cut]),
        children=children,
        order_by=tuple(draw(st.lists(columns, max_size=2, unique=True))) if kind is Kind.MANY else (),
        where=() if copied else draw(filters()),
        unwrap=unwrap,
        computed=tuple(draw(computed(each, children)) for each in used[cut:last]),
        hidden=kind is not Kind.ROOT and draw(st.booleans()),
        lookup=Lookup.COPY if copied else Lookup.FOLLOW,
        spread=2 if kind is Kind.ONE and draw(st.booleans()) else 1,
    )
    return _virtual(node, above[0], to) if to and above else node


def _virtual(node: Node, parent: str, to: tuple[str, ...]) -> Node:
    one = node.kind is Kind.ONE
    inner = {**{name: getattr(node, name) for name in node.__dataclass_fields__}, "kind": Kind.MANY, "spread": 1}
    return Node(
        name=node.name,
        kind=Kind.ONE,
        table=f"{node.table if one else parent}@{','.join(to)}",
        key=to,
        join=node.join if one else to,
        children=(Node(**{**inner, "join": to if one else node.join}),),
        hidden=node.hidden,
        spread=node.spread,
        first=one,
    )


@st.composite
def aggregates(draw: st.DrawFn) -> Aggregate:
    """One that the language can say; its foreign keys have one spread."""
    root = draw(nodes("order", Kind.ROOT, None, 2))
    scalars = [
        entry.name
        for entry in (*root.fields, *root.computed)
        if not (isinstance(entry, Field) and entry.type is FieldType.JSON)
    ]
    chosen = st.lists(st.sampled_from(scalars), max_size=3, unique=True).map(tuple) if scalars else st.just(())
    indexes = tuple(
        Index(f"i{slot}", slot, draw(st.sampled_from(scalars)), draw(chosen))
        for slot in range(1, 1 + (draw(st.integers(0, 3)) if scalars else 0))
    )
    return Aggregate("order", draw(st.sampled_from(["orders", "x-1"])), root, indexes, draw(st.integers(1, 99)))


def written(aggregate: Aggregate) -> str:
    """The YAML text of an aggregate."""
    entries = {
        "aggregate": aggregate.name,
        "collection": aggregate.collection,
        "generation": aggregate.generation,
        **_entry(aggregate.root),
        "indexes": {i.name: {"partition": i.partition, "sort": list(i.sort)} for i in aggregate.indexes},
    }
    for index in entries["indexes"].values():
        if not index["sort"]:
            del index["sort"]
    return yaml.safe_dump(entries, sort_keys=False, allow_unicode=True)


def _entry(node: Node) -> dict[str, Any]:
    outer, node = node, node.children[0] if node.virtual else node
    entries: dict[str, Any] = {"source": node.table, "key": list(node.key)}
    if outer.virtual:
        mine, theirs = list(outer.join), list(node.join)
        entries |= {"join": mine, "to": theirs} if outer.first else {"join": theirs, "to": mine}
    elif node.join:
        entries["join"] = list(node.join)
    entries["fields"] = [{entry.name: _field(entry)} for entry in (*node.fields, *node.computed)]
    entries |= {"where": _where(node.where)} if node.where else {}
    entries |= {"order_by": list(node.order_by)} if node.order_by else {}
    entries |= {"unwrap": node.unwrap} if node.unwrap else {}
    entries |= {"hidden": True} if outer.hidden else {}
    entries |= {"lookup": str(outer.lookup)} if outer.lookup is Lookup.COPY else {}
    entries |= {"spread": outer.spread} if outer.spread > 1 else {}
    ones = {c.name: _entry(c) for c in node.children if (c.first if c.virtual else c.kind is Kind.ONE)}
    lists = {c.name: _entry(c) for c in node.children if c.name not in ones}
    return {**entries, **({"one": ones} if ones else {}), **({"many": lists} if lists else {})}


def _field(entry: Field | Computed) -> Any:
    if isinstance(entry, Constant):
        return {"constant": entry.text, "type": str(entry.type)}
    if isinstance(entry, Template):
        parts = (
            part.replace("{", "{{").replace("}", "}}") if isinstance(part, str) else "{" + ".".join(part) + "}"
            for part in entry.parts
        )
        return {"template": "".join(parts)}
    if isinstance(entry, Derived):
        return {str(entry.function): ".".join(entry.path)}
    found: dict[str, Any] = {"column": entry.column, "type": str(entry.type), "misfit": str(entry.misfit)}
    found |= {"values": dict(entry.values)} if entry.values else {}
    return {**found, **({"otherwise": entry.otherwise[0]} if entry.otherwise else {})}


def _where(rules: tuple[Filter, ...]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for rule in rules:
        if rule.test is Test.IN:
            found[rule.column] = list(rule.values)
        else:
            value = list(rule.values) if rule.test is Test.NOT else rule.values[0]
            found.setdefault(rule.column, {})[str(rule.test)] = value
    return found
