"""MiniStack as the local stack runs it: quick streams that forget what MiniStack forgets, and show every write.

Global tables are replicated from streams, so a stream has to show every write, statements included.
"""

from __future__ import annotations

import copy
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from h2.connection import H2Connection
from h2.events import DataReceived, StreamEnded
from hypothesis import given
from hypothesis import strategies as st
from ministack.services import kinesis

from local import ministack as ministack_process
from local.emulator import ministack_program
from local.processes import Processes
from local.regions import PROGRAM
from local.replication import Reader

TABLE, REGION = "streamed", "us-east-1"


@pytest.fixture(scope="module")
def region(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ministack_process.MiniStack]:
    """A region's MiniStack as a stack of two regions starts it."""
    processes = Processes(Path(tmp_path_factory.mktemp("region")))
    try:
        yield ministack_process.start(processes, program=PROGRAM, region=REGION)
    finally:
        ministack_process.stop(processes)


def test_a_connection_of_http2_answers_however_often_it_is_asked(region: ministack_process.MiniStack) -> None:
    """As KCL's client does, whose thousandth answer would be lost otherwise."""
    headers = [(":method", "GET"), (":path", "/_ministack/health"), (":scheme", "http"), (":authority", "localhost")]
    client = H2Connection()
    client.initiate_connection()
    with socket.create_connection(("127.0.0.1", region.port), timeout=30) as connection:
        for _ in range(1_100):
            stream = client.get_next_available_stream_id()
            client.send_headers(stream, headers, end_stream=True)
            connection.sendall(client.data_to_send())
            answered = False
            while not answered:
                received = connection.recv(65_536)
                assert received, "the connection was closed without an answer"
                for event in client.receive_data(received):
                    if isinstance(event, DataReceived):
                        client.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                    answered = answered or (isinstance(event, StreamEnded) and event.stream_id == stream)
                connection.sendall(client.data_to_send())


def test_every_way_to_write_shows_once_and_in_order(region: ministack_process.MiniStack) -> None:
    """Put, statements, delete; a refused statement does not show."""
    client = region.client("dynamodb")
    client.create_table(
        TableName=TABLE,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )
    client.put_item(TableName=TABLE, Item={"pk": {"S": "a"}, "n": {"N": "1"}})
    statements: list[dict[str, Any]] = [
        {"Statement": "INSERT INTO streamed VALUE {'pk': ?, 'n': ?}", "Parameters": [{"S": "b"}, {"N": "2"}]},
        {"Statement": "UPDATE streamed SET n = ? WHERE pk = ?", "Parameters": [{"N": "3"}, {"S": "a"}]},
        {"Statement": "UPDATE streamed SET n = ? WHERE pk = ? AND n = 9", "Parameters": [{"N": "8"}, {"S": "a"}]},
        {"Statement": "DELETE FROM streamed WHERE pk = ?", "Parameters": [{"S": "b"}]},
    ]
    for statement in statements:
        client.batch_execute_statement(Statements=[statement])
    client.delete_item(TableName=TABLE, Key={"pk": {"S": "a"}})
    shown = [
        (change.key["pk"]["S"], change.item["n"]["N"] if change.item else None)
        for change in Reader(region.client("dynamodbstreams"), client, REGION, TABLE).read()
    ]
    assert shown == [("a", "1"), ("b", "2"), ("a", "3"), ("b", None), ("a", None)]


AGES = st.lists(st.integers(0, 50).map(lambda hours: hours * 3600 + 60), max_size=12).map(
    lambda ages: sorted(ages, reverse=True)
)
"""Seconds, the oldest first; a minute off the borders, so that the clock does not decide."""


@given(st.lists(AGES, max_size=3), st.sampled_from([24, 48]))
def test_the_same_records_expire_as_in_ministack(shards: list[list[int]], hours: int) -> None:
    now = time.time()
    stream = {
        "RetentionPeriodHours": hours,
        "shards": {
            str(at): {"records": [{"ApproximateArrivalTimestamp": now - age} for age in ages]}
            for at, ages in enumerate(shards)
        },
    }
    expected = copy.deepcopy(stream)
    kinesis._expire_records(expected)
    ministack_program._expire_records(stream)
    assert stream == expected


@given(AGES)
def test_the_same_iterators_expire_as_in_ministack(ages: list[int]) -> None:
    now = time.time()
    kinesis._shard_iterators._data.clear()
    for at, age in enumerate(ages):
        kinesis._shard_iterators[str(at)] = {"created_at": now - age / 100}
    before = dict(kinesis._shard_iterators._data)
    kinesis._expire_iterators()
    expected = dict(kinesis._shard_iterators._data)
    kinesis._shard_iterators._data.clear()
    kinesis._shard_iterators._data.update(before)
    ministack_program._expire_iterators()
    assert kinesis._shard_iterators._data == expected


def test_what_is_stored_is_looked_at_by_the_collector_once() -> None:
    """In a process of its own: what is frozen stays so."""
    program = (
        "import gc; from local.emulator.ministack_program import collect_without_pauses;"
        " collect_without_pauses(); stored = [[] for _ in range(100_000)]; gc.collect();"
        " assert gc.get_freeze_count() > len(stored);"
        " assert len(gc.get_objects()) < 10_000"
    )

    subprocess.run([sys.executable, "-c", program], check=True)
