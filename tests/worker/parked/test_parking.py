"""The parking table: durable before return, complete, idempotent, and silent about what it holds."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from msgspec import structs

from tests.worker.conftest import Tables
from tests.worker.dms_records import record
from worker.errors import FatalError
from worker.log import Log
from worker.parked import parking
from worker.parked.items import list_parked
from worker.parked.parking import (
    PART_BYTES,
    Entry,
    Parking,
    record_entry,
    table_entry,
    table_label,
    unknown_table_entry,
)
from worker.records.errors import Reason

CANARY = b"canary-7F3A"


def _parking(tables: Tables, log: io.StringIO | None = None, client: Any = None) -> Parking:
    return Parking(client or tables.client, tables.parked, Log("info", log or io.StringIO()), sleep=lambda _: None)


def _lines(log: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.getvalue().splitlines()]


class Refusing:
    """A DynamoDB client whose first puts fail."""

    def __init__(self, client: Any, *errors: Exception) -> None:
        self.client = client
        self.errors = list(errors)

    def put_item(self, **request: Any) -> Any:
        if self.errors:
            raise self.errors.pop()
        return self.client.put_item(**request)


def _error(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "made by a test"}}, "PutItem")


def test_many_records_are_durable_when_park_returns_and_told_in_one_line_a_reason(tables: Tables) -> None:
    log = io.StringIO()
    bad = [record(CANARY + str(number).encode()) for number in range(60)]
    entries = [
        *(record_entry(one, "shop.orders", Reason.NOT_JSON, "the record is not JSON") for one in bad[:40]),
        *(record_entry(one, "shop.orders", Reason.MISSING_KEY, "key column order_id is missing") for one in bad[40:]),
    ]

    _parking(tables, log).park(entries)

    found = tables.items(tables.parked)
    assert sorted(item["payload"]["B"] for item in found) == sorted(one.data for one in bad)
    assert [(line["event"], line["reason"], line["count"]) for line in _lines(log)] == [
        ("record_parked", "not_json", 40),
        ("record_parked", "missing_key", 20),
    ]
    assert _lines(log)[0]["sequence_number"] == bad[0].sequence_number
    assert CANARY.decode() not in log.getvalue()


def test_a_replay_parks_a_record_in_the_same_place(tables: Tables) -> None:
    entry = record_entry(record(b"x"), "shop.orders", Reason.NOT_JSON, "not JSON")

    _parking(tables).park([entry, entry])
    _parking(tables).park([entry])

    assert len(tables.items(tables.parked)) == 1


def test_equal_sequence_numbers_of_two_shards_are_two_records(tables: Tables) -> None:
    one = record(b"x", shard="shardId-000000000000")
    other = structs.replace(one, shard_id="shardId-000000000001")

    _parking(tables).park([record_entry(each, "shop.orders", Reason.NOT_JSON, "not JSON") for each in (one, other)])

    assert {item.shard for item in list_parked(tables.client, tables.parked)} == {one.shard_id, other.shard_id}


def test_a_payload_longer_than_an_item_is_kept_whole(tables: Tables) -> None:
    payload = bytes(range(256)) * 4096
    _parking(tables).park([record_entry(record(payload), "shop.orders", Reason.ROW_TOO_LARGE, "too large")])

    (item,) = list_parked(tables.client, tables.parked)
    assert (item.payload_bytes, item.parts) == (len(payload), 2)
    stored = sorted(tables.items(tables.parked), key=lambda found: (found["pk"]["S"] != item.pk, found["sk"]["S"]))
    assert b"".join(found["payload"]["B"] for found in stored) == payload
    assert len(stored[0]["payload"]["B"]) == PART_BYTES


def test_parked_tables_are_listed_with_what_they_lack(tables: Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    place, log = record(b"x" * 400_000), io.StringIO()
    _parking(tables, log).park(
        [
            table_entry(place, "shop.orders", "set IncludeTransactionDetails=true"),
            record_entry(place, "shop.orders", Reason.TABLE_PARKED, "set IncludeTransactionDetails=true"),
            unknown_table_entry(place, "shop.forgotten", "no mapping uses this table"),
        ]
    )

    assert _parking(tables).tables() == {"shop.orders": "set IncludeTransactionDetails=true"}
    assert [(line["level"], line["event"]) for line in _lines(log)] == [
        ("error", "table_parked"),
        ("warning", "record_parked"),
        ("warning", "record_parked"),
    ]
    assert [(item.kind, item.table) for item in list_parked(tables.client, tables.parked)] == [
        ("table", "shop.orders"),
        ("unknown", "shop.forgotten"),
        ("record", "shop.orders"),
    ]


@pytest.mark.parametrize(
    ("table", "label"),
    [
        ("", "?"),
        ("\ud800", "?"),
        ("a\x00b\x1b[31m", "a?b?[31m"),
        ("x" * 600, "x" * 500),
        ("schéma.tâble", "schéma.tâble"),
    ],
)
def test_a_table_name_that_no_key_can_hold_is_made_storable(tables: Tables, table: str, label: str) -> None:
    """A poison record may name anything; refused by DynamoDB it would stop the shard for ever."""
    assert table_label(table) == label

    _parking(tables).park(
        [
            record_entry(record(b"x"), table, Reason.UNKNOWN_OPERATION, "no operation"),
            unknown_table_entry(record(b"x"), table, "no mapping"),
        ]
    )

    assert {item.table for item in list_parked(tables.client, tables.parked)} == {label}


def test_transient_failures_are_held_and_retried_each_entry_on_its_own(tables: Tables) -> None:
    log = io.StringIO()
    client = Refusing(
        tables.client,
        _error("ThrottlingException"),
        _error("InternalServerError"),
        EndpointConnectionError(endpoint_url="http://127.0.0.1:1"),
    )
    place = _parking(tables, log, client)

    place.park([record_entry(record(b"x"), "shop.orders", Reason.NOT_JSON, "not JSON") for _ in range(10)])

    assert len(tables.items(tables.parked)) == 10
    assert place.retries == 3
    assert [line["event"] for line in _lines(log)] == ["store_retried", "record_parked"]


@pytest.mark.parametrize("code", ["AccessDeniedException", "ResourceNotFoundException"])
def test_what_no_repetition_mends_is_fatal(tables: Tables, code: str) -> None:
    entry = record_entry(record(CANARY), "shop.orders", Reason.NOT_JSON, "not JSON")

    with pytest.raises(FatalError, match=f"^DynamoDB refused the parking table: {code}: ") as caught:
        _parking(tables, client=Refusing(tables.client, _error(code))).park([entry])

    assert CANARY.decode() not in str(caught.value)


def test_parts_are_written_before_the_item_that_counts_them(tables: Tables) -> None:
    """Whoever sees the record's item can read the whole payload."""
    entry: Entry = record_entry(record(b"x" * (PART_BYTES + 1)), "shop.orders", Reason.ROW_TOO_LARGE, "too large")

    assert ["reason" in item for item in parking.stored_items(entry)] == [False, True]
