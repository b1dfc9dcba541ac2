"""From log messages to records: transactions, their numbers, and changed definitions."""

import json
from dataclasses import replace
from typing import Any

from local.dms.changes import ChangeRecords
from local.dms.control import TaskRecords
from local.dms.pgoutput import Begin, Commit, Delete, Insert, Message, Relation, RelationColumn
from local.dms.settings import DEFAULT_TASK, Settings, load_settings
from local.dms.state import Point
from local.dms.tables import Column, Table

DEFAULTS = load_settings(DEFAULT_TASK)


def _table(relation: Relation) -> Table:
    columns = tuple(Column(c.name, c.type_oid, c.type_modifier) for c in relation.columns)
    return Table(relation.schema, relation.table, columns, ("id",))


def _relation(*columns: tuple[str, int]) -> Relation:
    named = tuple(RelationColumn(name, kind, -1, name == "id") for name, kind in columns)
    return Relation(1, "shop", "t", "d", named)


def _changes(settings: Settings = DEFAULTS, previous: tuple[int, int] | None = None) -> ChangeRecords:
    return ChangeRecords(settings, TaskRecords("TASK", settings), _table, {}, Point(0, previous))


def _bodies(changes: ChangeRecords, *messages: Message) -> list[dict[str, Any]]:
    records = [changes.feed(100 + number, message) for number, message in enumerate(messages)]
    return [json.loads(record.data) for record in records if record is not None]


def test_changes_are_numbered_in_their_transaction_and_chained_over_all() -> None:
    changes = _changes()
    bodies = _bodies(
        changes,
        *(_relation(("id", 23)), Begin(500, 0, 8), Insert(1, ("1",)), Insert(1, ("2",)), Commit(500, 510)),
        *(Begin(600, 0, 7), Delete(1, ("1",), True), Commit(600, 610)),
    )
    names = ("transaction-id", "transaction-record-id", "prev-transaction-id", "prev-transaction-record-id")
    chain = [tuple(body["metadata"].get(name) for name in names) for body in bodies]
    assert chain == [(8, 1, None, None), (8, 2, 8, 1), (7, 1, 8, 2)]
    assert [(point.lsn, point.previous) for point in changes.committed] == [(510, (8, 2)), (610, (7, 1))]


def test_a_restart_continues_the_chain() -> None:
    [body] = _bodies(_changes(previous=(3, 4)), _relation(("id", 23)), Begin(5, 0, 8), Insert(1, ("1",)))
    assert (body["metadata"]["prev-transaction-id"], body["metadata"]["prev-transaction-record-id"]) == (3, 4)


def test_nothing_is_confirmable_before_the_commit() -> None:
    changes = _changes()
    _bodies(changes, _relation(("id", 23)), Begin(500, 0, 8), Insert(1, ("1",)))
    assert changes.in_transaction
    assert changes.committed == []


def test_definition_changes_have_the_names_of_dms() -> None:
    definitions = [
        _relation(("id", 23), ("a", 25)),
        _relation(("id", 23), ("a", 25), ("b", 25)),
        _relation(("id", 23), ("b", 25)),
        _relation(("id", 23), ("b", 23)),
        _relation(("id", 23), ("c", 23)),
        _relation(("id", 23), ("d", 25), ("e", 25)),
        _relation(("id", 23), ("d", 25), ("e", 25)),
    ]
    bodies = _bodies(_changes(), *definitions)
    assert [body["metadata"]["operation"] for body in bodies] == [
        "add-column",
        "drop-column",
        "column-type-change",
        "rename-column",
        "change-columns",
    ]
    assert list(bodies[0]["control"]["table-def"]["columns"]) == ["id", "a", "b"]


def test_definition_changes_are_silent_when_switched_off() -> None:
    settings = replace(DEFAULTS, include_table_alter_operations=False)
    assert _bodies(_changes(settings), _relation(("id", 23)), _relation(("id", 23), ("a", 25))) == []
