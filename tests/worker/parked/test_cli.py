"""`nearview parked`: what is shown, brought back, released and thrown away, and its exit codes."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from local.ministack import MiniStack
from tests.worker.conftest import Tables
from tests.worker.dms_records import change, record
from worker.cli import main
from worker.compose import build_pipeline
from worker.log import Log
from worker.operator_cli import operator_settings
from worker.parked.parking import Parking, record_entry, table_entry
from worker.parked.settings import LOOKS, RETRIES
from worker.pipeline import Pipeline
from worker.records.errors import Reason
from worker.records.stream import StreamRecord

CANARY = "canary-7F3A"
MAPPING = """
aggregate: order
source: shop.orders
key: order_id
fields: [order_id, note, total: {type: decimal}]
"""

Run = Callable[..., Result]


@pytest.fixture
def run(tables: Tables, ministack: MiniStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the program as in a shell with the settings of the tables; gives its result."""
    (tmp_path / "order.yaml").write_text(MAPPING)
    environment = {**ministack.environment(), **tables.environment(), "NEARVIEW_MAPPINGS": str(tmp_path)}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    # what a shell may hold beside them
    monkeypatch.setenv("NEARVIEW_SOURCE_URL", "postgresql://nobody@127.0.0.1/nothing")
    monkeypatch.setenv("COLUMNS", "200")
    return lambda *arguments: CliRunner().invoke(main, ["parked", *arguments])


@pytest.fixture
def worker(tables: Tables, run: Run, tmp_path: Path) -> Pipeline:
    """A child's pipeline on the same tables."""
    environment = {
        "AWS_REGION": "eu-west-1",
        "AWS_ENDPOINT_URL": tables.endpoint_url,
        "NEARVIEW_MAPPINGS": str(tmp_path),
        **tables.environment(),
    }
    return build_pipeline(operator_settings(environment, RETRIES), "shard", Log("error", io.StringIO()))


def order(key: Any, position: int = 1, **metadata: Any) -> dict[str, Any]:
    """A good record of an order."""
    return change("insert", "shop.orders", {"order_id": key, "note": CANARY, "total": 1}, None, position, **metadata)


def _park(tables: Tables, payload: dict[str, Any] | bytes, reason: Reason, table: str = "shop.orders") -> StreamRecord:
    parked = record(payload)
    Parking(tables.client, tables.parked, Log("error", io.StringIO())).park(
        [record_entry(parked, table, reason, f"made by a test: {reason}")]
    )
    return parked


def _stop(tables: Tables, table: str = "shop.orders") -> None:
    Parking(tables.client, tables.parked, Log("error", io.StringIO())).park(
        [table_entry(record(b"x"), table, "set IncludeTransactionDetails=true on the DMS Kinesis endpoint")]
    )


def _listed(run: Run) -> dict[str, Any]:
    listed: dict[str, Any] = json.loads(run("list", "--json").output)
    return listed


def test_nothing_parked_is_said_so(run: Run) -> None:
    result = run("list")

    assert (result.exit_code, result.output) == (0, "nothing is parked\n")


def test_the_list_counts_by_reason_and_table_and_shows_no_value(run: Run, worker: Pipeline) -> None:
    worker.process(
        [
            record(CANARY.encode()),
            record(CANARY.encode()),
            record(change("insert", "shop.forgotten", {"secret": CANARY})),
            record(change("insert", "shop.orders", {"order_id": 7, "note": "", "total": CANARY})),
            record(order(1, stream_position=None)),
        ]
    )

    result = run("list")

    assert result.exit_code == 0
    lines = [" ".join(line.split()) for line in result.output.splitlines()]
    assert lines[0].startswith("table shop.orders is parked since 20")
    assert lines[0].endswith("set IncludeTransactionDetails=true on the DMS Kinesis endpoint")
    assert lines[1] == "what table or aggregate reason count first"
    assert [line.rsplit(" ", 1)[0] for line in lines[3:-1]] == [
        "unknown shop.forgotten unknown_table 1",
        "record ? not_json 2",
        "record shop.orders table_parked 1",
        "document order does not fit 1",
    ]
    assert CANARY not in result.output


def test_every_entry_is_listed_with_an_id_that_show_takes(run: Run, worker: Pipeline) -> None:
    worker.process(
        [
            record(CANARY.encode()),
            record(order(7, position=1)),
            record({**order(7, position=2), "data": {"order_id": 7, "note": "", "total": CANARY}}),
        ]
    )
    lines = run("list", "--all").output.splitlines()
    entry, document = (line.split("  ")[0] for line in lines)
    shown, shown_document = run("show", entry), run("show", document)

    assert [line.partition("  ")[2] for line in lines] == [
        "record  ?  not_json: the record is not JSON in UTF-8",
        "document  order  /: shop.orders.total as decimal: not a number",
    ]
    assert (shown.exit_code, shown_document.exit_code) == (0, 0)
    assert "order#7" not in "".join(lines), "a key is a column's value"
    assert run("list", "--all", "--show-payload").output.splitlines()[1].startswith(f"{document}  document  order#7  ")
    assert "reason           not_json" in shown.output
    assert "reason           /: shop.orders.total as decimal: not a number" in shown_document.output
    assert CANARY not in "".join([*lines, shown.output, shown_document.output])
    assert "key  " not in shown_document.output
    assert json.loads(run("show", document, "--show-payload", "--json").output)["key"] == "7"
    assert run("show", entry, "--show-payload").output.endswith(f"\n{CANARY}\n")


def test_a_parked_document_shows_its_last_good_state_when_asked(run: Run, worker: Pipeline) -> None:
    worker.process([record(order(7, position=1))])
    worker.process([record({**order(7, position=2), "data": {"order_id": 7, "note": "", "total": CANARY}})])

    output = run("show", "order#7", "--show-payload").output

    assert json.loads(output[output.index("{") :]) == {"order_id": 7, "note": CANARY, "total": 1}
    assert _listed(run)["documents"][0]["has_body"] is True


def test_a_payload_cannot_steer_the_terminal(run: Run, tables: Tables) -> None:
    _park(tables, b"\x1b[2J\x00\xff", Reason.NOT_JSON)
    (entry,) = _listed(run)["records"]

    assert run("show", entry["id"], "--show-payload").output.endswith("\n\\x1b[2J\\x00\\xff\n")


@pytest.mark.parametrize("entry", ["0123456789ab", "order#1"])
def test_an_entry_that_is_not_there_is_one_line_and_1(run: Run, entry: str) -> None:
    result = run("show", entry)

    assert result.exit_code == 1
    assert result.output.startswith("nearview parked: no ")
    assert result.output.count("\n") == 1


def test_a_retry_brings_records_back_and_deletes_their_entries(run: Run, tables: Tables) -> None:
    for key in range(1, 131):
        _park(tables, order(key), Reason.TABLE_PARKED)

    result = run("retry")

    assert (result.exit_code, result.stdout) == (0, "130 records tried: 130 used, 0 stay parked\n")
    assert result.stderr == "100 of 130 records tried\n"
    assert [item for item in tables.items(tables.parked) if "reason" in item] == []
    assert all(tables.document("order", str(key)) for key in range(1, 131))


def test_a_retry_keeps_what_is_still_bad_with_the_reason_of_today(run: Run, tables: Tables) -> None:
    _park(tables, order(None), Reason.TABLE_PARKED)
    bad = _park(tables, order(2, stream_position=None), Reason.TABLE_PARKED)
    _park(tables, order(3), Reason.TABLE_PARKED)

    result = run("retry")

    assert (result.exit_code, result.output) == (
        1,
        "3 records tried: 1 used, 2 stay parked (1 missing_key, 1 table_parked)\n",
    )
    listed = _listed(run)
    assert {entry["reason"] for entry in listed["records"]} == {"missing_key", "table_parked"}
    assert bad.sequence_number in {entry["sequence_number"] for entry in listed["records"]}
    assert listed["tables"] == [], "a record of old must not stop a table that meanwhile is fine"
    assert tables.document("order", "3")


def test_records_of_a_table_that_is_still_parked_stay(run: Run, tables: Tables) -> None:
    _stop(tables)
    _park(tables, order(1), Reason.TABLE_PARKED)

    result = run("retry")

    assert result.exit_code == 1
    assert result.output.splitlines() == [
        "1 record of shop.orders held back: the table is parked (nearview parked release shop.orders)",
        "0 records tried: 0 used, 0 stay parked",
    ]
    assert tables.document("order", "1") is None
    assert len(_listed(run)["records"]) == 1


def test_a_record_of_a_table_that_no_mapping_uses_is_not_thrown_away(run: Run, tables: Tables) -> None:
    """An operator's shell may name another folder of mappings than the worker's."""
    _park(tables, change("insert", "shop.lines", {"line_no": 1}), Reason.TABLE_PARKED, "shop.lines")

    result = run("retry")

    assert (result.exit_code, result.output) == (1, "1 record tried: 0 used, 1 stay parked (1 unknown_table)\n")
    assert [(entry["table"], entry["reason"]) for entry in _listed(run)["records"]] == [("shop.lines", "unknown_table")]
    assert _listed(run)["unknown_tables"] == []


def test_a_retry_never_replaces_what_is_newer(run: Run, tables: Tables, worker: Pipeline) -> None:
    worker.process([record({**order(1, position=9), "data": {"order_id": 1, "note": "newer", "total": 1}})])
    _park(tables, order(1, position=8), Reason.TABLE_PARKED)

    assert run("retry").exit_code == 0
    document = tables.document("order", "1")
    assert document is not None
    assert document["note"] == {"S": "newer"}


def test_an_entry_parked_under_another_table_moves_with_its_long_payload(run: Run, tables: Tables) -> None:
    """The parts of its payload are those of the new entry."""
    large = {**order(1), "data": {"order_id": 1, "note": "x" * 500_000, "total": 1}}
    _park(tables, large, Reason.NOT_JSON, "?")

    assert run("retry").output == "1 record tried: 0 used, 1 stay parked (1 row_too_large)\n"

    (entry,) = _listed(run)["records"]
    assert (entry["table"], entry["payload_bytes"]) == ("shop.orders", len(json.dumps(large)))
    assert run("show", entry["id"], "--show-payload").output.endswith(f"{json.dumps(large)}\n")


def test_a_payload_with_a_lost_part_is_not_tried(run: Run, tables: Tables) -> None:
    _park(tables, b"x" * 500_000, Reason.NOT_JSON)
    (part,) = [item for item in tables.items(tables.parked) if "payload" in item and "reason" not in item]
    tables.client.delete_item(TableName=tables.parked, Key={"pk": part["pk"], "sk": part["sk"]})

    assert run("retry").output == "1 record tried: 0 used, 1 stay parked (1 payload_incomplete)\n"


def test_filters_choose_and_a_dry_run_changes_nothing(run: Run, tables: Tables) -> None:
    _park(tables, order(1), Reason.TABLE_PARKED)
    _park(tables, order(2), Reason.MISSING_KEY)
    _park(tables, order(3), Reason.MISSING_KEY, "shop.other")

    dry = run("retry", "--table", "shop.orders", "--dry-run")
    assert (dry.exit_code, dry.output) == (1, "2 records would be tried (1 table_parked, 1 missing_key)\n")
    assert len(_listed(run)["records"]) == 3

    assert run("retry", "--table", "shop.orders", "--reason", "missing_key").exit_code == 0
    assert len(_listed(run)["records"]) == 2
    assert tables.document("order", "2")
    assert tables.document("order", "1") is None


def test_a_release_takes_the_mark_away_and_says_what_stays(run: Run, tables: Tables, worker: Pipeline) -> None:
    _stop(tables)
    _park(tables, order(1), Reason.TABLE_PARKED)
    assert worker.process([record(order(2))]).parked["table_parked"] == 1

    result = run("release", "shop.orders")

    assert result.exit_code == 0
    assert "shop.orders is released; workers park what they read in the next 5 seconds" in result.output
    assert "2 records of it stay parked: documents lack their changes." in result.output
    assert "nearview parked retry --table shop.orders" in result.output
    assert "load the table again in a raised incarnation" in result.output
    assert _listed(run)["tables"] == []
    assert run("retry", "--table", "shop.orders").exit_code == 0


def test_releasing_a_table_that_is_not_parked_is_1(run: Run) -> None:
    result = run("release", "shop.orders")

    assert (result.exit_code, result.output) == (1, "nearview parked: shop.orders is not parked\n")


def test_nothing_is_discarded_without_a_choice_and_a_yes(run: Run, tables: Tables) -> None:
    _stop(tables)
    _park(tables, b"x" * 500_000, Reason.NOT_JSON)
    _park(tables, order(2), Reason.MISSING_KEY)

    assert run("discard").exit_code == 2
    asked = run("discard", "--reason", "not_json")
    assert (asked.exit_code, asked.output) == (1, "entries chosen: 1 (1 not_json); add --yes to discard them\n")
    assert len(_listed(run)["records"]) == 2

    done = run("discard", "--reason", "not_json", "--yes")
    assert (done.exit_code, done.output) == (0, "entries chosen: 1 (1 not_json); discarded\n")
    assert len(tables.items(tables.parked)) == 2, "the parts of its payload went, too"

    (entry,) = _listed(run)["records"]
    assert run("discard", "--id", entry["id"], "--yes").exit_code == 0
    assert run("discard", "--all", "--yes").output == "entries chosen: 0; discarded\n"
    assert len(_listed(run)["tables"]) == 1, "a parked table is released, never discarded"


def test_all_missing_settings_are_named_and_only_those_a_command_needs(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NEARVIEW_PARKED_TABLE", "NEARVIEW_ROWS_TABLE"):
        monkeypatch.delenv(name)

    looked, retried = run("list"), run("retry")

    assert (looked.exit_code, retried.exit_code) == (2, 2)
    assert looked.output == "nearview parked: NEARVIEW_PARKED_TABLE is not set: DynamoDB table of parked records.\n"
    assert [line.split()[2] for line in retried.output.splitlines()] == ["NEARVIEW_ROWS_TABLE", "NEARVIEW_PARKED_TABLE"]


@pytest.mark.parametrize("command", [["list"], ["show", "x"], ["release", "a.b"], ["retry"], ["discard", "--all"]])
def test_a_table_that_is_missing_is_one_line_and_2(
    run: Run, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.setenv("NEARVIEW_PARKED_TABLE", "no-such-table")

    result = run(*command)

    assert result.exit_code == 2
    assert result.output == (
        "nearview parked: DynamoDB refused the parking table: ResourceNotFoundException: check the tables' names and"
        " the rights of the worker's role\n"
    )


def test_mappings_with_problems_stop_a_retry_with_a_line_each(run: Run, tables: Tables, tmp_path: Path) -> None:
    _park(tables, order(1), Reason.TABLE_PARKED)
    (tmp_path / "order.yaml").write_text("aggregate: Order\n")

    result = run("retry")

    assert result.exit_code == 2
    assert result.output.count("order.yaml:1:") == len(result.output.splitlines()) > 2
    assert len(_listed(run)["records"]) == 1


def test_an_unused_setting_of_the_worker_need_not_be_there() -> None:
    settings = operator_settings(
        {"AWS_REGION": "eu-west-1", "NEARVIEW_PARKED_TABLE": "p", "NEARVIEW_DOCUMENTS_TABLE": "d", "NEARVIEW_X": "y"},
        LOOKS,
    )

    assert (settings.parked_table, settings.documents_table) == ("p", "d")
