"""Any JSON as DMS settings gives findings or one line on why it is none; so does the stand-in's reader."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any, Final

from contract.mapping import Mapping
from local.dms.errors import SettingsError
from local.dms.settings import DEFAULT_TASK, read_settings
from local.dms.tables import INT4, TEXT, Column, Table
from tests.fuzz.parts import Target, is_line, join, split
from tests.fuzz.records import ROOT
from tests.worker.dms_lint import samples
from worker.dms.documents import NotSettings, settings_of
from worker.dms.lint import lint
from worker.mapping.loader import load_mappings
from worker.verify.carried import carried, not_carried
from worker.verify.columns import Category, SourceTable
from worker.verify.columns import Column as SourceColumn

HEAD_BYTES: Final = 0


@cache
def mapping() -> Mapping:
    """The demo's mappings."""
    found, problems = load_mappings(ROOT / "mappings")
    assert found is not None, problems
    return found


def check(data: bytes) -> None:
    """Read the parts as the files given to `nearview dms lint`. Raises for a finding."""
    _, parts = split(data, HEAD_BYTES)
    documents = {}
    for number, part in enumerate(parts):
        try:
            documents[f"f{number}.json"] = found = json.loads(part.decode())
            json.dumps(found, ensure_ascii=False).encode()
        except (ValueError, RecursionError):
            return
    for document in documents.values():
        _stand_in(document)
    try:
        settings = settings_of(documents)
    except NotSettings as problem:
        is_line(str(problem))
        return
    for finding in (*lint(settings), *lint(settings, mapping())):
        assert finding.message
        assert finding.file in documents
        json.dumps([finding.path, finding.message, finding.change, finding.setting], ensure_ascii=False).encode()
    columns = {c.value: SourceColumn(c.value, "text", c, nullable=True) for c in Category}
    catalog = {"shop.orders": SourceTable("shop.orders", columns, ((Category.TEXT.value,),))}
    carried(catalog, settings)
    not_carried(mapping(), catalog, settings)


def _stand_in(document: object) -> None:
    try:
        found = read_settings(document)
    except SettingsError as problem:
        for line in str(problem).splitlines():
            is_line(line)
        return
    table = Table("shop", "orders", (Column("id", INT4, -1), Column("note", TEXT, -1)), ("id",))
    shown = found.table_mappings.shown(table)
    assert isinstance(shown.full_name, str)
    found.table_mappings.selects("shop", "orders")


def seeds() -> Iterator[bytes]:
    """What DMS prints for tasks and endpoints, good and bad, and the stand-in's own task."""
    rules = [samples.SELECTION, samples.OBJECT_MAPPING, samples.CHANGE_SEQUENCE]
    for engine in ("postgres", "mysql", "oracle", "sqlserver"):
        task, endpoints = samples.described(engine, rules=rules).values()
        yield join(b"", [json.dumps(task).encode(), json.dumps(endpoints).encode()])
        (one,) = task["ReplicationTasks"]
        opened = {name: _opened(value) for name, value in one.items()}
        yield join(
            b"", [json.dumps({"ReplicationTask": opened}).encode(), json.dumps(endpoints["Endpoints"][0]).encode()]
        )
    yield json.dumps({"EngineName": "oracle", "ExtraConnectionAttributes": "trimSpaceInChar=n;x"}).encode()
    yield DEFAULT_TASK.read_bytes()
    yield b'{"rules": []}'


def _opened(value: Any) -> Any:
    """JSON in a text, as DMS prints it, as the object that it is."""
    return json.loads(value) if isinstance(value, str) and value.startswith("{") else value


TARGET: Final = Target("dms", check, seeds)
