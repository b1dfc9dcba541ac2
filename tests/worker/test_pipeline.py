"""Records in, durable out: every kind of bad input ends where it must, and its neighbours are written."""

from __future__ import annotations

import dataclasses
import io
import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from contract.mapping import Mapping, Policy
from tests.worker.conftest import Tables
from tests.worker.dms_records import change, record
from tests.worker.projection.strict_store import StrictStore
from worker.errors import FatalError
from worker.log import Log
from worker.mapping.loader import read_mappings
from worker.parked.commands import Parked
from worker.parked.items import list_parked
from worker.parked.limit import Held, ParkingLimit
from worker.parked.parking import RECORD_PK_PREFIX, Entry, Parking
from worker.patience import Patience
from worker.pipeline import BatchReport, Pipeline
from worker.projection import documents
from worker.projection.due import Dues
from worker.projection.operations import Operation, Replace, TableName, Update
from worker.projection.plan import make_plan
from worker.projection.referrers import Limits
from worker.rebuild.state import raise_fence
from worker.records.drift import Drift, Ledger
from worker.records.envelope import BeforeColumns
from worker.records.incarnations import Incarnations
from worker.records.positions import Engine, Order
from worker.records.protect import Protection, TokenKey
from worker.records.source import Source
from worker.records.stream import StreamRecord
from worker.settled import Settled, digest
from worker.source_notes import SourceNotes
from worker.store.dynamodb import DynamoStore
from worker.store.usage import Usage

CANARY = "canary-7F3A"

ORDERS = """
aggregate: order
source: shop.orders
key: order_id
fields: [order_id, note, total: {type: decimal}, customer_id]
one:
  customer: {source: shop.customers, key: customer_id, join: customer_id, fields: [name]}
many:
  lines: {source: shop.lines, key: [order_id, line_no], join: order_id, order_by: line_no, fields: [line_no, sku]}
"""


def _mapping() -> Mapping:
    mapping, problems = read_mappings({"order.yaml": ORDERS})
    assert mapping is not None, problems
    return mapping


class Limit:
    """Lets a number of records be parked; then whoever waits does what a test wants meanwhile."""

    def __init__(self, most: int, meanwhile: Callable[[], None]) -> None:
        self.left = most
        self.meanwhile = meanwhile
        self.asked: list[int] = []

    def take(self, records: int) -> bool:
        self.asked.append(records)
        self.left -= records
        return self.left >= 0

    def wait(self, records: int) -> None:
        self.meanwhile()


@dataclass
class Shop:
    """A pipeline on tables of its own."""

    tables: Tables
    log: io.StringIO = field(default_factory=io.StringIO)
    now: float = 0.0
    mapping: Mapping = field(default_factory=lambda: _mapping())
    source: Source = Source()  # noqa: RUF009  it is frozen

    def __post_init__(self) -> None:
        self.pipeline = self.child()

    def child(
        self, notes_tables: bool = True, limit: Limit | ParkingLimit | None = None, settles: bool = False
    ) -> Pipeline:
        """A pipeline as a newly started child has it."""
        log = Log("debug", self.log)
        plan = make_plan(self.mapping)
        return Pipeline(
            plan,
            self.tables.store(log),
            Parking(self.tables.client, self.tables.parked, log),
            self.notes(),
            self.source,
            log,
            notes_tables=notes_tables,
            clock=lambda: self.now,
            limit=limit,
            settled=Settled("shardId-0", digest(plan), lambda: self.now) if settles else None,
        )

    def process(self, *payloads: dict[str, Any] | bytes) -> BatchReport:
        return self.pipeline.process([record(payload) for payload in payloads])

    def notes(self) -> SourceNotes:
        """What is kept about the source."""
        log = Log("error", self.log)
        return SourceNotes(self.tables.client, self.tables.parked, Patience("the parking table", log))

    def parked(self) -> list[tuple[str, str, str]]:
        """Kind, table and reason of everything parked."""
        return [(item.kind, item.table, item.reason) for item in list_parked(self.tables.client, self.tables.parked)]

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.getvalue().splitlines()]


@pytest.fixture
def shop(tables: Tables) -> Shop:
    return Shop(tables)


def order(key: Any, position: int = 1, operation: Any = "insert", **metadata: Any) -> dict[str, Any]:
    """A good record of an order."""
    data = {"order_id": key, "note": CANARY, "total": 12.5, "customer_id": None}
    before: dict[str, Any] | None = {} if operation == "update" else None
    return change(operation, "shop.orders", data, before, position, **metadata)


def without(payload: dict[str, Any], *columns: str) -> dict[str, Any]:
    """The record without some columns."""
    return {**payload, "data": {name: value for name, value in payload["data"].items() if name not in columns}}


def with_data(payload: dict[str, Any], **columns: Any) -> dict[str, Any]:
    """The record with other values."""
    return {**payload, "data": {**payload["data"], **columns}}


def raw(payload: dict[str, Any], **numbers: str) -> bytes:
    """The record's text with the numbers written as they stand here."""
    marked = with_data(payload, **{name: f"@{name}@" for name in numbers})
    text = json.dumps(marked)
    for name, number in numbers.items():
        text = text.replace(f'"@{name}@"', number)
    return text.encode()


BAD: dict[str, tuple[dict[str, Any] | bytes, str, str]] = {
    "no JSON": (CANARY.encode(), "?", "not_json"),
    "no UTF-8": (b'{"data": "\xff"}', "?", "not_json"),
    "nothing": (b"", "?", "not_json"),
    "nested too deeply": (b"[" * 100_000, "?", "over_limit"),
    "NaN": (raw(order(1), total="NaN"), "?", "not_json"),
    "a number with an enormous exponent": (raw(order(1), total="1e999999999"), "?", "over_limit"),
    "JSON, but no object": (b"[1]", "?", "bad_envelope"),
    "no metadata": ({"data": {"order_id": 1, "note": CANARY}}, "?", "bad_envelope"),
    "no table": (order(1, table_name=None), "?", "bad_envelope"),
    "another record type": (order(1, record_type="heartbeat"), "shop.orders", "bad_envelope"),
    "no data": ({"metadata": order(1)["metadata"]}, "shop.orders", "bad_envelope"),
    "a time that is none": (order(1, commit_timestamp="yesterday"), "shop.orders", "bad_envelope"),
    "a record number that is a text": (order(1, transaction_record_id="1"), "shop.orders", "bad_envelope"),
    "unknown operation": (order(1, operation="truncate"), "shop.orders", "unknown_operation"),
    "no operation": (order(1, operation=None), "shop.orders", "unknown_operation"),
    "key column absent": (without(order(1), "order_id"), "shop.orders", "missing_key"),
    "key column null": (order(None), "shop.orders", "missing_key"),
    "key rounded by DMS": (raw(order(1), order_id="1.2345678901234568e+18"), "shop.orders", "rounded_key"),
    "key is an object": (order({"a": 1}), "shop.orders", "bad_value"),
    "foreign key rounded": (raw(order(1), customer_id="1.5e+18"), "shop.orders", "rounded_key"),
    "a lone surrogate": (with_data(order(1), note=f"{CANARY}\ud800"), "shop.orders", "bad_value"),
    "an integer of 10,000 digits": (raw(order(1), total="9" * 10_000), "?", "over_limit"),
    "columns without end": (
        with_data(order(1), **{f"c{number}": CANARY for number in range(30_000)}),
        "?",
        "over_limit",
    ),
    "a row too large": (with_data(order(1), note=CANARY * 40_000), "shop.orders", "row_too_large"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_record_is_parked_with_its_payload_and_its_neighbours_are_written(shop: Shop, kind: str) -> None:
    bad, table, reason = BAD[kind]
    poison = record(bad)

    report = shop.pipeline.process([record(order(1001)), poison, record(order(1002))])

    assert dict(report.parked) == {reason: 1}
    assert (report.records, report.changes["shop.orders", "insert"]) == (3, 2)
    assert (report.rows_written, report.documents_written) == (2, 2)
    assert shop.parked() == [("record", table, reason)]
    assert shop.tables.document("order", "1001")
    assert shop.tables.document("order", "1002")
    stored = [item for item in shop.tables.items(shop.tables.parked) if "payload" in item]
    parts = sorted(stored, key=lambda item: ("reason" not in item, item["sk"]["S"]))
    assert b"".join(part["payload"]["B"] for part in parts) == poison.data


@pytest.mark.parametrize("kind", BAD)
def test_no_log_line_and_no_detail_holds_a_value(shop: Shop, kind: str) -> None:
    shop.process(BAD[kind][0])

    details = [item.detail for item in list_parked(shop.tables.client, shop.tables.parked)]
    assert details
    assert all(CANARY not in text for text in [shop.log.getvalue(), *details])


def test_thousands_of_bad_records_are_parked_together(shop: Shop) -> None:
    """One line tells of all of them."""
    report = shop.process(*[b"no JSON"] * 1500, order(1))

    assert (report.parked["not_json"], report.documents_written) == (1500, 1)
    assert len(shop.parked()) == 1500
    (line,) = shop.lines()
    assert (line["event"], line["reason"], line["count"]) == ("record_parked", "not_json", 1500)


def test_a_shard_that_holds_has_written_what_it_can_and_parks_nothing_until_it_goes_on(shop: Shop) -> None:
    """Whatever becomes of it while it holds, the batch is not done, so no checkpoint passes its records."""
    _holds(shop)


def _skips(pipeline: Pipeline, entries: Sequence[Entry]) -> bool:
    return bool(pipeline._limit and entries)


def _never_waits(pipeline: Pipeline, entries: Sequence[Entry]) -> bool:
    pipeline._parking.park(entries)
    return True


def _parks_and_waits(pipeline: Pipeline, entries: Sequence[Entry]) -> bool:
    pipeline._parking.park(entries)
    return bool(pipeline._limit and pipeline._limit.take(len(entries)))


@pytest.mark.parametrize("broken", [_skips, _never_waits, _parks_and_waits], ids=lambda broken: broken.__name__)
def test_a_pipeline_that_does_not_hold_is_noticed(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, broken: Callable[..., bool]
) -> None:
    monkeypatch.setattr(Pipeline, "_park_at_once", broken)

    with pytest.raises(AssertionError):
        _holds(shop)


def _holds(shop: Shop) -> None:
    seen: list[tuple[bool, list[tuple[str, str, str]]]] = []
    limit = Limit(1, lambda: seen.append((shop.tables.document("order", "1") is not None, shop.parked())))
    shop.pipeline = shop.child(limit=limit)

    report = shop.process(b"no JSON", b"nor this", order(1))

    assert seen == [(True, [])]
    assert limit.asked == [2]
    assert (report.documents_written, dict(report.parked)) == (1, {"not_json": 2})
    assert len(shop.parked()) == 2


def test_a_shard_that_is_killed_while_it_holds_has_lost_nothing(shop: Shop) -> None:
    def killed() -> None:
        raise FatalError("killed")

    shop.pipeline = shop.child(limit=Limit(0, killed))
    batch = [record(b"no JSON"), record(order(1))]
    with pytest.raises(FatalError):
        shop.pipeline.process(batch)
    assert shop.parked() == []

    shop.child().process(batch)
    assert shop.parked() == [("record", "?", "not_json")]


def test_records_of_a_parked_table_do_not_make_a_shard_hold(shop: Shop) -> None:
    """Everybody knows of that table; the others must go on."""
    limit = Limit(0, lambda: pytest.fail("holds"))
    shop.pipeline = shop.child(limit=limit)

    report = shop.process(LACKS["no transaction details"][0], *(order(key) for key in range(2, 30)))

    assert report.parked["table_parked"] == 29
    assert set(limit.asked) == {0}


def test_a_shard_that_holds_goes_on_when_an_operator_allows_it(shop: Shop) -> None:
    """The word comes by the parking table."""
    told: list[str] = []
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds
        if now[0] > 20:
            Parked(shop.tables.client, shop.tables.parked, "").allow("shard-1", 2_000_000_000)

    class Telling:
        def holds(self, why: Held, message: str) -> None:
            told.append(f"holds at {now[0]:.0f}")

        def goes_on(self, why: Held) -> None:
            told.append(f"goes on at {now[0]:.0f}")

    place = Parking(shop.tables.client, shop.tables.parked, Log("error", shop.log))
    limit = ParkingLimit(1, 1e9, lambda: place.is_allowed("shard-1"), Telling(), clock=lambda: now[0], sleep=sleep)
    shop.pipeline = shop.child(limit=limit)

    reports = [shop.process(b"no JSON"), shop.process(b"nor this", order(1)), shop.process(b"nor that")]

    assert [report.parked["not_json"] for report in reports] == [1, 1, 1]
    assert told == ["holds at 0", "goes on at 25"]
    assert not place.is_allowed("shard-2")
    Parked(shop.tables.client, shop.tables.parked, "").allow("shard-1", 1_000)
    assert not place.is_allowed("shard-1"), "its time has passed"
    Parked(shop.tables.client, shop.tables.parked, "").allow("*", 2_000_000_000)
    assert place.is_allowed("shard-2")


def test_a_document_heals_at_its_next_good_change_and_shows_its_last_good_state_until_then(shop: Shop) -> None:
    """Nobody has to do anything."""
    _heals(shop)


def test_a_document_that_keeps_its_flag_is_noticed(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A good state that only adds to what is stored would leave it on the list for ever."""
    replace = documents._put

    def update(pk: str, item: Any, head: Any, aggregate: Any) -> Operation:
        made = replace(pk, item, head, aggregate)
        if not isinstance(made, Replace):
            return made
        fields = {name: value for name, value in item.items() if name not in ("pk", "sk")}
        return Update(TableName.DOCUMENTS, pk, "#", fields, made.when)

    monkeypatch.setattr(documents, "_put", update)

    with pytest.raises(AssertionError):
        _heals(shop)


def _heals(shop: Shop) -> None:
    shop.process(order(1, position=1))
    shop.process(with_data(order(1, position=2), total=CANARY))
    parked = shop.tables.document("order", "1")
    assert parked is not None
    assert ("_parked" in parked, "_i0p" in parked, parked["total"]) == (True, True, {"N": "12.5"})

    shop.process(with_data(order(1, position=3), total=13))

    healed = shop.tables.document("order", "1")
    assert healed is not None
    assert ("_parked" in healed, "_i0p" in healed, healed["total"]) == (False, False, {"N": "13"})


def test_a_document_that_never_had_a_good_state_appears_with_its_first_one(shop: Shop) -> None:
    shop.process(with_data(order(1), total=CANARY))
    parked = shop.tables.document("order", "1")
    assert parked is not None
    assert parked["_deleted"] == {"BOOL": True}

    shop.process(with_data(order(1, position=2), total=1))

    healed = shop.tables.document("order", "1")
    assert healed is not None
    assert ("_parked" in healed, "_deleted" in healed, healed["total"]) == (False, False, {"N": "1"})


def test_an_unknown_table_is_noted_once_and_ignored(shop: Shop) -> None:
    forgotten = change("insert", "shop.forgotten", {"id": 1, "secret": CANARY})

    first = shop.process(forgotten, forgotten, order(1))
    second = shop.process(forgotten)

    assert (first.ignored, first.parked["unknown_table"], first.documents_written) == (2, 1, 1)
    assert (second.ignored, second.parked["unknown_table"]) == (1, 0)
    assert shop.parked() == [("unknown", "shop.forgotten", "unknown_table")]
    assert CANARY not in shop.log.getvalue()


@pytest.mark.parametrize("schema", ["", "\ud800"])
def test_an_unknown_table_without_a_usable_name_stops_nothing(shop: Shop, schema: str) -> None:
    nameless = change("insert", f"{schema}.", {"id": 1})

    assert shop.process(nameless, order(1)).documents_written == 1


def test_control_records_and_tables_of_dms_are_ignored(shop: Shop) -> None:
    control = {"control": {}, "metadata": {**order(1)["metadata"], "record-type": "control", "operation": "drop-table"}}
    internal = change("update", ".awsdms_status", {"server_name": "x"})

    report = shop.process(control, internal, order(1))

    assert (report.ignored, dict(report.parked), report.documents_written) == (2, {}, 1)


Lack = Callable[[dict[str, Any]], dict[str, Any]]

LACKS: dict[str, tuple[dict[str, Any], str]] = {
    "no transaction details": (
        order(1, stream_position=None, transaction_record_id=None, commit_timestamp=None),
        "set IncludeTransactionDetails=true on the DMS Kinesis endpoint",
    ),
    "no before image": (
        {key: value for key, value in order(1, operation="update").items() if key != "before-image"},
        'set BeforeImageSettings {"EnableBeforeImage": true,',
    ),
    "a needed column is missing": (
        without(order(1), "note"),
        "insert records lack column note: set IncludeNullAndEmpty=true on the DMS Kinesis endpoint",
    ),
    "a position that does not order": (
        order(1, stream_position="mysql-bin-changelog.000001:4:0:120"),
        "looks like one of MySQL: set NEARVIEW_SOURCE_ENGINE=mysql",
    ),
}


@pytest.mark.parametrize("kind", LACKS)
def test_a_table_whose_records_lack_something_is_parked_naming_the_setting(shop: Shop, kind: str) -> None:
    """Its further records are parked unseen, in this child and in the next; other tables go on."""
    bad, setting = LACKS[kind]
    customer = change("insert", "shop.customers", {"customer_id": 7, "name": "x"}, position=2)
    line = change("insert", "shop.lines", {"order_id": 5, "line_no": 1, "sku": "a"}, position=3)

    report = shop.process(bad, order(2), customer, line)
    shop.pipeline = shop.child()
    later = shop.process(order(3), customer)

    assert (report.parked["table_parked"], report.rows_written, later.parked["table_parked"]) == (2, 2, 1)
    assert [entry for entry in shop.parked() if entry[0] == "table"] == [("table", "shop.orders", "table_parked")]
    assert [entry for entry in shop.parked() if entry[0] == "record"] == [("record", "shop.orders", "table_parked")] * 3
    (told,) = [entry for entry in shop.lines() if entry["event"] == "table_parked"]
    assert (told["table"], told["level"]) == ("shop.orders", "error")
    assert setting in told["message"]
    assert CANARY not in shop.log.getvalue()


def test_a_released_table_goes_on(shop: Shop) -> None:
    """The list of parked tables is read again every few seconds."""
    shop.process(LACKS["no transaction details"][0])
    shop.tables.client.delete_item(TableName=shop.tables.parked, Key={"pk": {"S": "table"}, "sk": {"S": "shop.orders"}})

    assert shop.process(order(2)).documents_written == 0
    shop.now += 60
    assert shop.process(order(3)).documents_written == 1


def test_a_pipeline_that_stops_no_tables_judges_every_record_alone(shop: Shop) -> None:
    """An operator's retry of old records must not stop a table whose new records are fine."""
    shop.pipeline = shop.child(notes_tables=False)

    report = shop.process(LACKS["no transaction details"][0], order(2))

    assert (report.parked["table_parked"], report.documents_written) == (1, 1)
    assert shop.parked() == [("record", "shop.orders", "table_parked")]


def test_a_value_that_does_not_fit_parks_its_document_alone_and_is_told_without_the_value(shop: Shop) -> None:
    report = shop.process(with_data(order(1), total=CANARY), order(2))

    assert (report.documents_parked, report.documents_written, report.rows_written) == (1, 1, 2)
    parked = shop.tables.document("order", "1")
    assert parked is not None
    assert parked["_parked"]["S"] == "/: shop.orders.total as decimal: not a number"
    (line,) = shop.lines()
    assert (line["event"], line["count"]) == ("document_parked", 1)
    assert CANARY not in shop.log.getvalue()


@pytest.mark.parametrize(
    "bad",
    [
        change("delete", "shop.orders", {"order_id": f"{CANARY}\ud800"}),
        {**order(1, operation="update"), "before-image": {"order_id": f"{CANARY}\ud800"}},
    ],
    ids=["of a deleted row", "before an update"],
)
def test_a_key_that_is_no_unicode_is_parked(shop: Shop, bad: dict[str, Any]) -> None:
    assert shop.process(bad, order(2)).documents_written == 1
    assert shop.parked() == [("record", "shop.orders", "bad_value")]


@pytest.mark.parametrize("number", ["9" * 900, "1" * 30, f"0.{'1' * 60}", "1e900", "-1e-900"], ids=len)
def test_a_number_that_no_document_can_hold_parks_its_document_alone(shop: Shop, number: str) -> None:
    report = shop.process(raw(order(1), total=number), order(2))
    again = shop.process(raw(order(1, position=2), total=number))

    assert report.documents_written + report.documents_parked == 2
    assert again.rows_written == 1
    assert shop.tables.document("order", "2")


def test_the_same_batch_again_changes_nothing_and_counts_so(shop: Shop) -> None:
    batch = [record(order(1)), record(order(1, position=2, operation="update"))]
    first = shop.pipeline.process(batch)

    again = shop.pipeline.process(batch)

    assert (first.folded, first.rows_written, first.documents_written) == (1, 1, 1)
    assert (again.rows_written, again.documents_written, again.documents_skipped) == (0, 0, 1)
    assert again.newest_commit_micros == first.newest_commit_micros == 1_722_214_697_974_340


def test_a_batch_tells_the_units_it_was_charged(shop: Shop) -> None:
    written = shop.process(order(1))
    skipped = shop.process(order(1, position=2, operation="update"))

    assert written.write_units["documents"] >= 1
    assert written.read_units
    assert "documents" not in skipped.write_units
    assert BatchReport().read_units == {}


def test_an_older_record_is_stale(shop: Shop) -> None:
    shop.process(order(1, position=9))

    report = shop.process(order(1, position=8))

    assert (report.stale, report.rows_written) == (1, 0)


def test_an_empty_batch_and_one_without_changes_do_nothing(shop: Shop) -> None:
    assert shop.process() == BatchReport()


def test_a_missing_table_is_fatal(tables: Tables) -> None:
    """The child ends without reporting the batch done; nothing is checkpointed."""
    shop = Shop(tables)
    shop.pipeline._store._rows = "no-such-table"

    with pytest.raises(FatalError, match="ResourceNotFoundException"):
        shop.process(order(1))


def test_records_are_parked_even_if_the_rest_of_the_batch_cannot_go_on(shop: Shop) -> None:
    """The batch comes again; parking the record once more changes nothing."""
    shop.pipeline._store._rows = "no-such-table"
    batch: list[StreamRecord] = [record(b"no JSON"), record(order(1))]
    for _ in range(2):
        with pytest.raises(FatalError):
            shop.pipeline.process(batch)

    assert shop.parked() == [("record", "?", "not_json")]


def test_an_incarnation_lets_changes_of_a_new_log_win_and_replays_keep_theirs(shop: Shop) -> None:
    """It follows from the time at which DMS built the record; the list is read again every few seconds."""
    shop.process(order(1, position=900, timestamp="2024-07-29T01:00:00.000000Z"))
    restored = with_data(order(1, position=5, timestamp="2024-07-29T02:00:00.000001Z"), note="restored")
    assert shop.process(restored).stale == 1

    shop.notes().raise_incarnation(1_722_218_400_000_000, "a restore at 02:00")
    shop.now += 60
    report = shop.process(restored)
    replay = shop.process(order(1, position=901, timestamp="2024-07-29T01:59:59.999999Z"))

    assert (report.rows_written, replay.stale) == (1, 1)
    document = shop.tables.document("order", "1")
    assert document is not None
    assert document["note"]["S"] == "restored"


def test_positions_that_fall_stop_the_table_with_one_clear_line(shop: Shop) -> None:
    first = order(1, position=50, transaction_record_id=1)
    second = order(2, position=49, transaction_record_id=2)

    report = shop.process(first, second, change("insert", "shop.customers", {"customer_id": 7, "name": "x"}))

    assert (report.parked["table_parked"], report.rows_written) == (1, 2)
    (line,) = [entry for entry in shop.lines() if entry["event"] == "table_parked"]
    assert "log positions fall while record numbers of one transaction rise" in line["message"]


def test_a_retry_takes_records_in_any_order(shop: Shop) -> None:
    shop.pipeline = shop.child(notes_tables=False)

    report = shop.process(
        order(1, position=50, transaction_record_id=1), order(2, position=49, transaction_record_id=2)
    )

    assert report.rows_written == 2


def moved(old: int, new: int, number: int) -> dict[str, Any]:
    """An order whose key has changed."""
    record = order(new, position=10 + number, operation="update", transaction_record_id=number)
    return {**record, "before-image": {"order_id": old}}


def sequenced(*payloads: dict[str, Any]) -> list[dict[str, Any]]:
    """The records with DMS's change sequence, in this order."""
    return [with_data(payload, seq=f"20260301080000{at:021}") for at, payload in enumerate(payloads, start=1)]


ORACLE = Source(order=Order(Engine.ORACLE, "seq"))


def test_swapped_keys_are_parked_and_other_key_changes_are_done(tables: Tables) -> None:
    """Of a database that checks keys at the end of a statement."""
    shop = Shop(tables, source=ORACLE)
    records = sequenced(order(1), order(2), moved(1, 2, 1), moved(2, 1, 2), moved(8, 9, 3))

    report = shop.process(*records)
    again = shop.child().process([record(one) for one in records[2:4]])

    assert (report.parked["crossed_keys"], report.changes["shop.orders", "update"]) == (2, 1)
    assert again.parked["crossed_keys"] == 2
    assert sorted(shop.parked()) == [("record", "shop.orders", "crossed_keys")] * 4
    assert shop.tables.document("order", "9")
    assert shop.tables.document("order", "1")
    assert shop.tables.document("order", "2")


@pytest.mark.parametrize("engine", [Engine.POSTGRESQL, Engine.ORACLE])
def test_keys_swapped_by_way_of_a_third_one_are_done(tables: Tables, engine: Engine) -> None:
    """In a batch of their own, too, and when they come again."""
    shop = Shop(tables, source=Source(order=Order(engine, "seq")))
    first, second, *swap = sequenced(
        with_data(order(1), note="one"),
        with_data(order(2), note="two"),
        with_data(moved(1, -1, 1), note="one"),
        with_data(moved(2, 1, 2), note="two"),
        with_data(moved(-1, 2, 3), note="one"),
    )

    shop.process(first, second)
    reports = [shop.process(*swap), shop.child().process([record(one) for one in swap])]

    assert [dict(report.parked) for report in reports] == [{}, {}]
    notes = {key: document["note"]["S"] for key in "12" if (document := shop.tables.document("order", key))}
    assert notes == {"1": "two", "2": "one"}


def test_where_keys_are_checked_with_every_row_nothing_crosses(shop: Shop) -> None:
    """A row that takes the key of another has the next place in the order, whatever is known of the other."""
    report = shop.process(order(2), moved(1, 2, 1), moved(2, 3, 2))

    assert dict(report.parked) == {}
    assert shop.tables.document("order", "3")


SECRET = TokenKey("k1", b"0123456789abcdef0123456789abcdef")
POLICIES = {"shop.orders": {"note": Policy.TOKEN, "total": Policy.DROP, "customer_id": Policy.TOKEN}}
POLICIES["shop.customers"] = {"customer_id": Policy.TOKEN, "name": Policy.TOKEN}


def test_nothing_sensitive_is_stored_or_parked_and_joins_still_work(tables: Tables) -> None:
    mapping, problems = read_mappings({"order.yaml": ORDERS.replace("total: {type: decimal}, ", "")})
    assert mapping is not None, problems
    shop = Shop(tables, mapping=mapping, source=Source(protection=Protection(POLICIES, SECRET)))
    customer = change("insert", "shop.customers", {"customer_id": 777_888_999, "name": CANARY})
    good = with_data(order(1), total=CANARY, customer_id="777888999")
    bad = with_data(order(None, partition_key_value=f"shop.orders.{CANARY}"), total=CANARY)

    report = shop.process(customer, good, bad, change("insert", "shop.forgotten", {"note": "seen"}))

    assert (report.documents_written, report.parked["missing_key"]) == (1, 1)
    stored = [item for table in (tables.rows, tables.documents, tables.parked) for item in tables.items(table)]
    assert CANARY not in str(stored)
    assert "777888999" not in str(stored)
    document = tables.document("order", "1")
    assert document is not None
    assert document["note"]["S"] == SECRET.token(CANARY)
    assert document["customer"]["M"]["name"]["S"] == SECRET.token(CANARY)


def test_a_parked_record_with_tokens_is_not_protected_twice(tables: Tables) -> None:
    mapping, problems = read_mappings({"order.yaml": ORDERS.replace("total: {type: decimal}, ", "")})
    assert mapping is not None, problems
    shop = Shop(tables, mapping=mapping, source=Source(protection=Protection(POLICIES, SECRET)))
    shop.process(order(1, stream_position=None), order(2))
    (item,) = [item for item in tables.items(tables.parked) if item["sk"]["S"].endswith("0") and "reason" in item][:1]
    again = Shop(tables, mapping=mapping, source=shop.source).child(notes_tables=False)
    mended = json.loads(item["payload"]["B"])
    mended["metadata"]["stream-position"] = "1/2"

    tables.client.delete_item(TableName=tables.parked, Key={"pk": {"S": "table"}, "sk": {"S": "shop.orders"}})
    assert again.process([record(mended)]).rows_written == 1
    document = tables.document("order", "1")
    assert document is not None
    assert document["note"]["S"] == SECRET.token(CANARY)


def test_changed_columns_are_noted_told_and_counted_once(shop: Shop) -> None:
    """By all shards together; no value is told."""
    later: dict[str, Any] = {"timestamp": "2024-07-29T01:58:17.983670Z"}
    shop.process(order(1))
    fresh = with_data(order(2, **later), fresh=CANARY)

    first = shop.process(fresh)
    shop.pipeline = shop.child()
    again = shop.process(fresh, with_data(order(3, **later), fresh=CANARY))

    assert (dict(first.drift), dict(again.drift)) == ({"shop.orders": 1}, {})
    (line,) = [entry for entry in shop.lines() if entry["event"] == "drift_seen"]
    assert (line["table"], line["message"]) == ("shop.orders", "column fresh appeared")
    assert CANARY not in shop.log.getvalue()
    assert [event.name for event in shop.notes().ledgers()["shop.orders"].events] == ["fresh"]


def test_a_control_record_of_a_mapped_table_is_noted(shop: Shop) -> None:
    shop.process(order(1))
    alter = order(1, record_type="control", operation="add-column")

    report = shop.process({"metadata": alter["metadata"]}, {"metadata": alter["metadata"]})

    assert (report.ignored, dict(report.drift)) == (2, {"shop.orders": 1})


@pytest.mark.parametrize("engine", [Engine.ORACLE, Engine.SQLSERVER])
def test_the_change_sequence_orders_what_positions_do_not(tables: Tables, engine: Engine) -> None:
    """Synthetic: the column is documented, no such record was ever seen on Kinesis."""
    shop = Shop(tables, source=Source(order=Order(engine, "seq")))
    at: dict[str, Any] = {"stream_position": None, "transaction_record_id": None, "commit_timestamp": None}
    newer = with_data(order(1, **at), seq="20240528195624220000000000000000073", note="newer")
    older = with_data(order(1, **at), seq="20240528195624220000000000000000072", note="older")

    shop.process(with_data(order(1, operation="load"), seq="", note="loaded"))
    shop.process(newer)
    report = shop.process(older)

    assert report.stale == 1
    document = tables.document("order", "1")
    assert document is not None
    assert document["note"]["S"] == "newer"
    assert shop.process(with_data(order(2, **at), seq="")).parked["table_parked"] == 1


class MemoryParking:
    """Keeps entries in memory."""

    retries = 0

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def tables(self) -> dict[str, str]:
        return {}

    def park(self, entries: Sequence[Entry]) -> None:
        self.entries += entries


class MemoryNotes:
    """Keeps nothing."""

    retries = 0

    def incarnations(self) -> Incarnations:
        return Incarnations()

    def ledgers(self) -> dict[str, Ledger]:
        return {}

    def note(self, table: str, drift: Sequence[Drift]) -> tuple[Ledger, Sequence[Drift]]:
        return Ledger().with_drift(drift), ()


class MemoryStore(DynamoStore):
    """Drives the engine against the strict store in memory."""

    def __init__(self) -> None:
        self.retries = 0
        self.usage = Usage()
        self.strict = StrictStore()

    def run(self, group: Sequence[Operation]) -> list[Any]:
        self.strict.check_group(group)
        return [self.strict.apply(operation) for operation in group]


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(alphabet=st.characters(exclude_categories=()), max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
storable_key = st.integers() | st.text(max_size=20) | st.text(min_size=400, max_size=700) | st.booleans() | anything


SOURCES = [
    Source(),
    Source(before_columns=BeforeColumns("no", "")),
    Source(order=Order(Engine.MYSQL)),
    Source(order=Order(Engine.ORACLE, "note")),
    Source(protection=Protection({**POLICIES, "shop.lines": {"line_no": Policy.TOKEN}}, SECRET)),
]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["load", "insert", "update", "delete"]), storable_key, anything, anything, st.integers(1, 9)
        ),
        max_size=6,
    ),
    st.sampled_from(SOURCES),
)
@example([("insert", 1, "x" * 100, "\ud800", 1), ("delete", 1, None, None, 2)], Source())
@settings(max_examples=200)
def test_whatever_columns_hold_every_record_ends_somewhere(
    rows: list[tuple[str, Any, Any, Any, int]], source: Source
) -> None:
    """Nothing a batch holds may escape as an exception: its shard would never go on."""
    parking = MemoryParking()
    log = Log("error", io.StringIO())
    pipeline = Pipeline(make_plan(_mapping()), MemoryStore(), parking, MemoryNotes(), source, log)
    batch = []
    for operation, key, note, total, position in rows:
        if isinstance(key, str) and not key.isprintable():
            key = "".join(filter(str.isprintable, key))
        data = {"order_id": key, "note": note, "total": total, "customer_id": None}
        batch.append(record(change(operation, "shop.orders", data, {} if operation == "update" else None, position)))
        line = {"order_id": key, "line_no": note, "sku": total}
        batch.append(record(change("insert", "shop.lines", line, None, position)))

    report = pipeline.process(batch)

    assert report.records == len(batch)
    parked = {(entry.pk, entry.sk) for entry in parking.entries if entry.pk.startswith(RECORD_PK_PREFIX)}
    assert report.changes.total() + len(parked) == len(batch)


def test_what_a_batch_leaves_due_is_worked_off_by_slices_until_a_newer_mapping_takes_over() -> None:
    store, log = MemoryStore(), Log("error", io.StringIO())
    revisions = map(str, itertools.count())
    dues = Dues("shard-1", lambda: next(revisions), Limits(0, 0, 2))
    pipeline = Pipeline(make_plan(_mapping()), store, MemoryParking(), MemoryNotes(), Source(), log, dues=dues)
    orders = [with_data(order(key, key), customer_id=7) for key in range(1, 4)]
    pipeline.process([record(payload) for payload in orders])

    customer = change("insert", "shop.customers", {"customer_id": 7, "name": "Ann"}, None, 9)
    report = pipeline.process([record(customer)])
    first = pipeline.work_off()

    assert (report.due, report.documents_written) == (1, 0)
    assert first is not None
    assert (first.counts.documents_written, first.outstanding) == (2, 1)
    newer, _ = read_mappings({"order.yaml": ORDERS.replace("key: order_id\n", "key: order_id\ngeneration: 2\n", 1)})
    assert newer is not None
    store.drive(raise_fence(make_plan(newer), frozenset({"order"})))
    with pytest.raises(FatalError, match="generation 2"):
        pipeline.work_off()


def test_a_replay_looks_at_rows_alone(shop: Shop) -> None:
    """What a worker before has made durable is read row by row, and neither written nor built again."""
    batch = [record(order(key, position=key)) for key in range(1, 6)]
    shop.child(settles=True).process(batch)

    report = shop.child(settles=True).process(batch)

    assert (report.settled, report.rows_written, report.documents_written, report.documents_skipped) == (5, 0, 0, 0)


def test_a_replay_brings_back_rows_that_are_gone(shop: Shop) -> None:
    """The tables may have been restored to an earlier time: a row that is missing is no row in place."""
    batch = [record(order(key, position=key)) for key in range(1, 4)]
    shop.child(settles=True).process(batch)
    for table, pk in ((shop.tables.rows, "shop.orders#2"), (shop.tables.documents, "order#2")):
        shop.tables.client.delete_item(TableName=table, Key={"pk": {"S": pk}, "sk": {"S": "#"}})

    report = shop.child(settles=True).process(batch)

    assert (report.settled, report.rows_written, report.documents_written) == (2, 1, 1)


def test_a_replay_by_another_mapping_builds_the_documents_again(shop: Shop) -> None:
    """It is what a replay is for then."""
    batch = [record(order(key, position=key)) for key in range(1, 4)]
    shop.child(settles=True).process(batch)
    (aggregate,) = shop.mapping.aggregates
    shop.mapping = Mapping((dataclasses.replace(aggregate, generation=2),))

    report = shop.child(settles=True).process(batch)

    assert (report.settled, report.rows_written, report.documents_written) == (0, 0, 3)
