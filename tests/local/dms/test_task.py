"""From a real PostgreSQL to a real stream: load, changes, kills, restarts."""

import threading
from pathlib import Path
from typing import Any

import pytest

from local.dms import task as task_module
from local.dms.load import load_table
from local.dms.settings import DEFAULT_TASK, load_settings
from local.dms.state import StateFolder
from local.dms.task import Options, Task
from local.monolith.seed import create_schema
from local.processes import wait_until

ORDERS = "CREATE TABLE shop.orders (id bigint PRIMARY KEY, note text, total numeric(12,2))"
LINES = """CREATE TABLE shop.lines (order_id bigint REFERENCES shop.orders ON UPDATE CASCADE, line int, sku text,
    PRIMARY KEY (order_id, line))"""


def _operations(stream: Any, table: str) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for record in stream.records(table):
        found.setdefault(record.operation, []).append(record)
    return found


def test_loads_all_tables_then_sends_changes(source: Any, stream: Any, start: Any) -> None:
    source.run(ORDERS, LINES, "INSERT INTO shop.orders SELECT i, 'n' || i, i FROM generate_series(1, 1200) i")
    source.run("INSERT INTO shop.lines VALUES (1, 1, 'a'), (1, 2, 'b')")
    running = start()
    running.wait_for_changes_phase()
    source.run(
        "INSERT INTO shop.orders VALUES (9000, 'Я \"x\"\n', 1.50)", "UPDATE shop.orders SET note = '' WHERE id = 9000"
    )
    source.run("DELETE FROM shop.orders WHERE id = 9000")
    running.wait_until_quiet()

    state = running.state()
    assert state["rows_loaded"] == {"shop.orders": 1200, "shop.lines": 2}
    assert state["changes"] == 3
    assert state["put_records"] == len(stream.records())
    assert set(state["last_sequence_numbers"]) <= {
        s["ShardId"] for s in stream.client.list_shards(StreamName=stream.name)["Shards"]
    }
    orders = _operations(stream, "orders")
    assert {r.body["data"]["id"] for r in orders["load"]} == set(range(1, 1201))
    assert orders["insert"][0].body["data"] == {"id": 9000, "note": 'Я "x"\n', "total": 1.5}
    assert orders["update"][0].body["data"] == {"id": 9000, "note": "", "total": 1.5}
    assert orders["update"][0].body["before-image"] == {}
    assert orders["delete"][0].body["data"] == {"id": 9000, "note": None, "total": None}
    assert {r.partition_key for r in orders["insert"] + orders["update"] + orders["delete"]} == {"shop.orders.9000"}
    assert {r.partition_key for r in _operations(stream, "lines")["load"]} == {"shop.lines.1.1", "shop.lines.1.2"}


def test_a_key_change_and_its_cascade_carry_the_old_keys(source: Any, stream: Any, start: Any) -> None:
    source.run(ORDERS, LINES, "INSERT INTO shop.orders VALUES (1, 'a', 1)", "INSERT INTO shop.lines VALUES (1, 1, 'a')")
    running = start()
    running.wait_for_changes_phase()
    source.run("UPDATE shop.orders SET id = 2 WHERE id = 1")
    running.wait_until_quiet()

    [order] = _operations(stream, "orders")["update"]
    [line] = _operations(stream, "lines")["update"]
    assert (order.body["before-image"], order.body["data"]["id"]) == ({"id": 1}, 2)
    assert (line.body["before-image"], line.body["data"]["order_id"]) == ({"order_id": 1, "line": 1}, 2)
    first, second = order.body["metadata"], line.body["metadata"]
    assert first["transaction-id"] == second["transaction-id"]
    assert (first["transaction-record-id"], second["transaction-record-id"]) == (1, 2)
    assert (second["prev-transaction-id"], second["prev-transaction-record-id"]) == (first["transaction-id"], 1)
    assert first["commit-timestamp"] == second["commit-timestamp"]
    assert first["stream-position"] < second["stream-position"]


def test_a_changed_sku_of_the_shop_arrives_with_its_old_value(source: Any, stream: Any, start: Any) -> None:
    source.run("DROP SCHEMA shop")
    with source.connection.cursor() as cursor:
        create_schema(cursor)
    source.run("INSERT INTO shop.products VALUES ('A-1', 'Lamp', NULL, 1, NULL, true)")
    source.run(
        "INSERT INTO shop.categories VALUES (1, 'Light')", "INSERT INTO shop.product_categories VALUES ('A-1', 1, 1)"
    )
    running = start()
    running.wait_for_changes_phase()
    source.run("UPDATE shop.products SET sku = 'B-1'")
    running.wait_until_quiet()
    [product] = _operations(stream, "products")["update"]
    [link] = _operations(stream, "product_categories")["update"]
    assert (product.body["before-image"], product.body["data"]["sku"]) == ({"sku": "A-1"}, "B-1")
    assert (link.body["before-image"], link.body["data"]["sku"]) == ({"sku": "A-1", "category_id": 1}, "B-1")


TEXT_KEYS = "CREATE TABLE shop.t (code text PRIMARY KEY, n int)"
REFUSED = "table shop.t: key column code is of type text"


def test_a_table_with_a_text_key_is_refused_before_anything_is_made(source: Any, stream: Any, start: Any) -> None:
    source.run(TEXT_KEYS)
    running = start()
    assert running.process.wait(timeout=20) == 1
    assert REFUSED in running.log()
    assert running.log().count("\n") == 1
    assert not source.value("SELECT EXISTS (SELECT FROM pg_publication)")
    assert stream.records() == []


def test_with_the_switch_a_changed_text_key_arrives_with_its_old_value(source: Any, stream: Any, start: Any) -> None:
    source.run(TEXT_KEYS, "INSERT INTO shop.t VALUES ('a', 1)")
    start.document["StandIn"]["LargeKeys"] = "send"
    running = start()
    running.wait_for_changes_phase()
    source.run("UPDATE shop.t SET code = 'b'")
    running.wait_until_quiet()
    [update] = _operations(stream, "t")["update"]
    assert (update.body["before-image"], update.body["data"]) == ({"code": "a"}, {"code": "b", "n": 1})


def test_a_key_that_becomes_text_ends_the_task_with_nothing_lost(source: Any, stream: Any, start: Any) -> None:
    source.run("CREATE TABLE shop.t (code varchar(9) PRIMARY KEY, n int)", "INSERT INTO shop.t VALUES ('a', 1)")
    running = start()
    running.wait_for_changes_phase()
    source.run("ALTER TABLE shop.t ALTER code TYPE text", "UPDATE shop.t SET code = 'b'")
    assert running.process.wait(timeout=20) == 1
    assert REFUSED in running.log()
    start.document["StandIn"]["LargeKeys"] = "send"
    start().wait_until_quiet()
    [update] = _operations(stream, "t")["update"]
    assert update.body["before-image"] == {"code": "a"}


@pytest.mark.parametrize("switch", ["absent", "null"])
def test_an_unchanged_large_value_is_left_out_or_null(source: Any, stream: Any, start: Any, switch: str) -> None:
    source.run(ORDERS, "ALTER TABLE shop.orders ALTER note SET STORAGE EXTERNAL")
    source.run("INSERT INTO shop.orders VALUES (1, repeat('x', 9000), 1)")
    start.document["StandIn"]["UnchangedLargeValue"] = switch
    running = start()
    running.wait_for_changes_phase()
    source.run("UPDATE shop.orders SET total = 2")
    running.wait_until_quiet()
    [update] = _operations(stream, "orders")["update"]
    assert update.body["data"] == ({"id": 1, "total": 2} | ({"note": None} if switch == "null" else {}))


def test_rolled_back_work_is_never_sent(source: Any, stream: Any, start: Any) -> None:
    source.run(ORDERS)
    running = start()
    running.wait_for_changes_phase()
    source.run(
        "BEGIN; INSERT INTO shop.orders VALUES (1, 'gone', 1); ROLLBACK",
        "BEGIN; INSERT INTO shop.orders VALUES (2, 'kept', 1); SAVEPOINT s; "
        "INSERT INTO shop.orders VALUES (3, 'gone', 1); ROLLBACK TO s; COMMIT",
    )
    running.wait_until_quiet()
    assert [r.body["data"]["id"] for r in stream.records("orders")] == [2]


def test_full_identity_logs_the_whole_old_row(source: Any, stream: Any, start: Any) -> None:
    source.run(
        "CREATE TABLE shop.t (id int PRIMARY KEY, a varchar(9), big text)", "ALTER TABLE shop.t REPLICA IDENTITY FULL"
    )
    start.document["TaskSettings"]["BeforeImageSettings"]["ColumnFilter"] = "all"
    running = start()
    running.wait_for_changes_phase()
    source.run("INSERT INTO shop.t VALUES (1, 'x', 'y')", "UPDATE shop.t SET a = 'z'", "DELETE FROM shop.t")
    running.wait_until_quiet()
    found = _operations(stream, "t")
    assert found["update"][0].body["before-image"] == {"id": 1, "a": "x"}
    assert found["delete"][0].body["data"] == {"id": 1, "a": "z", "big": "y"}


def test_changes_of_tables_that_are_not_selected_still_move_the_confirmed_position(
    source: Any, stream: Any, start: Any
) -> None:
    source.run(ORDERS, "CREATE TABLE public.other (id int)")
    running = start()
    running.wait_for_changes_phase()
    source.run("INSERT INTO public.other SELECT generate_series(1, 100)", "TRUNCATE shop.orders")
    running.wait_until_quiet()
    assert running.state()["changes"] == 0
    assert {r.body["metadata"]["table-name"] for r in stream.records()}.isdisjoint({"other"})


def test_an_added_column_is_announced_and_sent(source: Any, stream: Any, start: Any) -> None:
    source.run(ORDERS)
    running = start()
    running.wait_for_changes_phase()
    source.run("ALTER TABLE shop.orders ADD extra int", "INSERT INTO shop.orders VALUES (1, 'a', 1, 7)")
    running.wait_until_quiet()
    control = [r for r in stream.records() if r.operation == "add-column"]
    assert len(control) == 1
    assert control[0].body["control"]["table-def"]["columns"]["extra"] == {"type": "INT32", "nullable": True}
    assert stream.records("orders")[0].body["data"]["extra"] == 7


def test_the_start_announces_every_table_before_its_rows(source: Any, stream: Any, start: Any) -> None:
    source.run(ORDERS, "INSERT INTO shop.orders VALUES (1, 'a', 1)")
    running = start()
    running.wait_until_quiet()
    bodies = sorted((r.body for r in stream.records()), key=lambda body: body["metadata"]["timestamp"])
    seen = [(b["metadata"]["operation"], b["metadata"]["table-name"]) for b in bodies]
    wanted = [("drop-table", "orders"), ("create-table", "orders"), ("load", "orders")]
    assert [event for event in seen if event[1] == "orders"] == wanted
    own = {name for _, name in seen if name.startswith("awsdms_")}
    assert own == {
        "awsdms_status", "awsdms_history", "awsdms_suspended_tables", "awsdms_apply_exceptions",
        "awsdms_full_load_exceptions",
    }  # fmt: skip


def test_nothing_is_lost_by_kills_during_changes(source: Any, stream: Any, start: Any) -> None:
    source.run(ORDERS)
    running = start()
    running.wait_for_changes_phase()
    wanted = 4000

    def write() -> None:
        for i in range(1, wanted, 2):
            source.execute("INSERT INTO shop.orders VALUES (%s, 'n', 1), (%s, 'n', 2)", i, i + 1)

    writer = threading.Thread(target=write)
    writer.start()
    for part in (500, 1200, 2400):
        running.wait_for(lambda state, part=part: state["changes"] > part, "changes")
        running.kill()
        running = start()
    writer.join()
    running.wait_until_quiet()

    texts: dict[int, set[tuple[Any, ...]]] = {}
    names = ("transaction-id", "transaction-record-id", "prev-transaction-id", "commit-timestamp", "stream-position")
    for record in stream.records("orders"):
        metadata = record.body["metadata"]
        ids = tuple(metadata.get(name) for name in names)
        texts.setdefault(record.body["data"]["id"], set()).add(ids)
    assert set(texts) == set(range(1, wanted + 1))
    assert {len(ids) for ids in texts.values()} == {1}, "a change sent twice has the same ids"


def test_a_load_that_was_killed_loads_unfinished_tables_again(source: Any, stream: Any, start: Any) -> None:
    source.run(ORDERS, LINES, "INSERT INTO shop.orders SELECT i, 'n', 1 FROM generate_series(1, 3000) i")
    start.document["StandIn"]["PutRecordsFailureRate"] = 0.2  # slow enough to be killed half-way
    running = start()
    running.wait_for(lambda state: sum(state.get("rows_loaded", {}).values()) > 0, "the first rows")
    running.kill()
    assert "shop.orders" not in running.state()["loaded_tables"]
    start.document["StandIn"]["PutRecordsFailureRate"] = 0
    source.run("INSERT INTO shop.orders VALUES (9000, 'between', 1)")
    running = start()
    running.wait_until_quiet()
    assert running.state()["rows_loaded"]["shop.orders"] in (3000, 3001)
    ids = {r.body["data"]["id"] for r in stream.records("orders")}
    assert ids == {*range(1, 3001), 9000}


def test_a_stop_ends_it_cleanly_and_a_restart_sends_only_what_is_new(source: Any, stream: Any, start: Any) -> None:
    source.run(ORDERS, "INSERT INTO shop.orders VALUES (1, 'a', 1)")
    running = start()
    running.wait_for_changes_phase()
    source.run("INSERT INTO shop.orders VALUES (2, 'a', 1)")
    running.wait_until_quiet()
    assert running.stop() == 0
    source.run("INSERT INTO shop.orders VALUES (3, 'a', 1)")
    running = start()
    running.wait_until_quiet()
    found = _operations(stream, "orders")
    assert [r.body["data"]["id"] for r in found["load"]] == [1]
    assert sorted(r.body["data"]["id"] for r in found["insert"]) == [2, 3]
    assert "resumes in phase changes" in running.log()


def test_a_task_that_stood_by_sends_all_changes_since_and_no_load(source: Any, stream: Any, start: Any) -> None:
    """Another region takes over from its place in the log; what was there before it has from its replica."""
    source.run(ORDERS, "INSERT INTO shop.orders VALUES (1, 'a', 1)")
    assert start("stand-by").process.wait(timeout=60) == 0
    source.run("INSERT INTO shop.orders VALUES (2, 'a', 1)")
    running = start()
    running.wait_for_changes_phase()
    source.run("INSERT INTO shop.orders VALUES (3, 'a', 1)")
    running.wait_until_quiet()
    found = _operations(stream, "orders")
    assert "load" not in found
    assert sorted(r.body["data"]["id"] for r in found["insert"]) == [2, 3]


def test_a_lost_connection_is_made_again(source: Any, stream: Any, start: Any) -> None:
    source.run(ORDERS)
    running = start()
    running.wait_for_changes_phase()
    source.run("INSERT INTO shop.orders VALUES (1, 'a', 1)")
    running.wait_until_quiet()
    source.run("SELECT pg_terminate_backend(pid) FROM pg_stat_replication WHERE application_name = 'nearview-dms'")
    source.run("INSERT INTO shop.orders VALUES (2, 'a', 1)")
    running.wait_until_quiet()
    assert {r.body["data"]["id"] for r in stream.records("orders")} == {1, 2}


def test_the_source_forgets_only_what_the_stream_has(source: Any, stream: Any, start: Any) -> None:
    """The slot's confirmed position never passes the stored one."""
    source.run(ORDERS)
    running = start()
    running.wait_for_changes_phase()
    source.run("INSERT INTO shop.orders SELECT i, 'n', 1 FROM generate_series(1, 3000) i")
    running.kill()
    ahead = source.value(
        "SELECT confirmed_flush_lsn > %s::pg_lsn FROM pg_replication_slots WHERE slot_name = 'dms_nearview'",
        running.state()["confirmed_lsn"],
    )
    assert ahead is False


def test_drop_removes_slot_publication_and_state(source: Any, start: Any) -> None:
    source.run(ORDERS)
    running = start()
    running.wait_for_changes_phase()
    running.stop()
    assert start("drop").process.wait(timeout=20) == 0
    assert source.value("SELECT count(*) FROM pg_replication_slots WHERE slot_name = 'dms_nearview'") == 0
    assert source.value("SELECT count(*) FROM pg_publication") == 0
    assert running.state() == {}


def test_refused_records_come_later_and_all_come(source: Any, stream: Any, start: Any) -> None:
    source.run(ORDERS)
    start.document["StandIn"]["PutRecordsFailureRate"] = 0.3
    running = start()
    running.wait_for_changes_phase()
    source.run("INSERT INTO shop.orders SELECT i, 'n', 1 FROM generate_series(1, 700) i")
    running.wait_until_quiet()
    numbers = [r.body["metadata"]["transaction-record-id"] for r in stream.records("orders")]
    assert sorted(numbers) == list(range(1, 701))
    assert running.state()["put_retries"] > 0


def test_threads_keep_the_order_of_one_key(source: Any, stream: Any, start: Any) -> None:
    source.run(ORDERS, "INSERT INTO shop.orders SELECT i, 'n', 0 FROM generate_series(1, 50) i")
    start.document["TaskSettings"]["TargetMetadata"] |= {"ParallelApplyThreads": 4, "ParallelLoadThreads": 4}
    running = start()
    running.wait_for_changes_phase()
    for total in range(1, 21):
        source.execute("UPDATE shop.orders SET total = %s", total)
    running.wait_until_quiet()
    by_key: dict[int, list[int]] = {}
    for record in _operations(stream, "orders")["update"]:
        by_key.setdefault(record.body["data"]["id"], []).append(record.body["data"]["total"])
    assert by_key == {key: list(range(1, 21)) for key in range(1, 51)}


def test_what_commits_between_the_slot_and_a_table_s_read_comes_twice(
    source: Any, stream: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with the real service: inserts of loaded rows, deletes of rows never loaded, updates already in the load."""
    source.run(ORDERS, "INSERT INTO shop.orders VALUES (1, 'old', 1), (2, 'old', 1)")

    def late_load(*arguments: Any) -> None:
        source.run("INSERT INTO shop.orders VALUES (3, 'new', 1)", "UPDATE shop.orders SET note = 'new' WHERE id = 1")
        source.run("DELETE FROM shop.orders WHERE id = 2")
        load_table(*arguments)

    monkeypatch.setattr(task_module, "load_table", late_load)
    task = Task(Options("late", source.url, tmp_path, load_settings(DEFAULT_TASK)), stream.client, stream.name)
    thread = threading.Thread(target=task.run)
    thread.start()
    try:
        wait_until(lambda: len(stream.records("orders")) == 5, 20, "two loads and three changes")
    finally:
        task.stop()
        thread.join()
    assert StateFolder(tmp_path).read() is not None
    found = {name: [r.body["data"] for r in records] for name, records in _operations(stream, "orders").items()}
    assert sorted(row["id"] for row in found["load"]) == [1, 3]
    assert {row["note"] for row in found["load"]} == {"new"}
    assert [row["id"] for row in found["insert"]] == [3]
    assert [row["id"] for row in found["update"]] == [1]
    assert [row["id"] for row in found["delete"]] == [2]


def test_without_drop_and_create_no_table_is_announced_as_dropped(source: Any, stream: Any, start: Any) -> None:
    source.run(ORDERS)
    start.document["TaskSettings"]["FullLoadSettings"]["TargetTablePrepMode"] = "DO_NOTHING"
    start().wait_for_changes_phase()
    operations = {r.operation for r in stream.records() if r.body["metadata"]["table-name"] == "orders"}
    assert operations == {"create-table"}
