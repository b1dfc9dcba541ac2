"""Where the stream's readers stand: what the stand-in has sent, what the worker has checkpointed, what it counts."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
from prometheus_client.parser import text_string_to_metric_families

from local.dms.state import parse_lsn
from local.running import Running
from local.stack import Stack
from worker.projection.due import DUE_PK


@dataclass(frozen=True, slots=True)
class Sent:
    """What the DMS stand-in has done; `loading` are the tables whose load, or reload, has not ended."""

    phase: str
    loading: frozenset[str]
    rows_loaded: int
    changes: int
    confirmed_lsn: int
    last_sequence_numbers: dict[str, int]


def sent(folder: Path) -> Sent:
    """The stand-in's state; all zero before it has written any."""
    try:
        state = json.loads((folder / "dms" / "state.json").read_text())
    except (OSError, ValueError):
        return Sent("starting", frozenset(), 0, 0, 0, {})
    return Sent(
        state["phase"],
        frozenset(state["tables"]) - frozenset(state["loaded_tables"]),
        sum(state["rows_loaded"].values()),
        state["changes"],
        parse_lsn(state["confirmed_lsn"]),
        {shard: int(number) for shard, number in state["last_sequence_numbers"].items()},
    )


def source_position(url: str) -> int:
    """A position in the source's log behind all that is committed, and flushed, so that the reader of the slot gets it.

    It is that of a message of our own, which no table sees. The log's end would not do: reading writes to the log as
    well, and what no commit flushes may stay unread for half a minute.
    """
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute("SET LOCAL synchronous_commit = on")
        cursor.execute("SELECT pg_logical_emit_message(true, 'nearview', 'position')")
        ((position,),) = cursor.fetchall()
        return parse_lsn(position)


def checkpoints(running: Running) -> dict[str, int]:
    """The checkpoint of each shard as a number, -1 where there is none yet."""
    answer = running.ministack.client("dynamodb").scan(TableName=running.storage.application, ConsistentRead=True)
    return {item["leaseKey"]["S"]: _number(item.get("checkpoint", {}).get("S", "")) for item in answer["Items"]}


def _number(checkpoint: str) -> int:
    return int(checkpoint) if checkpoint.isdigit() else -1


def is_quiet(stack: Stack, running: Running, position: int) -> bool:
    """Whether everything committed up to a log position is in documents (or parked), and nothing is due."""
    state = sent(stack.folder)
    if state.phase != "changes" or state.loading or state.confirmed_lsn < position:
        return False
    return is_passed(running, state.last_sequence_numbers)


def is_passed(running: Running, sequence_numbers: Mapping[str, int]) -> bool:
    """Whether everything up to such a record of each shard is in documents; later ones do not matter.

    The worker's checkpoints have passed them, and what it stored before as due is done.
    """
    done = checkpoints(running)
    return all(done.get(shard, -1) >= number for shard, number in sequence_numbers.items()) and not is_due(running)


def is_due(running: Running) -> bool:
    """Whether documents of rows that very many point at are still being rebuilt, in whatever shard."""
    answer = running.ministack.client("dynamodb").query(
        TableName=running.storage.rows_table,
        ConsistentRead=True,
        KeyConditionExpression="pk = :due",
        ExpressionAttributeValues={":due": {"S": DUE_PK}},
        Limit=1,
    )
    return bool(answer["Items"])


def stored_items(running: Running) -> tuple[int, int]:
    """Items in the rows and in the documents table."""
    client = running.ministack.client("dynamodb")
    tables = (running.storage.rows_table, running.storage.documents_table)
    rows, documents = (client.describe_table(TableName=table)["Table"]["ItemCount"] for table in tables)
    return rows, documents


def metrics(running: Running) -> dict[str, float]:
    """The worker's metrics, summed over their labels; empty while it does not answer."""
    try:
        with urllib.request.urlopen(f"{running.worker_url}/metrics", timeout=5) as reply:  # noqa: S310  our own address
            text = reply.read().decode()
    except (OSError, urllib.error.URLError):
        return {}
    sums: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            sums[sample.name] = sums.get(sample.name, 0.0) + sample.value
    return sums


def health(running: Running) -> dict[str, Any]:
    """What /healthz says, green or red."""
    try:
        with urllib.request.urlopen(f"{running.worker_url}/healthz", timeout=5) as reply:  # noqa: S310  our own address
            return dict(json.load(reply))
    except urllib.error.HTTPError as error:
        return dict(json.load(error))
    except (OSError, urllib.error.URLError, ValueError):
        return {"status": "no answer"}
