"""The change-capture stand-in's own parts in one process: tables loaded and the log decoded, as records on shards."""

from __future__ import annotations

import copy
import json
import random
import zlib
from collections.abc import Sequence
from typing import Any

from local.dms.catalog import Catalog, connection
from local.dms.changes import ChangeRecords
from local.dms.control import TaskRecords, task_resource_id
from local.dms.kinesis import Stream
from local.dms.load import load_table
from local.dms.pgoutput import parse
from local.dms.records import Record, TableRecords
from local.dms.settings import DEFAULT_TASK, Settings, read_settings
from local.dms.state import Point
from local.dms.tables import Table
from worker.records.stream import StreamRecord

Shards = list[list[StreamRecord]]


def random_task(rng: random.Random, schema: str) -> dict[str, Any]:
    """A task file with switches that lose nothing."""
    task: dict[str, Any] = copy.deepcopy(json.loads(DEFAULT_TASK.read_text()))
    locator = {"schema-name": schema, "table-name": "%"}
    rules: list[dict[str, Any]] = [
        {
            "rule-type": "selection",
            "rule-id": "1",
            "rule-name": "1",
            "object-locator": locator,
            "rule-action": "include",
        }
    ]
    partition = rng.choice(("primary-key", "primary-key", "schema-table", None))
    if partition:
        rules.append({
            "rule-type": "object-mapping", "rule-id": "2", "rule-name": "2", "rule-action": "map-record-to-record",
            "object-locator": locator, "mapping-parameters": {"partition-key-type": partition},
        })  # fmt: skip
    task["TableMappings"] = {"rules": rules}
    kinesis, metadata = task["KinesisSettings"], task["TaskSettings"]["TargetMetadata"]
    kinesis["MessageFormat"] = rng.choice(("json", "json-unformatted"))
    kinesis["IncludePartitionValue"] = rng.random() < 0.5
    kinesis["PartitionIncludeSchemaTable"] = rng.random() < 0.7
    metadata["ParallelLoadThreads"] = metadata["ParallelApplyThreads"] = 0
    before = task["TaskSettings"]["BeforeImageSettings"]
    before["ColumnFilter"] = rng.choice(("pk-only", "non-lob", "all"))
    stand_in = task["StandIn"]
    stand_in["PutRecordsFailureRate"] = rng.choice((0, 0, 0.1, 0.4))
    stand_in["LostReplyRate"] = rng.choice((0, 0, 0.2))
    stand_in["InterleaveKeys"] = rng.random() < 0.3
    stand_in["ShuffleMembers"] = rng.random() < 0.3
    stand_in["UnloggedOfDeleted"] = rng.choice(("null", "absent", "key-only"))
    stand_in["ShuffleLoad"] = rng.random() < 0.5
    return task


class Shelf:
    """Kinesis as the stand-in's stream sees it: takes records and puts them on shards by their partition key."""

    def __init__(self, shards: int) -> None:
        """Without records."""
        self.shards: Shards = [[] for _ in range(shards)]

    def put_records(self, *, StreamName: str, Records: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        """boto3's call."""
        results = []
        for record in Records:
            number = zlib.crc32(record["PartitionKey"].encode()) % len(self.shards)
            shard, sequence = self.shards[number], f"{len(self.shards[number]) + 1:056d}"
            shard.append(StreamRecord(f"shard-{number}", sequence, 0, record["PartitionKey"], record["Data"], 0))
            results.append({"ShardId": f"shard-{number}", "SequenceNumber": sequence})
        return {"FailedRecordCount": 0, "Records": results}


class Capture:
    """One capture of a schema: `begin` fixes where changes start, `load` reads a table now, `changes` the whole log."""

    def __init__(self, url: str, schema: str, settings: Settings) -> None:
        """The slot and the publication are named after the schema."""
        self._url = url
        self._name = schema
        self._settings = settings
        self._known: dict[str, Table] = {}

    def begin(self) -> list[str]:
        """The captured tables, `schema.table`; whatever commits from now on comes as a change."""
        with connection(self._url) as connected:
            catalog = Catalog(connected)
            tables = catalog.tables(self._settings.table_mappings)
            catalog.prepare(self._name, self._name, tables)
        self._known = {table.full_name: table for table in tables}
        return list(self._known)

    def load(self, table: str) -> list[Record]:
        """The rows of a table as they are now."""
        records: list[Record] = []
        settings = self._settings
        load_table(self._url, TableRecords(self._known[table], settings), settings, records.extend, lambda _: None)
        return records

    def changes(self) -> list[Record]:
        """Every change since `begin`, in commit order."""
        task = TaskRecords(task_resource_id(self._name), self._settings)
        query = (
            "SELECT lsn - '0/0'::pg_lsn, data FROM pg_logical_slot_peek_binary_changes(%s, NULL, NULL,"
            " 'proto_version', '1', 'publication_names', %s)"
        )
        with connection(self._url) as connected, connected.cursor() as cursor:
            cursor.execute(query, (self._name, self._name))
            messages = cursor.fetchall()
            feed = ChangeRecords(self._settings, task, Catalog(connected).table, dict(self._known), Point(0))
            records = [feed.feed(int(lsn), parse(bytes(data))) for lsn, data in messages]
        return [record for record in records if record is not None]

    def end(self) -> None:
        """Drop slot and publication."""
        with connection(self._url) as connected:
            Catalog(connected).drop(self._name, self._name)


def deliver(rng: random.Random, settings: Settings, loads: list[list[Record]], changes: list[Record]) -> Shards:
    """All records through the stand-in's stream; changes come behind the loads, or beside them."""
    shelf = Shelf(rng.randint(1, 4))
    stream = Stream(
        shelf,
        "proof",
        lambda _: None,
        settings.put_records_failure_rate,
        settings.lost_reply_rate,
        settings.interleave_keys,
        seed=rng.randrange(1 << 30),
    )
    lanes = [lane for lane in (*loads, changes) if lane]
    if rng.random() < 0.5:
        lanes = [[record for lane in loads for record in lane], changes]
        for lane in lanes:
            _put(rng, stream, lane)
        return shelf.shards
    while lanes:
        lane = rng.choice(lanes)
        size = rng.choice((1, 2, 5, 20))
        _put(rng, stream, lane[:size])
        del lane[:size]
        lanes = [left for left in lanes if left]
    return shelf.shards


def _put(rng: random.Random, stream: Stream, records: Sequence[Record]) -> None:
    at = 0
    while at < len(records):
        size = rng.choice((1, 5, 20, 100))
        stream.put(records[at : at + size])
        at += size


def settings_of(task: dict[str, Any]) -> Settings:
    """The checked settings of a task file."""
    return read_settings(task)
