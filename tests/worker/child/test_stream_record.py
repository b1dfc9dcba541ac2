"""The records of a delivery as the rest of the worker sees them."""

from __future__ import annotations

import base64
import binascii
import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.child.processor import stream_record
from worker.child.protocol import DaemonRecord, LineHandler
from worker.errors import ProtocolError
from worker.records.stream import StreamRecord

CANARY = "canary7F3A=x"


def _record(data: Any, **more: Any) -> DaemonRecord:
    record: DaemonRecord
    (record,) = _delivered({**_sent(data), **more}).records
    return record


def _delivered(record: dict[str, Any]) -> Any:
    line = json.dumps({"action": "processRecords", "records": [record], "millisBehindLatest": 0})
    return LineHandler(io.BytesIO(), io.BytesIO(), io.StringIO()).load_action(line.encode())


def _sent(data: Any) -> dict[str, Any]:
    return {
        "action": "record",
        "data": data,
        "partitionKey": "key",
        "approximateArrivalTimestamp": 5,
        "sequenceNumber": "7",
        "subSequenceNumber": 3,
    }


@given(st.binary())
def test_a_record_is_what_the_daemon_sent(data: bytes) -> None:
    found = stream_record("shard-1", _record(base64.b64encode(data).decode()))

    assert found == StreamRecord("shard-1", "7", 3, "key", data, 5)


def test_what_the_daemon_does_not_know_is_nothing() -> None:
    found = stream_record("shard-1", _record("", subSequenceNumber=None, approximateArrivalTimestamp=None))

    assert found == StreamRecord("shard-1", "7", 0, "key", b"", 0)


@given(st.text("ABab01+/=\n -_é") | st.text())
def test_base64_is_read_as_python_reads_it(text: str) -> None:
    """Also what is not base64 to the letter."""
    try:
        expected = binascii.a2b_base64(text)
    except ValueError:
        with pytest.raises(ProtocolError):
            stream_record("shard-1", _record(text))
    else:
        assert stream_record("shard-1", _record(text)).data == expected


@pytest.mark.parametrize(
    "record",
    [
        {},
        _sent(None),
        _sent(5),
        _sent(["QQ=="]),
        *({**_sent(CANARY), name: None} for name in ("data", "sequenceNumber")),
    ],
)
def test_a_record_that_lacks_something_is_refused_without_a_word_of_it(record: dict[str, Any]) -> None:
    with pytest.raises(ProtocolError, match="lacks something of one") as caught:
        _delivered(record)

    assert CANARY not in str(caught.value)


def test_what_is_not_base64_is_refused_without_a_word_of_it() -> None:
    with pytest.raises(ProtocolError, match="of shard-1 that is not base64") as caught:
        stream_record("shard-1", _record(CANARY))

    assert CANARY not in str(caught.value)
