"""Any bytes as a record give a change, a parked record or nothing, whatever the source and its settings are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import redirect_stdout
from functools import cache
from io import StringIO
from pathlib import Path
from typing import Any, Final

from msgspec import structs

from contract.keys import MAX_KEY_TEXT_BYTES
from contract.mapping import Mapping, Policy
from contract.values import item_bytes
from tests.fuzz.parts import Target, is_line, join, split
from tests.worker.dms_records import change
from tests.worker.records import test_record_forms as forms
from worker.examples.suite import read_suite
from worker.explain.record import explain_record
from worker.explain.report import print_json, print_record, record_as_json
from worker.intake import Intake, Taken
from worker.log import Log
from worker.mapping.loader import read
from worker.parked.parking import UNKNOWN_PK, Entry, record_entry, stored_items, table_label
from worker.patience import Patience
from worker.projection.merge import read_stored
from worker.projection.plan import Plan, make_plan
from worker.records.drift import MAX_NAME, Drift, What
from worker.records.envelope import BeforeColumns, ChangeEvent, decode
from worker.records.errors import PoisonRecord, Reason, TableLacks
from worker.records.positions import Engine, Order
from worker.records.protect import Protection, TokenKey
from worker.records.rows import row_body
from worker.records.source import Source
from worker.records.stream import StreamRecord
from worker.source_notes import SourceNotes

HEAD_BYTES: Final = 2
ROOT: Final = Path(__file__).parents[2]
FILES: Final = sorted([*(ROOT / "mappings").glob("*.yaml"), *(ROOT / "docs" / "examples").rglob("*.yaml")])
MAX_PK_BYTES: Final = 2_048
MAX_SK_BYTES: Final = 1_024
MAX_ITEM_BYTES: Final = 409_600

ORDERS: Final = (
    Order(),
    Order(Engine.MYSQL),
    Order(Engine.ORACLE, "seq"),
    Order(Engine.SQLSERVER, "seq"),
    Order(Engine.POSTGRESQL, "seq"),
)
BEFORE: Final = (BeforeColumns(), BeforeColumns(prefix="BI_"), BeforeColumns(suffix="__old"), BeforeColumns("a", "b"))
KEY: Final = TokenKey("k1", b"0123456789abcdef0123456789abcdef")
"""Which engine, before columns, policies; whether what a record shows concerns its table."""


@cache
def mappings() -> tuple[Mapping, ...]:
    """The mappings of the repository, each file on its own, if it is an aggregate without need of others."""
    found = (read({str(path): path.read_text("utf-8")}).mapping for path in FILES)
    return tuple(mapping for mapping in found if mapping is not None and mapping.aggregates)


@cache
def plans() -> tuple[Plan, ...]:
    """The plans of them."""
    return tuple(make_plan(mapping) for mapping in mappings())


def source_of(choice: int, mapping: Mapping) -> Source:
    """One of the settings of a source, with more sensitive columns than the mapping itself names."""
    columns = BEFORE[choice // len(ORDERS) % len(BEFORE)]
    policies: dict[str, dict[str, Policy]] = {name: dict(found) for name, found in mapping.policies.items()}
    if choice // (len(ORDERS) * len(BEFORE)) % 2:
        for table in mapping.tables.values():
            kept = sorted(table.columns)
            policies.setdefault(table.name, {}).update(dict.fromkeys((*kept[::2], "email"), Policy.TOKEN))
            policies[table.name]["secret"] = Policy.DROP
    return Source("before-image", columns, ORDERS[choice % len(ORDERS)], Protection(policies, KEY, columns))


def stream_records(parts: list[bytes]) -> list[StreamRecord]:
    """The parts as one batch of a shard."""
    return [StreamRecord("shardId-0", str(10**55 + at), 0, "key", part, 1) for at, part in enumerate(parts)]


def check(data: bytes) -> None:
    """Take the parts in as one batch, then each on its own. Raises for a finding."""
    head, parts = split(data, HEAD_BYTES)
    plan = plans()[head[0] % len(plans())]
    mapping = plan.mapping
    source = source_of(head[1] % 128, mapping)
    intake = Intake(mapping, source, notes_tables=head[1] < 128)
    records = stream_records(parts)
    taken = intake.take(records)
    intake.settle(taken, {})
    _accounted(taken, records)
    for entry in taken.entries:
        _storable(entry)
    _changes(taken)
    _drift(taken)
    for record in records:
        _alone(record, source, mapping)
        _explained(record, source, plan)
        assert intake.table(record) is None or isinstance(intake.table(record), str)


def _accounted(taken: Taken, records: list[StreamRecord]) -> None:
    noted = sum(entry.pk == UNKNOWN_PK for entry in taken.entries)
    seen = sum(taken.counts().values()) + sum(taken.parked.values()) - noted + taken.ignored
    assert seen == len(records), "a record is neither used, nor parked, nor ignored"


def _storable(entry: Entry) -> None:
    """What is parked fits into items, and its line into a log."""
    for item in stored_items(entry):
        assert 0 < len(item["pk"]["S"].encode()) <= MAX_PK_BYTES
        assert 0 < len(item["sk"]["S"].encode()) <= MAX_SK_BYTES
        assert item_bytes({name: value for name, value in item.items() if "B" not in value}) < MAX_ITEM_BYTES / 40
    line = f"{entry.table}{entry.reason}{entry.detail}"
    assert line.isprintable(), "the line of a parked record breaks"
    line.encode()


def _changes(taken: Taken) -> None:
    for found in taken.changes:
        assert len(found.version) == len("0001" + "0" * 46)
        assert len(found.key.encode()) <= MAX_KEY_TEXT_BYTES
        if found.row is not None:
            assert read_stored(row_body(found.row).decode()) == found.row, "a stored row is not the row"


class MemoryClient:
    """As much of a DynamoDB client as notes need."""

    def __init__(self) -> None:
        self.items: dict[tuple[str, str], Any] = {}

    def put_item(self, Item: Any, **_: Any) -> None:  # noqa: N803  the SDK's name
        """Keep an item that the wire can carry."""
        json.dumps(Item, ensure_ascii=False).encode()
        self.items[Item["pk"]["S"], Item["sk"]["S"]] = Item

    def query(self, ExpressionAttributeValues: Any, **_: Any) -> dict[str, Any]:  # noqa: N803
        """All items of a partition."""
        pk = ExpressionAttributeValues[":pk"]["S"]
        return {"Items": [item for key, item in self.items.items() if key[0] == pk]}


def _drift(taken: Taken) -> None:
    for table, drift in taken.drift.items():
        for one in drift:
            assert len(one.name) <= MAX_NAME
            assert one.text.isprintable()
        notes = SourceNotes(MemoryClient(), "parked", Patience("the table", Log("error"), lambda _: None))
        notes.note(table, [Drift(What.APPEARED, "seen before", 0, "", "text")])  # a first sight reports nothing
        ledger, _ = notes.note(table, drift)
        assert notes.ledgers() == {table_label(table): ledger}, "what is stored of a table's columns is read as another"


def _explained(record: StreamRecord, source: Source, plan: Plan) -> None:
    """`nearview explain` says what the record is, or why it would be parked."""
    try:
        found = explain_record(record.data, plan, source)
    except (PoisonRecord, TableLacks):
        return
    if isinstance(found, str):
        is_line(found)
    else:
        with redirect_stdout(StringIO()):
            print_json(record_as_json(found, values=True))
            print_record(found, values=True)


def _alone(record: StreamRecord, source: Source, mapping: Mapping) -> None:
    """Decoding raises what is documented, and a payload as it is parked is the protected event."""
    stored = source.protection.payload(record.data)
    assert source.protection.payload(stored) == stored, "a parked payload is protected twice"
    _storable(record_entry(record, "a.b", Reason.BAD_VALUE, ""))
    try:
        event = source.decode(record.data)
    except PoisonRecord as poison:
        is_line(str(poison))
        return
    if isinstance(event, ChangeEvent) and event.plain_bytes:
        defined = decode(record.data, source.before_image_field, source.before_columns)
        assert repr(structs.replace(event, plain_bytes=0)) == repr(defined), "what is read fast is not what is defined"
        assert len(row_body(event.data)) <= event.plain_bytes, "a row takes more than its record"
    if not isinstance(event, ChangeEvent) or event.table not in mapping.tables:
        return
    try:
        event = source.protection.event(event)
    except PoisonRecord:
        return
    if b'"nearview-protected"' in stored and len(stored) > 60:
        again = source.decode(stored)
        assert isinstance(again, ChangeEvent)
        assert (source.protection.event(again).data, again.before) == (event.data, event.before)


@cache
def _examples() -> tuple[tuple[int, list[bytes]], ...]:
    found = []
    for at, mapping in enumerate(mappings()):
        for path in FILES:
            texts = {str(path): path.read_text("utf-8")}
            if read(texts).mapping == mapping:
                found += [(at, records) for _, records in read_suite(texts, mapping)[0]]
    return tuple(found)


def seeds() -> Iterator[bytes]:
    """The records of every example beside the mappings, then those of the decoder's tests."""
    for mapping, records in _examples():
        yield join(bytes([mapping, 0]), records[:6])
        yield join(bytes([mapping, 25]), records[:6])
    texts = (forms.MYSQL_DEFAULTS, forms.MYSQL_DETAILS, forms.ORACLE)
    for engine, text in enumerate((*texts, *map(json.dumps, _shapes()))):
        for settings in (engine % 5, engine % 5 + 5, engine % 5 + 128):
            yield join(bytes([0, settings]), [text.encode()])


def _shapes() -> Iterator[dict[str, Any]]:
    yield change(
        "update", "shop.orders", {"_doc": {"order_id": 1, "status": "x"}, "a": "1-x"}, {"_doc": {"order_id": 2}}
    )
    yield change("update", "shop.orders", {"order_id": 2, "status": "x", "BI_order_id": 1, "BI_status": None})
    yield change("delete", "shop.orders", {"order_id": 1, "note": {"odd": []}})
    yield change("load", "shop.orders", {"order_id": 1, "status": "x", "customer_id": 2, "total": 1.5})
    yield change(
        "insert", "dbo.t", {"id": 1, "seq": "2024052819562422" + "7" * 19}, stream_position="00000014:00000061:0001"
    )
    yield {"metadata": change("add-column", "shop.orders", {}, record_type="control")["metadata"]}
    yield change("insert", "shop.awsdms_status", {"id": 1})


TARGET: Final = Target("records", check, seeds)
