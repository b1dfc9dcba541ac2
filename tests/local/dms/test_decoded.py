"""What the stand-in makes of a source, read by the worker's decoder: the newest versions are the source's rows."""

import random
from collections.abc import Callable
from typing import Any

import pytest

from contract.mapping import Table
from worker.records.envelope import BeforeColumns, ChangeEvent, Operation
from worker.records.positions import Engine, Order
from worker.records.rows import RowChange, row_changes
from worker.records.source import Source as Reading
from worker.records.version import position_of
from worker.records.watch import PositionWatch

CREATE = "CREATE TABLE shop.t (id int PRIMARY KEY, a text, b int, c numeric(9,2))"
TABLE = Table("shop.t", ("id",), ("a", "b", "c", "id"), ())
SEQUENCE = "nv_seq"
LOCATOR = {"schema-name": "shop", "table-name": "%", "column-name": "%"}
UNPLEASANT = {
    "PutRecordsFailureRate": 0.2,
    "LostReplyRate": 0.1,
    "InterleaveKeys": True,
    "ShuffleMembers": True,
    "ShuffleLoad": True,
    "LoadBesideChanges": True,
    "LoadHoldSeconds": 0.5,
}


def _transform(start: Any, **rule: Any) -> None:
    named = {name.replace("_", "-"): value for name, value in rule.items()}
    start.document["TableMappings"]["rules"].append(
        {"rule-type": "transformation", "rule-target": "column", "object-locator": LOCATOR} | named
    )


def _sequence(start: Any) -> None:
    _transform(start, rule_action="add-column", value=SEQUENCE, expression="$AR_H_CHANGE_SEQ")


def _old_values_in_data(start: Any) -> None:
    start.document["TaskSettings"]["BeforeImageSettings"] = {"EnableBeforeImage": False}
    definition = {"column-prefix": "BI_", "column-filter": "pk-only"}
    _transform(start, rule_action="add-before-image-columns", before_image_def=definition)


def _documents(start: Any) -> None:
    start.document["TableMappings"]["rules"][1]["rule-action"] = "map-record-to-document"


def _tabbed(start: Any) -> None:
    start.document["KinesisSettings"]["MessageFormat"] = "json"


def _partial(start: Any) -> None:
    start.source.run("ALTER TABLE shop.t REPLICA IDENTITY FULL")
    start.document["StandIn"]["PartialUpdates"] = True


def _work(source: Any, seed: int, *, moves: bool) -> None:
    """Transactions of one to four changes of a few rows; keys move to ones that were never used."""
    chance = random.Random(seed)
    live, fresh = list(range(1, 9)), 1000
    for _ in range(60):
        source.run("BEGIN")
        for _ in range(chance.randint(1, 4)):
            row, number = chance.choice(live), chance.randint(1, 10**6)
            kind = chance.choice(("update", "update", "note", "move" if moves else "update", "delete", "insert"))
            if kind == "update":
                source.execute("UPDATE shop.t SET b = %s, c = %s WHERE id = %s", number, number / 100, row)
            elif kind == "note":
                source.execute("UPDATE shop.t SET a = NULLIF(%s, '') WHERE id = %s", "x" * (number % 3), row)
            elif kind == "delete" and len(live) > 2:
                live.remove(row)
                source.execute("DELETE FROM shop.t WHERE id = %s", row)
            elif kind in ("move", "insert"):
                fresh += 1
                live.append(fresh)
                if kind == "move":
                    live.remove(row)
                    source.execute("UPDATE shop.t SET id = %s WHERE id = %s", fresh, row)
                else:
                    source.execute("INSERT INTO shop.t VALUES (%s, 'new', %s, 1.5)", fresh, number)
        source.run("COMMIT")


def _folded(stream: Any, reading: Reading) -> dict[str, dict[str, Any]]:
    """The rows after all changes in the order of their versions; a column that a change lacks stays as it was."""
    changes: list[RowChange] = []
    watch = PositionWatch()
    for record in stream.records():
        event = reading.decode(record.text.encode())
        if isinstance(event, ChangeEvent) and event.table == "shop.t":
            found = row_changes(event, TABLE, 1, reading.order)
            if event.operation is not Operation.LOAD:
                watch.see(event, 1, position_of(found[0].version))  # raises if a sound order looked like a fall
            changes += found
    rows: dict[str, dict[str, Any]] = {}
    for change in sorted(changes, key=lambda change: change.version):
        if change.row is None:
            rows.pop(change.key, None)
        else:
            rows[change.key] = {**rows.get(change.key, {}), **change.row}
    return rows


@pytest.mark.parametrize(
    ("shape", "moves", "prepare"),
    [
        ("postgresql", True, [_tabbed]),
        ("postgresql", True, [_documents]),
        ("postgresql", True, [_sequence]),
        ("mysql", True, []),
        ("mysql", True, [_old_values_in_data]),
        ("oracle", True, [_sequence]),
        ("oracle", False, [_sequence, _partial]),
        ("sqlserver", True, [_sequence, _old_values_in_data]),
    ],
)
def test_the_newest_versions_are_the_source_s_rows(
    source: Any, stream: Any, start: Any, shape: str, moves: bool, prepare: list[Callable[[Any], None]]
) -> None:
    source.run(CREATE, "INSERT INTO shop.t SELECT i, 'old', i, i FROM generate_series(1, 8) i")
    for change in prepare:
        change(start)
    start.document["StandIn"] |= UNPLEASANT | {"SourceShape": shape}
    running = start()
    running.wait_for_changes_phase()
    _work(source, len(shape) + len(prepare), moves=moves)
    running.wait_for(lambda state: state["loaded_tables"] == ["shop.t"], "the load's end")
    running.wait_until_quiet()

    order = Order(Engine(shape), SEQUENCE if _sequence in prepare else "")
    prefix = BeforeColumns("BI_" if _old_values_in_data in prepare else "")
    rows = _folded(stream, Reading(before_columns=prefix, order=order))
    with source.connection.cursor() as cursor:
        cursor.execute("SELECT id, a, b, c FROM shop.t")
        wanted = {str(row[0]): dict(zip(("id", "a", "b", "c"), row, strict=True)) for row in cursor.fetchall()}
    assert {key: {n: row[n] for n in ("id", "a", "b", "c")} for key, row in rows.items()} == wanted
