"""Every unpleasant habit of the real service that a switch turns on, from a real PostgreSQL to a real stream."""

from collections import Counter
from itertools import pairwise
from typing import Any

import psycopg2
import pytest
from click.testing import CliRunner

from local.dms.__main__ import main
from local.dms.dialects import DIALECTS
from local.dms.errors import DmsError
from local.processes import wait_until

TABLE = "CREATE TABLE shop.t (id int PRIMARY KEY, a text, b int)"
FULL = "ALTER TABLE shop.t REPLICA IDENTITY FULL"


def _switch(start: Any, **switches: Any) -> None:
    start.document["StandIn"] |= switches


def _transform(start: Any, *rules: dict[str, Any]) -> None:
    locator = {"schema-name": "shop", "table-name": "%"}
    for rule in rules:
        given = {"rule-type": "transformation", "object-locator": locator | ({"column-name": "%"})}
        start.document["TableMappings"]["rules"].append(given | rule)


CHANGE_SEQUENCE = {
    "rule-target": "column",
    "rule-action": "add-column",
    "value": "change_seq",
    "expression": "$AR_H_CHANGE_SEQ",
    "data-type": {"type": "string", "length": 50},
}


def _in_order(stream: Any, table: str = "t") -> list[dict[str, Any]]:
    """The data records by the time they were built."""
    bodies = [record.body for record in stream.records(table)]
    return sorted(bodies, key=lambda body: body["metadata"]["timestamp"])


def _operations(stream: Any) -> list[tuple[str, Any]]:
    return [(body["metadata"]["operation"], body["data"]["id"]) for body in _in_order(stream)]


def _insert_each(source: Any, ids: range) -> None:
    """A transaction for each."""
    for number in ids:
        source.execute("INSERT INTO shop.t VALUES (%s, 'x', 1)", number)


def _number(shape: str, position: str) -> tuple[int, ...]:
    """A position as what it orders by."""
    if shape == "postgresql":
        return tuple(int(part, 16) for part in position.split(".")[0].split("/"))
    if shape == "mysql":
        name, rows, row, *_ = position.split(":")
        return (int(name.rpartition(".")[2]), int(rows), int(row))
    return tuple(int(part, 16) for part in position.split(":"))


# what other engines write


@pytest.mark.parametrize("shape", [name for name in DIALECTS if name != "oracle"])
def test_positions_of_one_row_rise_in_the_source_s_order(source: Any, stream: Any, start: Any, shape: str) -> None:
    source.run(TABLE, "INSERT INTO shop.t SELECT i, 'x', 0 FROM generate_series(1, 20) i")
    _switch(start, SourceShape=shape)
    running = start()
    running.wait_for_changes_phase()
    for number in range(1, 11):
        source.execute("UPDATE shop.t SET b = %s", number)
        source.execute("UPDATE shop.t SET b = -%s WHERE id = 1", number)
    running.wait_until_quiet()
    by_row: dict[int, list[tuple[tuple[int, ...], int]]] = {}
    for body in _in_order(stream):
        if body["metadata"]["operation"] == "update":
            position = _number(shape, body["metadata"]["stream-position"])
            by_row.setdefault(body["data"]["id"], []).append((position, body["data"]["b"]))
    assert len(by_row) == 20
    for changes in by_row.values():
        assert [value for _, value in sorted(changes)] == [value for _, value in changes]
        assert len({position for position, _ in changes}) == len(changes)


@pytest.mark.parametrize("shape", ["mysql", "oracle", "sqlserver"])
def test_other_engines_log_the_key_of_every_update(source: Any, stream: Any, start: Any, shape: str) -> None:
    source.run(TABLE, "INSERT INTO shop.t VALUES (1, 'x', 1)")
    _switch(start, SourceShape=shape)
    running = start()
    running.wait_for_changes_phase()
    source.run("UPDATE shop.t SET b = 2", "UPDATE shop.t SET id = 2")
    running.wait_until_quiet()
    updates = [body for body in _in_order(stream) if body["metadata"]["operation"] == "update"]
    assert [body["before-image"] for body in updates] == [{"id": 1}, {"id": 1}]
    assert [body["data"]["id"] for body in updates] == [1, 2]


def test_many_mysql_commits_share_a_second(source: Any, stream: Any, start: Any) -> None:
    source.run(TABLE)
    _switch(start, SourceShape="mysql")
    running = start()
    running.wait_for_changes_phase()
    _insert_each(source, range(50))
    running.wait_until_quiet()
    metadata = [body["metadata"] for body in _in_order(stream)]
    assert all(entry["commit-timestamp"].endswith(".000000Z") for entry in metadata)
    assert len({entry["commit-timestamp"] for entry in metadata}) < len(metadata)
    chain = [(entry.get("prev-transaction-id"), entry["transaction-id"]) for entry in metadata]
    assert all(before[1] == after[0] for before, after in pairwise(chain))


def test_the_change_sequence_orders_oracle_s_changes(source: Any, stream: Any, start: Any) -> None:
    source.run(TABLE, "INSERT INTO shop.t VALUES (1, 'x', 0)")
    _switch(start, SourceShape="oracle")
    _transform(start, CHANGE_SEQUENCE)
    running = start()
    running.wait_for_changes_phase()
    for number in range(1, 31):
        source.execute("UPDATE shop.t SET b = %s", number)
    running.wait_until_quiet()
    load, *updates = _in_order(stream)
    assert load["data"]["change_seq"] == ""
    found = sorted((body["data"]["change_seq"], body["data"]["b"]) for body in updates)
    assert [value for _, value in found] == list(range(1, 31))
    assert {len(sequence) for sequence, _ in found} == {35}


def test_names_can_be_upper_case(source: Any, stream: Any, start: Any) -> None:
    source.run(TABLE, "INSERT INTO shop.t VALUES (1, 'x', 0)")
    _transform(
        start,
        *({"rule-target": target, "rule-action": "convert-uppercase"} for target in ("schema", "table", "column")),
    )
    start().wait_for_changes_phase()
    [record] = stream.records("T")
    assert record.partition_key == "SHOP.T.1"
    assert record.body["data"] == {"ID": 1, "A": "x", "B": 0}


# which columns a record has


def test_partial_updates_hold_the_key_and_what_changed(source: Any, stream: Any, start: Any) -> None:
    source.run(TABLE, FULL, "INSERT INTO shop.t VALUES (1, 'x', 1)")
    _switch(start, PartialUpdates=True)
    running = start()
    running.wait_for_changes_phase()
    source.run("UPDATE shop.t SET b = 2", "UPDATE shop.t SET a = NULL", "UPDATE shop.t SET id = 5")
    running.wait_until_quiet()
    updates = [body["data"] for body in _in_order(stream) if body["metadata"]["operation"] == "update"]
    assert updates == [{"id": 1, "b": 2}, {"id": 1, "a": None}, {"id": 5}]


@pytest.mark.parametrize(
    ("switch", "identity", "expected"),
    [
        ("null", "DEFAULT", {"id": 1, "a": None, "b": None}),
        ("absent", "DEFAULT", {"id": 1}),
        ("absent", "FULL", {"id": 1, "a": "x", "b": None}),
        ("key-only", "FULL", {"id": 1}),
    ],
)
def test_a_delete_holds_the_key_or_the_row(
    source: Any, stream: Any, start: Any, switch: str, identity: str, expected: dict[str, Any]
) -> None:
    source.run(TABLE, f"ALTER TABLE shop.t REPLICA IDENTITY {identity}", "INSERT INTO shop.t VALUES (1, 'x', NULL)")
    _switch(start, UnloggedOfDeleted=switch)
    running = start()
    running.wait_for_changes_phase()
    source.run("DELETE FROM shop.t")
    running.wait_until_quiet()
    assert _in_order(stream)[-1]["data"] == expected


def test_old_values_can_stand_in_data(source: Any, stream: Any, start: Any) -> None:
    source.run(TABLE, "INSERT INTO shop.t VALUES (1, 'x', 1)")
    start.document["TaskSettings"]["BeforeImageSettings"] = {"EnableBeforeImage": False}
    rule = {"rule-target": "column", "rule-action": "add-before-image-columns"}
    _transform(start, rule | {"before-image-def": {"column-prefix": "BI_", "column-filter": "pk-only"}})
    running = start()
    running.wait_for_changes_phase()
    source.run("UPDATE shop.t SET id = 2")
    running.wait_until_quiet()
    body = _in_order(stream)[-1]
    assert "before-image" not in body
    assert body["data"] == {"id": 2, "a": "x", "b": 1, "BI_id": 1}


def test_rows_can_be_documents_and_members_in_any_order(source: Any, stream: Any, start: Any) -> None:
    source.run(TABLE, "INSERT INTO shop.t SELECT i, 'x', 1 FROM generate_series(1, 20) i")
    start.document["TableMappings"]["rules"][1]["rule-action"] = "map-record-to-document"
    _switch(start, ShuffleMembers=True)
    start().wait_for_changes_phase()
    bodies = [record.body for record in stream.records("t")]
    assert sorted(body["data"]["_doc"]["id"] for body in bodies) == list(range(1, 21))
    assert len({tuple(body["metadata"]) for body in bodies}) > 1
    assert {tuple(body) for body in bodies} == {("data", "metadata"), ("metadata", "data")}


@pytest.mark.parametrize(
    ("digits", "fraction"), [("source", ".120000"), ("0", ""), ("6", ".120000"), ("9", ".120000000")]
)
def test_fractions_of_a_second_and_booleans(source: Any, stream: Any, start: Any, digits: str, fraction: str) -> None:
    source.run("CREATE TABLE shop.t (id int PRIMARY KEY, at timestamp, ok boolean)")
    source.run("INSERT INTO shop.t VALUES (1, '2024-05-28 01:02:03.12', true), (2, 'infinity', false)")
    _switch(start, TimestampDigits=digits, BooleanAsNumber=True)
    start().wait_for_changes_phase()
    rows = {body["data"]["id"]: body["data"] for body in _in_order(stream)}
    assert rows[1] == {"id": 1, "at": f"2024-05-28T01:02:03{fraction}Z", "ok": 1}
    assert rows[2]["ok"] == 0


# loads and changes


def test_changes_older_than_the_load_follow_it(source: Any, stream: Any, start: Any) -> None:
    """An insert of a loaded row, an update that takes it back in time, a delete of a row never loaded."""
    source.run(TABLE, "INSERT INTO shop.t VALUES (1, 'old', 0), (2, 'old', 0)")
    _switch(start, LoadDelaySeconds=1.5)
    running = start()
    running.wait_for(lambda state: bool(state.get("tables")), "the slot")
    source.run("INSERT INTO shop.t VALUES (3, 'new', 0)", "UPDATE shop.t SET a = 'mid' WHERE id = 1")
    source.run("UPDATE shop.t SET a = 'new' WHERE id = 1", "DELETE FROM shop.t WHERE id = 2")
    running.wait_until_quiet()
    found = [(*entry, body["data"]["a"]) for entry, body in zip(_operations(stream), _in_order(stream), strict=True)]
    assert sorted(found[:2]) == [("load", 1, "new"), ("load", 3, "new")]
    assert found[2:] == [("insert", 3, "new"), ("update", 1, "mid"), ("update", 1, "new"), ("delete", 2, None)]


def test_a_load_can_come_after_the_delete_of_its_row(source: Any, stream: Any, start: Any) -> None:
    source.run(TABLE, "INSERT INTO shop.t VALUES (1, 'x', 0), (2, 'x', 0)")
    _switch(start, LoadBesideChanges=True, LoadHoldSeconds=2)
    running = start()
    running.wait_for_changes_phase()
    wait_until(
        lambda: bool(source.value("SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction'")),
        20,
        "the load's snapshot",
    )
    source.run("DELETE FROM shop.t WHERE id = 1")
    running.wait_for(lambda state: state.get("loaded_tables") == ["shop.t"], "the load's end")
    running.wait_until_quiet()
    assert _operations(stream)[0] == ("delete", 1)
    assert sorted(_operations(stream)[1:]) == [("load", 1), ("load", 2)]


def test_a_late_load_that_was_killed_is_done_by_the_next_run(source: Any, stream: Any, start: Any) -> None:
    source.run(TABLE, "INSERT INTO shop.t VALUES (1, 'x', 0)")
    _switch(start, LoadBesideChanges=True, LoadHoldSeconds=60)
    running = start()
    running.wait_for_changes_phase()
    running.kill()
    _switch(start, LoadHoldSeconds=0)
    start().wait_for(lambda state: state.get("loaded_tables") == ["shop.t"], "the load's end")
    assert _operations(stream) == [("load", 1)]


def test_loads_can_come_out_of_order(source: Any, stream: Any, start: Any) -> None:
    source.run(TABLE, "INSERT INTO shop.t SELECT i, 'x', 1 FROM generate_series(1, 100) i")
    _switch(start, ShuffleLoad=True)
    start.document["TableMappings"]["rules"][1]["mapping-parameters"]["partition-key-type"] = "schema-table"
    start().wait_for_changes_phase()
    ids = [record.body["data"]["id"] for record in stream.records("t")]
    assert sorted(ids) == list(range(1, 101))
    assert ids != sorted(ids)


def test_tables_are_loaded_again_while_changes_go_on(source: Any, stream: Any, start: Any) -> None:
    """Rows that vanished meanwhile get no delete; the tables not named are left alone."""
    source.run(TABLE, "CREATE TABLE shop.u (id int PRIMARY KEY)", "INSERT INTO shop.t VALUES (1, 'x', 0), (2, 'x', 0)")
    source.run("INSERT INTO shop.u VALUES (1)")
    running = start()
    running.wait_for_changes_phase()
    source.run("TRUNCATE shop.t", "INSERT INTO shop.t VALUES (3, 'x', 0)")
    running.wait_until_quiet()
    asked = _reload(running, "shop.t")
    assert asked == (0, "")
    wait_until(lambda: _operations(stream).count(("load", 3)) == 1, 20, "the second load")
    source.run("INSERT INTO shop.t VALUES (4, 'x', 0)")
    running.wait_until_quiet()
    counted = Counter(_operations(stream))
    assert counted == {("load", 1): 1, ("load", 2): 1, ("insert", 3): 1, ("load", 3): 1, ("insert", 4): 1}
    assert len(stream.records("u")) == 1
    operations = [r.operation for r in stream.records() if r.body["metadata"]["table-name"] == "t"]
    assert (operations.count("drop-table"), operations.count("create-table")) == (2, 2)
    running.wait_for(lambda state: sorted(state["loaded_tables"]) == ["shop.t", "shop.u"], "the state")


def test_a_reload_reads_the_columns_that_the_table_has_now(source: Any, stream: Any, start: Any) -> None:
    source.run("CREATE TABLE shop.t (id int PRIMARY KEY)", "INSERT INTO shop.t VALUES (1)")
    running = start()
    running.wait_for_changes_phase()
    source.run("ALTER TABLE shop.t ADD phone text DEFAULT 'none'")

    assert _reload(running, "shop.t") == (0, "")

    wait_until(lambda: len(stream.records("t")) == 2, 30, "the reload")
    assert [record.body["data"] for record in stream.records("t")] == [{"id": 1}, {"id": 1, "phone": "none"}]


def _reload(running: Any, *tables: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, ["reload", "--state", str(running.folder), *tables])
    return done.exit_code, str(done.exception) if isinstance(done.exception, DmsError) else done.output


def test_a_reload_that_cannot_be_is_refused(source: Any, start: Any) -> None:
    source.run(TABLE)
    running = start()
    running.wait_for_changes_phase()
    running.stop()
    assert _reload(running, "shop.x") == (1, "not captured by the task: shop.x; captured are shop.t")
    assert _reload(running, "shop.t") == (0, "")
    code, line = _reload(running, "shop.t")
    assert (code, "a request is not taken yet" in line) == (1, True)


# delivery


@pytest.mark.parametrize("sequence", ["same", "new"])
def test_a_resume_sends_the_last_transactions_again(source: Any, stream: Any, start: Any, sequence: str) -> None:
    source.run(TABLE)
    _switch(start, ReplayTransactions=2, ChangeSequenceOnReplay=sequence)
    _transform(start, CHANGE_SEQUENCE)
    running = start()
    running.wait_for_changes_phase()
    for number in range(1, 6):
        source.execute("INSERT INTO shop.t VALUES (%s, 'x', 1), (%s, 'x', 1)", number, number + 100)
    running.wait_until_quiet()
    assert running.stop() == 0
    running = start()
    source.run("INSERT INTO shop.t VALUES (6, 'x', 1)")
    running.wait_until_quiet()
    records = _in_order(stream)
    ids = [body["data"]["id"] for body in records]
    assert ids == [1, 101, 2, 102, 3, 103, 4, 104, 5, 105, 4, 104, 5, 105, 6]
    for first, again in zip(records[6:10], records[10:14], strict=True):
        assert first["metadata"]["timestamp"] < again["metadata"]["timestamp"]
        assert _without_time(first) == _without_time(again)
        assert (first["data"]["change_seq"] == again["data"]["change_seq"]) == (sequence == "same")
    values = [body["data"]["change_seq"] for body in (records if sequence == "new" else records[:10] + records[14:])]
    assert values == sorted(set(values))


def _without_time(body: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body["metadata"].items() if name != "timestamp"}


def test_a_lost_reply_puts_records_twice(source: Any, stream: Any, start: Any) -> None:
    source.run(TABLE)
    _switch(start, LostReplyRate=0.5)
    running = start()
    running.wait_for_changes_phase()
    _insert_each(source, range(20))
    running.wait_until_quiet()
    assert {body["data"]["id"] for body in _in_order(stream)} == set(range(20))
    texts = Counter(record.text for record in stream.records())
    assert max(texts.values()) > 1


def test_transactions_can_interleave_and_a_key_keeps_its_order(source: Any, stream: Any, start: Any) -> None:
    source.run(TABLE, "INSERT INTO shop.t SELECT i, 'x', 0 FROM generate_series(1, 20) i")
    _switch(start, InterleaveKeys=True)
    running = start()
    running.wait_for_changes_phase()
    source.run("DO $$ BEGIN FOR i IN 1..5 LOOP UPDATE shop.t SET b = i; END LOOP; END $$")
    running.wait_until_quiet()
    updates = [record.body for record in stream.records("t") if record.operation == "update"]
    by_key: dict[int, list[int]] = {}
    for body in updates:
        by_key.setdefault(body["data"]["id"], []).append(body["data"]["b"])
    assert by_key == {key: [1, 2, 3, 4, 5] for key in range(1, 21)}
    numbers = [body["metadata"]["transaction-record-id"] for body in updates]
    assert sum(after < before for before, after in pairwise(numbers)) > 1  # more than the step between two shards


def test_transaction_ids_of_postgresql_are_not_in_commit_order(source: Any, stream: Any, start: Any) -> None:
    """The slow transaction began first and commits last; its older change has the smaller position."""
    source.run(TABLE)
    running = start()
    running.wait_for_changes_phase()
    slow = psycopg2.connect(source.url)
    with slow.cursor() as cursor:
        cursor.execute("INSERT INTO shop.t VALUES (1, 'slow', 1)")
        source.run("INSERT INTO shop.t VALUES (2, 'quick', 1)")
        cursor.execute("INSERT INTO shop.t VALUES (3, 'slow', 1)")
    slow.commit()
    slow.close()
    running.wait_until_quiet()
    quick, first, second = (body["metadata"] for body in _in_order(stream))
    assert quick["transaction-id"] > first["transaction-id"] == second["transaction-id"]
    assert first["stream-position"] < quick["stream-position"] < second["stream-position"]
    assert quick["commit-timestamp"] <= first["commit-timestamp"] == second["commit-timestamp"]
