"""What is legal in mappings but seldom meant, or will be dear: warnings with codes that do not change."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from typing import Final

from contract.keys import MAX_SORT_VALUE_BYTES, scalar_text
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
    Mapping,
    Misfit,
    Node,
    Template,
    Test,
)
from contract.values import MAX_DEPTH
from worker.mapping.facts import Facts, Pair, Spot
from worker.mapping.loader import Reading
from worker.mapping.paths import is_list
from worker.mapping.problems import one_line


class Code(StrEnum):
    """What `--ignore` takes."""

    INDEX_NULL = "index-null"
    INDEX_CUT = "index-cut"
    INDEX_TIME = "index-time"
    UNBOUNDED_MANY = "unbounded-many"
    NESTED_MANY = "nested-many"
    TOO_DEEP = "too-deep"
    FAN_OUT = "fan-out"
    KEY_TYPE = "key-type"
    JOIN_TYPES = "join-types"
    HIDDEN_UNUSED = "hidden-unused"
    WHERE_NUMBER = "where-number"
    SENSITIVE_UNUSED = "sensitive-unused"
    NO_EXAMPLES = "no-examples"


@dataclass(frozen=True, slots=True, order=True)
class Warned:
    """A warning; `str()` is the line a person reads."""

    spot: Spot
    code: Code
    message: str

    def __str__(self) -> str:
        return one_line(f"{self.spot.path}:{self.spot.line}:{self.spot.column}: warning: {self.message} [{self.code}]")


@dataclass(frozen=True, slots=True)
class Seen:
    """A relation as it is declared: the rows it shows, and the nodes above them from the root on."""

    node: Node
    path: tuple[str, ...]
    above: tuple[Node, ...]
    spread: int


_TIME: Final = re.compile(r"(.*_)?(at|ts|time|timestamp|datetime)")
_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,40}(\.[0-9]{1,40})?")
_UNBOUNDED: Final = (FieldType.TEXT, FieldType.BINARY)
_NUMBERS: Final = (FieldType.INTEGER, FieldType.DECIMAL)


def lint(reading: Reading) -> list[Warned]:
    """All warnings, by file and line; of what could be read, so that problems elsewhere hide none."""
    found: list[Warned] = []
    for path, aggregate in reading.aggregates.items():
        facts = reading.facts[path]
        found += _indexes(aggregate, facts)
        found += _relations(aggregate, facts)
        if ("", "examples") not in facts.spots:
            found.append(_at(facts.spot("", "aggregate"), Code.NO_EXAMPLES, f"{aggregate.name} has no examples"))
    mapping = Mapping(tuple(reading.aggregates.values()))
    found += _columns(mapping, reading.facts.values())
    found += _sensitive(mapping, reading.facts.values())
    return sorted(set(found))


def _at(spot: Spot, code: Code, message: str) -> Warned:
    return Warned(spot, code, message)


def _indexes(aggregate: Aggregate, facts: Facts) -> Iterator[Warned]:
    entries: dict[str, Field | Computed] = {e.name: e for e in (*aggregate.root.fields, *aggregate.root.computed)}
    for index in aggregate.indexes:
        spot = facts.spot("", "indexes", index.name)
        named = dict.fromkeys((index.partition, *index.sort))
        used = [entries[name] for name in named if name in entries]  # what is not there is a problem by itself
        if nulls := [entry.name for entry in used if _can_be_null(entry, aggregate.root)]:
            text = f"index {index.name}: documents whose {' or '.join(nulls)} is null are not in it (it is sparse)"
            yield _at(spot, Code.INDEX_NULL, text)
        yield from _sort(index, [entries[name] for name in index.sort if name in entries], spot)


def _sort(index: Index, used: list[Field | Computed], spot: Spot) -> Iterator[Warned]:
    for entry in used:
        if isinstance(entry, Template) or (isinstance(entry, Field) and entry.type in _UNBOUNDED and not entry.values):
            share = MAX_SORT_VALUE_BYTES // len(used)
            yield _at(spot, Code.INDEX_CUT, f"index {index.name}: only the first {share} bytes of {entry.name} sort")
        if isinstance(entry, Field) and entry.type is FieldType.DELIVERED and _TIME.fullmatch(entry.column):
            text = f"index {index.name}: {entry.name} sorts as text: if it is a time, give it the type timestamptz"
            yield _at(spot, Code.INDEX_TIME, text)


def _can_be_null(entry: Field | Computed, root: Node) -> bool:
    if isinstance(entry, Constant):
        return False
    if isinstance(entry, Derived):
        return entry.function not in (Function.COUNT, Function.SUM)
    never = {*root.key, *(rule.column for rule in root.where if _excludes_null(rule))}
    if isinstance(entry, Template):
        return any(not isinstance(part, str) and (len(part) > 1 or part[0] not in never) for part in entry.parts)
    shown = (*(text for _, text in entry.values), *entry.otherwise)
    return entry.misfit is Misfit.NULL or None in shown or entry.column not in never


def _excludes_null(rule: Filter) -> bool:
    return (None in rule.values) if rule.test is Test.NOT else None not in rule.values


def _where(node: Node, name: str, spot: Spot) -> Iterator[Warned]:
    for rule in node.where:
        for value in rule.values if rule.test in (Test.IN, Test.NOT) else ():
            if isinstance(value, str) and _NUMBER.fullmatch(value) and scalar_text(Decimal(value)) != value:
                text = f"{name}: where {rule.column}: {value} equals the same text, but no number (they have no zeros"
                yield _at(spot, Code.WHERE_NUMBER, f"{text} before or after)")


def _relations(aggregate: Aggregate, facts: Facts) -> Iterator[Warned]:
    yield from _where(aggregate.root, aggregate.name, facts.spot("", "where"))
    if (levels := _nesting(aggregate.root)) > MAX_DEPTH:
        text = (
            f"{aggregate.name}: a document with all its levels nests {levels} deep, it is parked: {MAX_DEPTH} at most"
        )
        yield _at(facts.spot("", "aggregate"), Code.TOO_DEEP, text)
    used = _used(aggregate.root)
    for seen in _seen(aggregate.root, (), (aggregate.root,)):
        node, name = seen.node, ".".join((aggregate.name, *seen.path))
        if seen.path not in facts.spots:
            continue  # repeated by depth: told where it is declared
        spot = facts.spot(*seen.path)
        yield from _where(node, name, spot)
        within = [above for above in seen.above[1:] if above.kind is Kind.MANY]
        if node.kind is Kind.MANY and within:
            yield _at(
                spot,
                Code.NESTED_MANY,
                f"{name}: a list within a list: all of it stands in one document of at most 4 MB",
            )
        elif node.kind is Kind.MANY and not node.where:
            text = (
                f"{name}: nothing bounds this list; a document has at most 4 MB, and one of up to 400 KB is written as"
                " a whole"
            )
            yield _at(spot, Code.UNBOUNDED_MANY, text)
        if node.kind is Kind.ONE and len(seen.path) > 1 and node.lookup is Lookup.FOLLOW and seen.spread == 1:
            text = f"{name}: a change of one row of {node.table} rewrites every {aggregate.name} that shows it"
            yield _at(spot, Code.FAN_OUT, f"{text}; if these can be very many, think of `lookup: copy` or `spread`")
        if node.hidden and seen.path not in used:
            yield _at(spot, Code.HIDDEN_UNUSED, f"{name}: hidden, and no computed attribute reads it")


def _nesting(node: Node) -> int:
    """Objects and lists within each other below a node, as a document has them; an object in a list are two."""
    found = [0]
    for child in node.children:
        if not child.hidden:
            inner = child.children[0] if child.virtual else child
            found.append((2 if is_list(child) else 1) + _nesting(inner))
    return max(found)


def _seen(node: Node, path: tuple[str, ...], above: tuple[Node, ...]) -> Iterator[Seen]:
    for child in node.children:
        inner = child.children[0] if child.virtual else child
        shown = inner if not child.first else _as_one(inner)
        below = (*path, child.name)
        yield Seen(shown, below, above, child.spread)
        yield from _seen(inner, below, (*above, shown))


def _as_one(inner: Node) -> Node:
    """The rows behind a virtual place of a `one` are compiled as its `many`; here they count as declared."""
    return replace(inner, kind=Kind.ONE)


def _used(root: Node) -> set[tuple[str, ...]]:
    """The relations, by path, that computed attributes read."""
    found: set[tuple[str, ...]] = set()
    everywhere = [((), root), *((seen.path, seen.node) for seen in _seen(root, (), (root,)))]
    for path, node in everywhere:
        for entry in node.computed:
            if isinstance(entry, Derived):
                found |= _steps(node, path, entry.path if entry.function is Function.COUNT else entry.path[:-1])
            elif isinstance(entry, Template):
                for part in entry.parts:
                    found |= _steps(node, path, () if isinstance(part, str) else part[:-1])
    return found


def _steps(node: Node, path: tuple[str, ...], names: tuple[str, ...]) -> set[tuple[str, ...]]:
    found: set[tuple[str, ...]] = set()
    for name in names:
        child = next(child for child in node.children if child.name == name)
        node, path = (child.children[0] if child.virtual else child), (*path, name)
        found.add(path)
        while node.unwrap is not None:
            child = next(child for child in node.children if child.name == node.unwrap)
            node, path = (child.children[0] if child.virtual else child), (*path, child.name)
            found.add(path)
    return found


def _columns(mapping: Mapping, facts: Iterable[Facts]) -> Iterator[Warned]:
    types: dict[tuple[str, str], set[FieldType]] = {}
    for aggregate in mapping.aggregates:
        for node in aggregate.root.walk():
            for field in node.fields:
                types.setdefault((node.table, field.column), set()).add(field.type)
    for found in facts:
        for table, key, spot in found.keys:
            for column in key:
                for kind in types.get((table, column), set()) & {FieldType.JSON, FieldType.BINARY}:
                    text = f"{table}: {column} is part of a key and shown as {kind}: it may come as a LOB, no key"
                    yield _at(spot, Code.KEY_TYPE, text)
        yield from (warned for pair in found.pairs for warned in _pair(pair, types))


def _pair(pair: Pair, types: dict[tuple[str, str], set[FieldType]]) -> Iterator[Warned]:
    for one, other in ((pair.one, pair.other), (pair.other, pair.one)):
        if FieldType.TEXT in types.get(one, set()) and types.get(other, set()) & {*_NUMBERS}:
            text = f"{one[0]}: {one[1]} is text and {other[0]}: {other[1]} a number: `007` never meets 7"
            yield _at(pair.spot, Code.JOIN_TYPES, text)


def _sensitive(mapping: Mapping, facts: Iterable[Facts]) -> Iterator[Warned]:
    for found in facts:
        for (table, column), spot in found.sensitive.items():
            if table not in mapping.tables:
                yield _at(spot, Code.SENSITIVE_UNUSED, f"{table}: {column}: no mapping uses this table")
