"""What both systems run on: MiniStack with the real tables and stream, and a document per shard that always changes."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from bench.workloads import MAPPINGS, Log
from contract.keys import DOCUMENT_SK, document_pk
from local import ministack as stand_in
from local.deploy import Storage, deploy_storage
from local.ministack import MiniStack
from local.processes import Processes

SHARDS: Final = 4
PUT_EVERY_SECONDS: Final = 0.1
LOOK_EVERY_SECONDS: Final = 0.05
FIELDS: Final = 10
FLOWS_SECONDS: Final = 4.0
"""KCL's daemon as it comes reads a shard every second and a half."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Tables, stream, and where processes keep their logs."""

    processes: Processes
    ministack: MiniStack
    storage: Storage

    def environment(self, application: str) -> dict[str, str]:
        """The settings of a worker, all others at their defaults: those of production."""
        return {
            **self.ministack.environment(),
            "NEARVIEW_APPLICATION": application,
            "NEARVIEW_STREAM": self.storage.stream,
            "NEARVIEW_ROWS_TABLE": self.storage.rows_table,
            "NEARVIEW_DOCUMENTS_TABLE": self.storage.documents_table,
            "NEARVIEW_PARKED_TABLE": self.storage.parked_table,
            "NEARVIEW_MAPPINGS": str(MAPPINGS / "flat"),
            "NEARVIEW_HTTP_PORT": "0",
        }


@contextmanager
def stage(folder: Path) -> Iterator[Stage]:
    """A stage of its own; whatever runs on it is ended afterwards."""
    processes = Processes(folder)
    ministack = stand_in.start(processes)
    try:
        yield Stage(processes, ministack, deploy_storage(ministack, lambda _: None, shard_count=SHARDS))
    finally:
        processes.stop_all(grace_seconds=0)
        stand_in.stop(processes)


@dataclass(slots=True)
class Seen:
    """A shard's document as it was last read: the number in it, and when that number was sent to the stream."""

    number: int = -1
    at: float = 0.0


@dataclass(slots=True)
class Traffic:
    """Sends a change of each shard's document ten times a second and reads the documents all the time."""

    stage: Stage
    sent: list[float] = field(default_factory=list)
    arrivals: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    _log: Log = field(default_factory=Log)
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)
    _hashes: dict[str, str] = field(default_factory=dict)

    def start(self) -> None:
        """Begin; each shard has a key of its own."""
        shards = self.stage.ministack.client("kinesis").list_shards(StreamName=self.stage.storage.stream)["Shards"]
        self._hashes = {shard["ShardId"]: shard["HashKeyRange"]["StartingHashKey"] for shard in shards}
        self.arrivals = {shard: [] for shard in self._hashes}
        for target in (self._send, self._look):
            self._threads.append(threading.Thread(target=target, daemon=True))
            self._threads[-1].start()

    def end(self) -> None:
        """Stop sending and looking."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def recovered(self, since: float) -> dict[str, float]:
        """Seconds until each shard's first change that was sent after that moment was in its document, so far."""
        found = {}
        for shard, arrivals in self.arrivals.items():
            for sent, seen in reversed(arrivals):
                if sent < since:
                    break
                found[shard] = seen - since
        return found

    def longest_pause(self, since: float) -> float:
        """The longest time that any shard's document stood still since then, in seconds."""
        longest = 0.0
        for arrivals in self.arrivals.values():
            moments = [since, *(seen for _, seen in arrivals if seen > since)]
            longest = max(longest, *(later - earlier for earlier, later in itertools.pairwise(moments)), 0.0)
        return longest

    def flows(self) -> bool:
        """Whether every shard's document has changed within the last seconds."""
        now = time.monotonic()
        return all(arrivals and now - arrivals[-1][1] < FLOWS_SECONDS for arrivals in self.arrivals.values())

    def _send(self) -> None:
        kinesis = self.stage.ministack.client("kinesis")
        while not self._stop.wait(PUT_EVERY_SECONDS):
            number = len(self.sent)
            self.sent.append(time.monotonic())
            self._log.begin()
            records = [
                {"Data": self._change(shard, number), "PartitionKey": shard, "ExplicitHashKey": position}
                for shard, position in self._hashes.items()
            ]
            kinesis.put_records(StreamName=self.stage.storage.stream, Records=records)

    def _change(self, shard: str, number: int) -> bytes:
        row = {"ycsb_key": shard, **{f"field{at}": str(number) for at in range(FIELDS)}}
        operation, before = ("insert", None) if number == 0 else ("update", {"ycsb_key": shard})
        return self._log.change(operation, "ycsb.usertable", row, before)

    def _look(self) -> None:
        dynamodb = self.stage.ministack.client("dynamodb")
        last = dict.fromkeys(self._hashes, -1)
        while not self._stop.wait(LOOK_EVERY_SECONDS):
            for shard, number in self._numbers(dynamodb).items():
                if number > last[shard]:
                    last[shard] = number
                    self.arrivals[shard].append((self.sent[number], time.monotonic()))

    def _numbers(self, dynamodb: Any) -> dict[str, int]:
        table = self.stage.storage.documents_table
        keys = [{"pk": {"S": document_pk("user", shard)}, "sk": {"S": DOCUMENT_SK}} for shard in self._hashes]
        answer = dynamodb.batch_get_item(RequestItems={table: {"Keys": keys, "ConsistentRead": True}})
        items = answer["Responses"].get(table, [])
        return {item["ycsb_key"]["S"]: int(item["field0"]["S"]) for item in items if "field0" in item}
