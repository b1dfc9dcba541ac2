"""`nearview parked retry`, `export`, `import` and `allow`: filters, sealed payloads, documents, the horizon."""

from __future__ import annotations

import io
import json
import stat
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from local.ministack import MiniStack
from tests.worker.conftest import Tables
from tests.worker.dms_records import change, record
from worker.cli import main
from worker.compose import build_pipeline
from worker.errors import SettingsError
from worker.horizon import HORIZON_PK
from worker.log import Log
from worker.operator_cli import operator_settings
from worker.parked import parking
from worker.parked.settings import RETRIES
from worker.pipeline import Pipeline

CANARY = "canary-7F3A"
SECRET = "0123456789abcdef0123456789abcdef"
MAPPING = """
aggregate: order
source: shop.orders
key: order_id
fields: [order_id, note, total: {type: decimal}]
many:
  lines: {source: shop.lines, key: line_id, join: order_id, fields: [line_id, sku]}
"""


class Desk:
    """An operator's shell and a worker on the same tables."""

    def __init__(self, tables: Tables, environment: dict[str, str]) -> None:
        self.tables = tables
        self.environment = environment

    def __call__(self, *arguments: str) -> Result:
        return CliRunner().invoke(main, ["parked", *arguments], env=self.environment)

    def worker(self) -> Pipeline:
        """A child's pipeline with the shell's settings."""
        return build_pipeline(operator_settings(self.environment, RETRIES), "shard", Log("error", io.StringIO()))

    def listed(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self("list", "--json").stdout)
        return found

    def stored(self) -> str:
        """All that is in the parking table."""
        return str(self.tables.items(self.tables.parked))


@pytest.fixture
def desk(tables: Tables, ministack: MiniStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    for name, value in ministack.environment().items():
        monkeypatch.setenv(name, value)
    mappings = tmp_path / "mappings"
    mappings.mkdir()
    (mappings / "order.yaml").write_text(MAPPING)
    environment = {**ministack.environment(), **tables.environment(), "NEARVIEW_MAPPINGS": str(mappings)}
    return Desk(tables, {**environment, "NEARVIEW_PARKED_KEY": SECRET, "COLUMNS": "200"})


def order(key: Any, position: int = 1, **columns: Any) -> dict[str, Any]:
    data = {"order_id": key, "note": CANARY, "total": 1, **columns}
    return change("insert", "shop.orders", data, None, position)


LARGE = {**order(1), "metadata": {**order(1)["metadata"], "operation": "none"}, "more": CANARY * 100_000}


def test_nothing_parked_can_be_read_without_the_key(desk: Desk) -> None:
    """Not in the parts of a long payload either, nor of tables that are only noted."""
    forgotten = change("insert", "shop.forgotten", {"secret": CANARY * 50_000})
    desk.worker().process([record(CANARY.encode()), record(LARGE), record(order(None)), record(forgotten)])

    assert len(desk.tables.items(desk.tables.parked)) >= 6
    assert CANARY not in desk.stored()
    assert {entry["sealed"][:4] for entry in desk.listed()["records"]} == {"key:"}
    entry = next(entry for entry in desk.listed()["records"] if entry["reason"] == "unknown_operation")
    assert desk("show", entry["id"], "--show-payload").stdout.endswith(f"\n{json.dumps(LARGE)}\n")


@pytest.mark.parametrize("key", ["", "another-secret-of-32-bytes-or-more"])
def test_without_its_key_a_payload_is_one_line_and_a_retry_leaves_it(desk: Desk, key: str) -> None:
    desk.worker().process([record(CANARY.encode()), record(CANARY.encode())])
    desk.environment["NEARVIEW_PARKED_KEY"] = key
    entry = desk.listed()["records"][0]

    shown, retried = desk("show", entry["id"], "--show-payload"), desk("retry")

    assert shown.exit_code == 2
    assert shown.output.startswith("nearview parked: a payload is sealed with key:")
    assert shown.output.count("\n") == 1
    assert retried.stdout == "2 records tried: 0 used, 2 stay parked (2 cannot_open)\n"
    assert len(desk.listed()["records"]) == 2


def test_what_was_sealed_with_an_old_key_is_used_and_what_stays_is_sealed_with_the_new_one(desk: Desk) -> None:
    desk.worker().process([record(order(None)), record(LARGE)])
    before = {entry["sealed"] for entry in desk.listed()["records"]}
    desk.environment["NEARVIEW_PARKED_KEY"] = f"a-new-secret-of-32-bytes-and-some-more {SECRET}"

    assert desk("retry").exit_code == 1

    after = {entry["sealed"] for entry in desk.listed()["records"]}
    assert len(before) == len(after) == 1
    assert before != after
    payloads = [item for item in desk.tables.items(desk.tables.parked) if "payload" in item]
    assert len(payloads) == 1 + 3, "no part of what was sealed before is left"
    entry = next(entry for entry in desk.listed()["records"] if entry["reason"] == "unknown_operation")
    assert desk("show", entry["id"], "--show-payload").stdout.endswith(f"\n{json.dumps(LARGE)}\n")


def test_two_workers_that_park_the_same_long_record_leave_one_that_opens(desk: Desk) -> None:
    """A zombie and its successor: each seals with a nonce of its own."""
    _opens_after_a_zombie(desk)


def test_parts_of_two_workers_that_meet_are_noticed(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    original = parking.part_key
    for module in ("worker.parked.parking", "worker.parked.commands"):
        monkeypatch.setattr(f"{module}.part_key", lambda sk, number, mark: original(sk, number, ""))

    with pytest.raises(AssertionError):
        _opens_after_a_zombie(desk)


def _opens_after_a_zombie(desk: Desk) -> None:
    parked = record(LARGE)
    desk.worker().process([parked])
    zombie = [item for item in desk.tables.items(desk.tables.parked) if "reason" not in item]
    desk.worker().process([parked])
    for item in zombie:  # its late writes: parts only, it died before the item that counts them
        desk.tables.client.put_item(TableName=desk.tables.parked, Item=item)

    (entry,) = desk.listed()["records"]
    assert desk("show", entry["id"], "--show-payload").stdout.endswith(f"\n{json.dumps(LARGE)}\n")


def test_an_export_goes_round_sealed_and_nobody_can_read_it(desk: Desk, tmp_path: Path) -> None:
    desk.worker().process([record(CANARY.encode()), record(LARGE), record(order(None))])
    path = tmp_path / "parked.jsonl"
    before = desk.listed()["records"]

    done = desk("export", "--to", str(path))
    assert (done.exit_code, done.output) == (0, "3 records exported\n")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert CANARY not in path.read_text()
    assert desk("discard", "--all", "--yes").exit_code == 0
    assert desk.listed()["records"] == []

    assert desk("import", str(path), "--dry-run").output == (
        "3 records would be parked; `nearview parked retry` uses them\n"
    )
    assert desk.listed()["records"] == []
    for _ in range(2):
        assert desk("import", str(path)).output == "3 records parked; `nearview parked retry` uses them\n"
    assert desk.listed()["records"] == before
    entry = next(entry for entry in before if entry["reason"] == "unknown_operation")
    assert desk("show", entry["id"], "--show-payload").stdout.endswith(f"\n{json.dumps(LARGE)}\n")


def test_an_open_export_is_used_by_an_installation_with_another_key(desk: Desk, tmp_path: Path) -> None:
    bad = {**order(5), "data": {**order(5)["data"], "order_id": None}}
    desk.worker().process([record(bad)])
    path = tmp_path / "parked.jsonl"
    assert desk("export", "--to", str(path), "--show-payload").exit_code == 0
    line = json.loads(path.read_text())
    assert line["sealed"] is None
    desk("discard", "--all", "--yes")
    desk.environment["NEARVIEW_PARKED_KEY"] = "another-secret-of-32-bytes-or-more"

    assert desk("import", str(path), "--json").stdout == '{"read": 1, "parked": 1}\n'

    assert CANARY not in desk.stored()
    mended = Path(desk.environment["NEARVIEW_MAPPINGS"]) / "order.yaml"
    mended.write_text("aggregate: order\nsource: shop.orders\nkey: note\nfields: [note, total]\n")
    assert desk("retry").output == "1 record tried: 1 used, 0 stay parked\n"
    assert desk.tables.document("order", CANARY)


def test_what_is_not_sealed_is_exported_only_when_asked_for(desk: Desk) -> None:
    desk.environment["NEARVIEW_PARKED_KEY"] = ""
    desk.worker().process([record(CANARY.encode())])

    refused, done = desk("export"), desk("export", "--show-payload")

    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "give --show-payload" in refused.stderr
    assert json.loads(done.stdout)["payload"]
    assert len(desk.listed()["records"]) == 1


@pytest.mark.parametrize(
    "line",
    [
        CANARY,
        "[]",
        "{}",
        '{"nearview_parked": 2}',
        '{"nearview_parked": 1}',
        '{"nearview_parked": 1, "pk": "record#?"}',
    ],
)
def test_a_file_with_a_line_that_is_none_is_not_begun_with(desk: Desk, tmp_path: Path, line: str) -> None:
    desk.worker().process([record(CANARY.encode())])
    path = tmp_path / "parked.jsonl"
    desk("export", "--to", str(path))
    desk("discard", "--all", "--yes")
    path.write_text(path.read_text() + line + "\n")

    refused = desk("import", str(path))

    assert refused.exit_code == 2
    assert refused.output.startswith(f"nearview parked: {path}:2: ")
    assert refused.output.count("\n") == 1
    assert CANARY not in refused.output
    assert desk.listed()["records"] == []


def test_a_line_may_not_say_that_it_belongs_elsewhere(desk: Desk, tmp_path: Path) -> None:
    """Else a file could overwrite the marks of tables or the list of incarnations."""
    desk.worker().process([record(b"x")])
    line = json.loads(desk("export").stdout)
    path = tmp_path / "parked.jsonl"
    for pk in ("table", "incarnation", "drift", "allow", "record#other", "part#x"):
        path.write_text(json.dumps({**line, "pk": pk}))
        assert desk("import", str(path)).exit_code == 2


def test_filters_choose_by_all_that_an_entry_says(desk: Desk) -> None:
    worker = desk.worker()
    worker.process(
        [
            record(b"x", shard="shardId-000000000001"),
            record(order(None)),
            record(order(7, total=CANARY)),
            record(change("insert", "shop.forgotten", {"a": 1})),
        ]
    )
    everything = desk.listed()
    entry = everything["records"][0]["id"]
    document = everything["documents"][0]["id"]

    def count(*options: str) -> int:
        found = json.loads(desk("list", "--json", *options).stdout)
        return sum(len(found[kind]) for kind in ("tables", "unknown_tables", "records", "documents"))

    assert count() == 4
    assert count("--shard", "shardId-000000000001") == 1
    assert count("--kind", "record") == 2
    assert count("--kind", "document") == 1
    assert count("--aggregate", "order") == 1
    assert count("--aggregate", "none") == 0
    assert count("--id", entry, "--id", document) == 2
    assert count("--newer", "1h", "--kind", "record") == 2
    assert count("--older", "1h", "--kind", "record") == 0
    assert count("--older", "1d", "--kind", "document") == 1, "its age is that of the commit it has reached"
    assert count("--reason", "not_json", "--table", "shop.orders") == 0
    assert desk("list", "--older", "yesterday").exit_code == 2


def test_a_document_is_built_again_when_the_mapping_has_learned_its_value(desk: Desk) -> None:
    worker = desk.worker()
    worker.process([record(order(7)), record(order(8))])
    worker.process([record(order(7, 2, total="12 EUR")), record(order(8, 2, total="13 EUR"))])
    assert desk("retry").stdout.splitlines()[-1] == "2 documents tried: 0 good, 2 stay parked"
    mended = Path(desk.environment["NEARVIEW_MAPPINGS"]) / "order.yaml"
    mended.write_text(MAPPING.replace(", total: {type: decimal}", ", total"))
    (chosen, *_) = desk.listed()["documents"]

    dry = desk("retry", "--id", chosen["id"], "--dry-run", "--json")
    assert json.loads(dry.stdout)["documents"] == 1
    assert len(desk.listed()["documents"]) == 2

    one = desk("retry", "--id", chosen["id"], "--json")
    assert json.loads(one.stdout)["documents"] == {"tried": 1, "good": 1, "stayed": 0}
    rest = desk("retry", "--aggregate", "order")
    assert (rest.exit_code, rest.stdout.splitlines()[-1]) == (0, "1 document tried: 1 good, 0 stay parked")
    assert desk.listed()["documents"] == []
    document = desk.tables.document("order", "7")
    assert document is not None
    assert document["total"] == {"S": "12 EUR"}


def test_a_record_from_before_the_horizon_of_tombstones_is_left(desk: Desk) -> None:
    """The row may have been deleted since, and nothing would know."""
    desk.worker().process([record(order(None))])
    before = desk.listed()["records"]
    item = {"pk": {"S": HORIZON_PK}, "sk": {"S": "#"}, "from": {"S": "2100-01-01T00:00:00Z"}}
    desk.tables.client.put_item(TableName=desk.tables.rows, Item=item)

    refused = desk("retry")

    assert (refused.exit_code, refused.stdout) == (1, "1 record tried: 0 used, 1 stay parked (1 before_horizon)\n")
    assert desk.listed()["records"] == before
    desk.tables.client.put_item(TableName=desk.tables.rows, Item={**item, "from": {"S": "1990-01-01T00:00:00Z"}})
    assert "missing_key" in desk("retry").stdout


def test_an_operator_allows_shards_to_park_more_and_takes_it_back(desk: Desk) -> None:
    place = desk.worker()._parking
    assert desk("allow").exit_code == 2
    assert desk("allow", "shard", "--dry-run").output.endswith("(dry run)\n")
    assert not place.is_allowed("shard")  # type: ignore[attr-defined]

    allowed = desk("allow", "shard", "--for", "2h")
    assert allowed.output.startswith("shard: any number may be parked until 20")
    assert place.is_allowed("shard")  # type: ignore[attr-defined]
    assert not place.is_allowed("other")  # type: ignore[attr-defined]
    assert desk("list").output.startswith("shard may park any number of records until 20")
    assert list(desk.listed()["allowed"]) == ["shard"]

    assert desk("allow", "shard", "--withdraw").output == "shard: the limit holds again\n"
    assert not place.is_allowed("shard")  # type: ignore[attr-defined]
    assert desk("allow", "--all-shards", "--json").exit_code == 0
    assert place.is_allowed("other")  # type: ignore[attr-defined]


def test_sensitive_columns_without_a_key_are_refused_before_anything_is_read(desk: Desk) -> None:
    tables = Path(desk.environment["NEARVIEW_MAPPINGS"]) / "tables.yaml"
    tables.write_text("tables: {shop.orders: {sensitive: {card: drop}}}\n")
    desk.worker()
    desk.environment["NEARVIEW_PARKED_KEY"] = ""

    with pytest.raises(SettingsError, match="NEARVIEW_PARKED_KEY is not set: the mappings have sensitive columns"):
        desk.worker()
