"""Random transactions on a real PostgreSQL: whatever the constraints refuse is rolled back, as applications do."""

# every name is quoted, every constant escaped
# ruff: noqa: S608

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, Final

import psycopg2

from tests.proof.schema import Reference, Rule, Schema, Table
from tests.proof.values import identifier, large, literal

Row = tuple[str | None, ...]

_LARGE_KEEPS_ITS_VALUE: Final = 0.75


class Source:
    """Changes one schema; the same seed makes the same statements."""

    def __init__(self, rng: random.Random, connection: Any, schema: Schema) -> None:
        """`connection` is in autocommit and for this case alone."""
        self._rng = rng
        self._cursor = connection.cursor()
        self._schema = schema
        self._tables = list(schema.tables.values())
        self._retiring = _retiring(schema)
        self._retired: set[tuple[str, Row]] = set()
        self.transactions = 0
        self.statements = 0

    def fill(self) -> None:
        """Some rows in every table, parents first."""
        for table in self._tables:
            self._run("BEGIN")
            for _ in range(self._rng.choice((2, 6, 12, 16, 24))):
                self._try(self._insert(table))
            self._commit()

    def transaction(self) -> None:
        """One to six statements, now and then rolled back."""
        self._run("BEGIN")
        for _ in range(self._rng.choice((1, 1, 2, 3, 6))):
            table = self._rng.choice(self._tables)
            (statement,) = self._rng.choices(
                (
                    self._insert,
                    self._update,
                    self._move,
                    self._delete,
                    self._rekey,
                    self._swap,
                    self._update_some,
                    self._touch,
                ),
                (25, 30, 20, 12, 8, 4, 4, 3),
            )
            self._try(statement(table))
        if self._rng.random() < 0.1:
            self._run("ROLLBACK")
        else:
            self._commit()

    def _commit(self) -> None:
        try:
            self._run("COMMIT")
            self.transactions += 1
        except psycopg2.Error:
            self._run("ROLLBACK")

    def _try(self, statement: str | None) -> None:
        if statement is None:
            return
        try:
            self._run(f"SAVEPOINT s; {statement}")
            self.statements += 1
        except psycopg2.Error:
            self._run("ROLLBACK TO s")

    def _run(self, statement: str) -> None:
        self._cursor.execute(statement)

    def _insert(self, table: Table) -> str | None:
        row = {name: self._value(table, name) for name in table.columns}
        for reference in self._schema.of(table.name):
            row |= self._pointing(table, reference, row if self._rng.random() < 0.5 else {})
        for name in table.key:
            row[name] = row[name] if row[name] is not None else self._rng.choice(table.columns[name].type.values)
        if (table.name, tuple(row[name] for name in table.key)) in self._retired:
            return None
        names, constants = ", ".join(map(identifier, row)), ", ".join(map(literal, row.values()))
        return f"INSERT INTO {self._schema.qualified(table.name)} ({names}) VALUES ({constants})"

    def _update(self, table: Table) -> str | None:
        fixed = {*table.key, *(c for r in self._schema.of(table.name) for c in r.columns)}
        names = [name for name in table.columns if name not in fixed]
        if not names:
            return None
        chosen = self._rng.sample(names, min(len(names), self._rng.choice((1, 1, 2, 3))))
        kept = [n for n in chosen if table.columns[n].large and self._rng.random() < _LARGE_KEEPS_ITS_VALUE]
        chosen = [name for name in chosen if name not in kept] or chosen
        return self._set(table, {name: self._value(table, name) for name in chosen}, self._some_key(table))

    def _move(self, table: Table) -> str | None:
        """A child goes to another parent, to none, or to one that does not exist."""
        references = [r for r in self._schema.of(table.name) if not set(r.columns) & set(table.key)]
        if not references:
            return self._update(table)
        return self._set(table, self._pointing(table, self._rng.choice(references), {}), self._some_key(table))

    def _delete(self, table: Table) -> str | None:
        key = self._some_key(table)
        return None if key is None else f"DELETE FROM {self._schema.qualified(table.name)} WHERE {self._is(table, key)}"

    def _rekey(self, table: Table) -> str | None:
        key = self._some_key(table)
        if key is None:
            return None
        old = dict(zip(table.key, key, strict=True))
        new: dict[str, str | None] = {}
        own = [name for name in table.key if not any(name in r.columns for r in self._schema.of(table.name))]
        for name in self._rng.sample(own, min(len(own), self._rng.choice((1, 1, 2)))):
            new[name] = self._value(table, name)
        if not own or self._rng.random() < 0.3:
            for reference in self._schema.of(table.name):
                if set(reference.columns) & set(table.key):
                    new |= {k: v for k, v in self._pointing(table, reference, {}).items() if v is not None}
        if table.name in self._retiring:
            if (table.name, tuple({**old, **new}[name] for name in table.key)) in self._retired:
                return None
            self._retired.add((table.name, key))
        if self._rng.random() < 0.3:  # something else changes with the key
            plain = [name for name, column in table.columns.items() if name not in table.key and not column.large]
            plain = [name for name in plain if not any(name in r.columns for r in self._schema.of(table.name))]
            new |= {name: self._value(table, name) for name in plain[:1]}
        return self._set(table, new, key)

    def _swap(self, table: Table) -> str | None:
        """Two rows exchange their keys by way of a third one, as one has to where keys are checked at once."""
        keys = self._rows(table, table.key)
        free = tuple(self._value(table, name) for name in table.key)
        if table.name in self._retiring or len(keys) < 2 or free in keys:
            return None
        one, other = self._rng.sample(keys, 2)
        steps = (
            self._set(table, dict(zip(table.key, new, strict=True)), old)
            for old, new in ((one, free), (other, one), (free, other))
        )
        return "; ".join(step for step in steps if step)

    def _update_some(self, table: Table) -> str | None:
        """One statement that changes many rows."""
        names = [n for n, c in table.columns.items() if n not in table.key and not c.large]
        names = [n for n in names if not any(n in r.columns for r in self._schema.of(table.name))]
        if not names:
            return None
        name = self._rng.choice(names)
        return (
            f"UPDATE {self._schema.qualified(table.name)} SET {identifier(name)} = {literal(self._value(table, name))}"
        )

    def _touch(self, table: Table) -> str | None:
        """An update that changes nothing."""
        name = self._rng.choice(list(table.columns))
        column = identifier(name)
        return f"UPDATE {self._schema.qualified(table.name)} SET {column} = {column}"

    def _set(self, table: Table, row: dict[str, str | None], key: Row | None) -> str | None:
        if key is None or not row:
            return None
        assigned = ", ".join(f"{identifier(name)} = {literal(value)}" for name, value in row.items())
        return f"UPDATE {self._schema.qualified(table.name)} SET {assigned} WHERE {self._is(table, key)}"

    def _is(self, table: Table, key: Row) -> str:
        return " AND ".join(f"{identifier(n)} = {literal(v)}" for n, v in zip(table.key, key, strict=True))

    def _value(self, table: Table, name: str) -> str | None:
        column = table.columns[name]
        if column.nullable and self._rng.random() < 0.2:
            return None
        if column.large and self._rng.random() < 0.8:
            return large(self._rng, column.type.kind)
        if column.strange and self._rng.random() < 0.25:
            return self._rng.choice(column.type.strange)
        return self._rng.choice((*column.type.values, *column.type.keys) if name in table.key else column.type.values)

    def _pointing(self, table: Table, reference: Reference, known: dict[str, str | None]) -> dict[str, str | None]:
        """Values of a foreign key: an existing row's mostly; `known` columns, shared with another one, are kept."""
        nullable = [name for name in reference.columns if table.columns[name].nullable]
        if nullable and self._rng.random() < 0.15:
            return {self._rng.choice(nullable): None}
        if reference.rule is Rule.NONE and self._rng.random() < 0.2:
            return {name: self._rng.choice(table.columns[name].type.values) for name in reference.columns}
        rows = self._rows(self._schema.tables[reference.parent], reference.target)
        shared = [
            n for n in reference.columns if n in known and sum(n in r.columns for r in self._schema.of(table.name)) > 1
        ]
        fitting = [
            row for row in rows if all(row[at] == known[n] for at, n in enumerate(reference.columns) if n in shared)
        ]
        if not (fitting or rows):
            return {}
        return dict(zip(reference.columns, self._rng.choice(fitting or rows), strict=True))

    def _some_key(self, table: Table) -> Row | None:
        rows = self._rows(table, table.key)
        return self._rng.choice(rows) if rows else None

    def _rows(self, table: Table, columns: tuple[str, ...]) -> list[Row]:
        """The values of some columns of all rows, as text, in an order that does not depend on the server."""
        names = ", ".join(f"{identifier(name)}::text" for name in columns)
        self._cursor.execute(f"SELECT {names} FROM {self._schema.qualified(table.name)}")
        rows: list[Row] = self._cursor.fetchall()
        return sorted(rows, key=lambda row: tuple((value is None, value or "") for value in row))


def _retiring(schema: Schema) -> set[str]:
    """Tables whose old keys are not used again after a key change.

    An update of the key that leaves out a large column makes the old key's image its only holder; a new row of that
    key, delivered first, would wait for ever (and say so). A change that cascades to such a table counts, too.
    """
    found = {table.name for table in schema.tables.values() if table.has_large}
    grows: Callable[[Reference], bool] = lambda r: (  # noqa: E731
        r.table in found and r.parent not in found and bool(set(r.columns) & set(schema.tables[r.table].key))
    )
    while parents := {reference.parent for reference in schema.references if grows(reference)}:
        found |= parents
    return found
