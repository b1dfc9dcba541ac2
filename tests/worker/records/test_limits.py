"""What is refused before it is parsed, what is not, and that looking takes no time."""

from __future__ import annotations

import json
import time

import pytest

from tests.worker.dms_records import change
from worker.records import limits
from worker.records.envelope import ChangeEvent
from worker.records.errors import PoisonRecord, Reason
from worker.records.limits import MAX_DEPTH, MAX_MEMBERS, MAX_RECORD_BYTES, check
from worker.records.source import Source

MEGABYTE = 1_000_000

OVER = {
    "nested brackets": b"[" * MEGABYTE,
    "nested brackets that end": b"[" * 500_000 + b"]" * 500_000,
    "nested objects": b'{"a":' * 200_000,
    "nested a little too deep": b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1),
    "empty lists side by side": b"[" + b"[]," * 300_000 + b"[]]",
    "numbers": b"[" + b"1," * 500_000 + b"1]",
    "columns": json.dumps({f"c{number}": 1 for number in range(MAX_MEMBERS + 2)}).encode(),
    "members without commas": b'{"a":' * 30_000,
    "too long": b'{"data": "' + b"x" * MAX_RECORD_BYTES + b'"}',
    "brackets behind texts with quotes": b'["\\"[[[[","\\\\",' + b"[" * 100,
}

MEAN = {
    "a text that does not end": b'["' + b'\\"' * 500_000,
    "quotes": b'"' * MEGABYTE,
    "backslashes": b'"' + b"\\" * (MEGABYTE + 1),
    "brackets and a text that does not end": b"[" * 60 + b'"' + b"[" * MEGABYTE,
}


def source_of(data: bytes) -> PoisonRecord:
    with pytest.raises(PoisonRecord) as caught:
        Source().decode(data)
    return caught.value


@pytest.mark.parametrize("kind", OVER)
def test_what_is_over_a_limit_is_refused_before_it_is_parsed(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The decoders are not even asked."""
    monkeypatch.setattr("worker.records.envelope._DECODER", None)

    assert source_of(OVER[kind]).reason is Reason.OVER_LIMIT


@pytest.mark.parametrize("kind", [*OVER, *MEAN])
def test_nothing_is_slow_to_refuse(kind: str) -> None:
    """Square time would be minutes; a second is for a machine that does much else."""
    data = (OVER | MEAN)[kind]
    started = time.process_time()

    source_of(data)

    assert time.process_time() - started < 1


@pytest.mark.parametrize("kind", MEAN)
def test_what_is_in_texts_is_no_structure(kind: str) -> None:
    assert source_of(MEAN[kind]).reason is Reason.NOT_JSON


@pytest.mark.parametrize(
    "text",
    ["[" * 200_000, '{"' * 50_000, "a,b;" * 100_000, "\\" * 50_001, '"[' * 100_000, "1:2," * 50_000],
    ids=lambda text: text[:4],
)
def test_a_column_may_hold_any_text(text: str) -> None:
    event = Source().decode(json.dumps(change("insert", "shop.orders", {"order_id": 1, "note": text})).encode())

    assert isinstance(event, ChangeEvent)
    assert event.data["note"] == text


def test_as_deep_and_as_wide_as_allowed_is_read() -> None:
    deep = b"[" * MAX_DEPTH + b"]" * MAX_DEPTH
    columns = {f"c{number}": number for number in range(8_000)}
    wide = change("update", "shop.orders", columns, columns)

    check(deep)
    event = Source().decode(json.dumps(wide).encode())
    assert isinstance(event, ChangeEvent)
    assert event.data == columns


@pytest.mark.parametrize("number", ["9" * 10_000, "1e999999999", f"-{'7' * 300_000}", f"0.{'3' * 300_000}", "1e-5000"])
def test_a_number_that_nobody_meant_is_refused(number: str) -> None:
    data = json.dumps(change("insert", "shop.orders", {"order_id": 1, "total": "@"})).replace('"@"', number)
    started = time.process_time()

    found = source_of(data.encode())

    assert found.reason is Reason.OVER_LIMIT
    assert number not in found.detail
    assert time.process_time() - started < 1


def test_the_longest_fraction_of_postgresql_is_read() -> None:
    number = f"1.{'3' * 16_383}"
    data = json.dumps(change("insert", "shop.orders", {"order_id": 1, "total": "@"})).replace('"@"', number)

    event = Source().decode(data.encode())

    assert isinstance(event, ChangeEvent)
    assert str(event.data["total"]) == number


def test_an_ordinary_record_is_not_looked_at_closer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of it is on the way of a record that the quick reader takes."""
    monkeypatch.setattr(limits, "_STRING", None)
    monkeypatch.setattr("worker.records.envelope.check", None)

    assert Source().decode(json.dumps(change("insert", "shop.orders", {"order_id": 1, "note": "x" * 30_000})).encode())
