"""Whatever tables a database has, what `nearview init` proposes for them is read without a problem."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from tests.fuzz.parts import Target, is_line
from worker.init.errors import InitError
from worker.init.model import Catalog, Column, ForeignKey, SourceTable
from worker.init.propose import propose
from worker.init.warnings import prerequisites, warnings
from worker.init.write import mapping_text
from worker.mapping.loader import read_mappings

HEAD_BYTES: Final = 0
MAX_NAME_BYTES: Final = 63
TYPES: Final = (
    "int4",
    "int8",
    "text",
    "varchar",
    "bool",
    "numeric",
    "date",
    "timestamp",
    "timestamptz",
    "jsonb",
    "bytea",
    "_int4",
)


def check(data: bytes) -> None:
    """Make tables of the JSON, propose mappings for them, read those. Raises for a finding."""
    try:
        given = json.loads(data.decode())
    except (ValueError, RecursionError):
        return
    catalog = Catalog({table.name: table for table in _tables(given)}, "logical")
    try:
        drafts = propose(catalog, ())
    except InitError as problem:
        is_line(str(problem))
        return
    texts = {f"{draft.name}.yaml": mapping_text(draft) for draft in drafts}
    assert len(texts) == len(drafts), "two proposals have one name"
    _, problems = read_mappings(texts)
    assert not problems or not drafts, f"a proposal has problems: {problems[0].message}"
    for line in (*warnings(catalog, drafts), *prerequisites(catalog, drafts)):
        assert line


def _tables(given: Any) -> Iterator[SourceTable]:
    """Tables as a database can have them: names of 63 bytes, keys and foreign keys of columns that are there."""
    named = {
        f"{_name(one.get('schema'), 's')}.{_name(one.get('name'), 't')}": one
        for one in _list(given)
        if isinstance(one, dict)
    }
    columns = {name: _columns(one) for name, one in named.items()}
    keys = {name: _those(one.get("key"), columns[name]) for name, one in named.items()}
    for name, one in named.items():
        foreign = tuple(_foreign(_list(one.get("foreign")), columns[name], keys))
        comment = str(one.get("comment") or "").encode("utf-8", "replace").decode()
        yield SourceTable(name, columns[name], keys[name], foreign, comment, "d" if one.get("identity", True) else "f")


def _columns(one: dict[str, Any]) -> tuple[Column, ...]:
    found = {}
    for number, text in enumerate(_list(one.get("columns"))):
        name, _, kind = str(text).rpartition(":")
        kind = kind if kind in TYPES else TYPES[number % len(TYPES)]
        found[_name(name, f"c{number}")] = kind
    found.setdefault("id", "int8")
    return tuple(Column(name, kind, number % 3 == 0, 20) for number, (name, kind) in enumerate(found.items()))


def _those(given: Any, columns: tuple[Column, ...]) -> tuple[str, ...]:
    wanted = [_name(one, "id") for one in _list(given)]
    return tuple(dict.fromkeys(name for name in wanted if any(column.name == name for column in columns)))


def _foreign(given: list[Any], mine: tuple[Column, ...], keys: dict[str, tuple[str, ...]]) -> Iterator[ForeignKey]:
    parents = list(keys)
    for number, one in enumerate(given[:6]):
        used = _those(one, mine)
        parent = parents[(len(str(one)) + number) % len(parents)]
        if used and len(used) == len(keys[parent]):
            yield ForeignKey(used, parent, keys[parent], owned=number % 2 == 0)


def _list(given: Any) -> list[Any]:
    return given[:12] if isinstance(given, list) else []


def _name(given: Any, otherwise: str) -> str:
    text = given if isinstance(given, str) else otherwise
    return text.replace("\0", "").encode("utf-8", "replace")[:MAX_NAME_BYTES].decode("utf-8", "ignore") or otherwise


def seeds() -> Iterator[bytes]:
    """A shop, and tables whose names are trouble."""
    customers = {"name": "customers", "columns": ["id:int8", "name:text", "extra:jsonb"], "key": ["id"]}
    orders = {
        "name": "orders",
        "columns": ["id:int8", "customer_id:int8", "parent_id:int8"],
        "key": ["id"],
        "foreign": [["customer_id"], ["parent_id"]],
    }
    lines = {
        "name": "order_lines",
        "columns": ["order_id:int8", "no:int4", "sku:text"],
        "key": ["order_id", "no"],
        "foreign": [["order_id"], ["sku"]],
    }
    yield json.dumps([customers, orders, lines]).encode()
    for name in ("a b", "a.b", "#", "Ünïcode", "null", "a\nb", "_x", "1", "A", "true", "-", "{a}", "a" * 63):
        odd = {
            "schema": name,
            "name": name,
            "columns": [f"{name}:int8", f"{name}_id:int8"],
            "key": [name],
            "foreign": [[f"{name}_id"]],
        }
        yield json.dumps(
            [odd, {**orders, "columns": ["id:int8", f"{name}:text"], "foreign": [[name]]}, customers]
        ).encode()


TARGET: Final = Target("init", check, seeds)
