"""SQL that gives the rows one document is made of, column by column as change records have them. Pure."""

# every name is quoted, every constant escaped
# ruff: noqa: S608

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from contract.mapping import Aggregate, Field, Kind, Mapping, Node
from worker.verify import attributes, render
from worker.verify.columns import FLOATS, Catalog, Category
from worker.verify.comparable import real
from worker.verify.compare import Leaf, Shape
from worker.verify.marks import Marks


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of one table at one place. `sql` gives (position, key values, columns), as a statement does."""

    table: str
    shape: Shape
    sql: str
    root: bool


@dataclass(frozen=True, slots=True)
class RowFinder:
    """Finds rows by the keys of documents."""

    mapping: Mapping
    catalog: Catalog
    marks: Marks
    with_tokens: bool

    def rows(self, aggregate: Aggregate, key: Sequence[str]) -> list[Rows]:
        """What every place of a document consults; filters are left aside. `key`: key texts of the document's key."""
        root = aggregate.root
        columns = self.catalog[root.table].columns
        pairs = zip(root.key, key, strict=True)
        where = " AND ".join(render.equal_to(columns[name], _reference("t0", name), part) for name, part in pairs)
        return list(self._below(root, "t0", f"{_table(root)} t0", where, 1))

    def _below(self, node: Node, alias: str, tables: str, where: str, depth: int) -> Iterator[Rows]:
        yield self._place(node, alias, tables, where)
        for child in node.children:
            rows, mine = real(child), node.key if child.kind is Kind.MANY else child.join
            theirs = rows.key if rows.kind is Kind.ONE else rows.join
            joined = f"{tables} JOIN {_table(rows)} t{depth} ON {self._on(node, mine, alias, rows, theirs, depth)}"
            yield from self._below(rows, f"t{depth}", joined, where, depth + 1)

    def _on(
        self, node: Node, mine: tuple[str, ...], alias: str, rows: Node, theirs: tuple[str, ...], depth: int
    ) -> str:
        above, below = self.catalog[node.table].columns, self.catalog[rows.table].columns
        return " AND ".join(
            render.equal(below[their], _reference(f"t{depth}", their), above[my], _reference(alias, my))
            for my, their in zip(mine, theirs, strict=True)
        )

    def _place(self, node: Node, alias: str, tables: str, where: str) -> Rows:
        columns = self.catalog[node.table].columns
        shape: Shape = {}
        pairs = []
        for name in self.mapping.tables[node.table].columns:
            column = columns[name]
            if column.tokened and not self.with_tokens:
                shape[name] = Leaf.UNCOMPARED
                continue
            if column.category in FLOATS:
                shape[name] = Leaf.FLOAT4 if column.category is Category.FLOAT4 else Leaf.FLOAT8
            pairs.append((name, attributes.field(Field(name, name), column, _reference(alias, name), self.marks)))
        key = ", ".join(
            attributes.field(Field(name, name), columns[name], _reference(alias, name), self.marks) for name in node.key
        )
        select = f"'[]', jsonb_build_array({key})::text, ({render.json_object(pairs)})::text"
        sql = f"SELECT DISTINCT {select} FROM {tables} WHERE {where}"
        return Rows(node.table, shape, sql, node.kind is Kind.ROOT)


def _table(node: Node) -> str:
    schema, _, name = node.table.partition(".")
    return f"{render.identifier(schema)}.{render.identifier(name)}"


def _reference(alias: str, column: str) -> str:
    return f"{alias}.{render.identifier(column)}"
