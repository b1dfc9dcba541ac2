"""Random mappings over a random schema, as YAML text in the language that users write.

A mapping is kept as the plain data that the YAML says, so that the second oracle needs no reader.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import yaml

from tests.proof import attributes
from tests.proof.schema import Reference, Schema, Table
from tests.proof.values import Kind

Tree = dict[str, Any]

_LEVELS: Final = 4
_MOST_PLACES: Final = 9
_LARGE_ONLY_ABOVE: Final = 2
"""Large columns stand near the root only, else a document would be larger than a store takes."""


@dataclass(frozen=True)
class Via:
    """One way from a table to another: `one` along a foreign key, `many` against it."""

    relation: str
    reference: Reference

    @property
    def far(self) -> str:
        """The table it leads to."""
        return self.reference.parent if self.relation == "one" else self.reference.table

    @property
    def turns_back(self) -> bool:
        """Whether it leads from a table to itself."""
        return self.reference.parent == self.reference.table


def make_mappings(rng: random.Random, schema: Schema) -> list[Tree]:
    """One to three aggregates; then, of tables that none of them uses, some whose documents hold their row."""
    maker = _Maker(rng, schema)
    related = [table for reference in schema.references for table in (reference.table, reference.parent)]
    roots = list(dict.fromkeys(rng.choices([*related, *schema.tables], k=rng.choice((1, 2, 2, 3)))))
    if rng.random() < 0.1:
        roots = []
    trees = [maker.aggregate(number, schema.tables[root]) for number, root in enumerate(roots)]
    used = {source for tree in trees for source in _sources(tree)}
    free = [table for table in schema.tables.values() if f"{schema.name}.{table.name}" not in used]
    alone = rng.sample(free, min(len(free), rng.choice((1, 1, 2))))
    return trees + [maker.alone(len(trees) + number, table) for number, table in enumerate(alone)]


def _sources(node: Tree) -> Iterator[str]:
    yield node["source"]
    for relation in ("one", "many"):
        for child in node.get(relation, {}).values():
            yield from _sources(child)


def sensitive(schema: Schema) -> Tree:
    """The file of tables; empty when nothing is sensitive."""
    tables = {
        f"{schema.name}.{table.name}": {"sensitive": {c.name: c.policy for c in table.columns.values() if c.policy}}
        for table in schema.tables.values()
        if any(column.policy for column in table.columns.values())
    }
    return {"tables": tables} if tables else {}


def yaml_text(tree: Tree) -> str:
    """The mapping as a file."""
    return yaml.safe_dump(tree, sort_keys=False, allow_unicode=True, width=110)


class _Maker:
    def __init__(self, rng: random.Random, schema: Schema) -> None:
        self._rng = rng
        self._schema = schema
        self._places = 0
        self._relations_made = 0
        # the order of a key's columns is the mapping's choice, the same everywhere; so is a foreign key's spread
        self._keys = {
            table.name: tuple(rng.sample(table.key, len(table.key))) if rng.random() < 0.2 else table.key
            for table in schema.tables.values()
        }
        self._spreads = {r: rng.choice((2, 7, 256)) if rng.random() < 0.15 else 1 for r in schema.references}

    def aggregate(self, number: int, table: Table) -> Tree:
        self._places = 0
        tree = {"aggregate": f"a{number}", **self._node(table, 0, None)}
        indexes = attributes.indexes(self._rng, tree, table)
        return {**tree, **({"indexes": indexes} if indexes else {})}

    def alone(self, number: int, table: Table) -> Tree:
        """A table without relations, every column shown as it is or through a type, some in other ways besides."""
        columns = [column for column in table.columns.values() if column.policy != "drop"]
        fields = [attributes.field(self._rng, column, at) for at, column in enumerate(columns)]
        fields += [{f"plain {at}": column.name} for at, column in enumerate(columns) if _is_mapped(fields[at])]
        node: Tree = {"source": f"{self._schema.name}.{table.name}", "key": _listed(self._keys[table.name])}
        node["fields"] = fields
        node["fields"] += attributes.computed(self._rng, node, table, self._schema)
        indexes = attributes.indexes(self._rng, node, table)
        return {"aggregate": f"a{number}", **node, **({"indexes": indexes} if indexes else {})}

    def _node(self, table: Table, depth: int, via: Via | None) -> Tree:
        self._places += 1
        node: Tree = {"source": f"{self._schema.name}.{table.name}", "key": _listed(self._keys[table.name])}
        if via is not None:
            node |= self._join(via)
        if via is not None and via.relation == "one" and "to" not in node and self._rng.random() < 0.08:
            return {**node, "lookup": "copy", "fields": attributes.untyped(self._fields(table, depth), table)}
        if self._rng.random() < 0.3 and (where := attributes.where(self._rng, table)):
            node["where"] = where
        if via is not None and via.relation == "many" and self._rng.random() < 0.5:
            node |= self._order(table)
        node["fields"] = self._fields(table, depth)
        self._relations(node, table, depth)
        if via is not None and via.turns_back and "to" not in node and self._rng.random() < 0.3:
            node["depth"] = self._rng.choice((1, 2, 3))
        node["fields"] += attributes.computed(self._rng, node, table, self._schema)
        ones = [name for name, one in node.get("one", {}).items() if not one.get("hidden")]
        if via is not None and via.relation == "many" and ones and self._rng.random() < 0.35:
            node["unwrap"] = self._rng.choice(ones)
            if self._rng.random() < 0.5:
                del node["fields"]
        if via is not None and self._rng.random() < 0.15:
            node["hidden"] = True
        return node

    def _relations(self, node: Tree, table: Table, depth: int) -> None:
        ways = self._ways(table)
        if depth + 1 >= _LEVELS or not ways:
            return
        wanted = self._rng.choice((1, 2, 3) if depth == 0 else (0, 1, 1, 2) if depth == 1 else (0, 0, 1))
        for _ in range(wanted):
            if self._places >= _MOST_PLACES:
                return
            via = self._rng.choice(ways)
            below = self._node(self._schema.tables[via.far], depth + 1, via)
            self._relations_made += 1
            name = f"r{self._relations_made}" if self._rng.random() < 0.9 else f"R {self._relations_made}'\""
            node.setdefault(via.relation, {})[name] = below

    def _ways(self, table: Table) -> list[Via]:
        found = [Via("many", reference) for reference in self._schema.references if reference.parent == table.name]
        return [*found, *(Via("one", reference) for reference in self._schema.of(table.name))]

    def _join(self, via: Via) -> Tree:
        """The columns that hold the parent's key, in the order of that key, or of other unique columns: `to`."""
        reference = via.reference
        held = dict(zip(reference.target, reference.columns, strict=True))
        key = self._keys[reference.parent]
        spread = {"spread": self._spreads[reference]} if via.relation == "one" and self._spreads[reference] > 1 else {}
        if set(reference.target) == set(key):
            return {"join": _listed(tuple(held[name] for name in key)), **spread}
        return {"join": _listed(reference.columns), "to": _listed(reference.target), **spread}

    def _fields(self, table: Table, depth: int) -> list[Any]:
        columns = [c for c in table.columns.values() if not c.large or depth < _LARGE_ONLY_ABOVE]
        columns = [column for column in columns if column.policy != "drop"]
        chosen = self._rng.sample(columns, self._rng.randint(1, len(columns)))
        return [attributes.field(self._rng, column, number) for number, column in enumerate(chosen)]

    def _order(self, table: Table) -> Tree:
        columns = [c for c in table.columns.values() if c.type.kind is not Kind.JSON and not c.strange]
        columns = [column for column in columns if column.policy != "drop"]
        if not columns:
            return {}
        chosen = self._rng.sample(columns, min(len(columns), self._rng.choice((1, 1, 2))))
        return {"order_by": _listed(tuple(column.name for column in chosen))}


def _is_mapped(entry: Any) -> bool:
    return isinstance(entry, dict) and any(isinstance(s, dict) and "values" in s for s in entry.values())


def _listed(columns: tuple[str, ...]) -> Any:
    return columns[0] if len(columns) == 1 else list(columns)
