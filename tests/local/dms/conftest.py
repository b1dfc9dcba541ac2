"""A source database, a stream and the stand-in as a process between them."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from local.dms.settings import DEFAULT_TASK
from local.dms.state import parse_lsn
from local.ministack import MiniStack
from local.processes import wait_until

_streams = count(1)


@dataclass(slots=True)
class Source:
    """A database with logical replication and a session in it."""

    url: str
    connection: Any

    def run(self, *statements: str) -> None:
        """Each statement is a transaction of its own."""
        with self.connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def execute(self, statement: str, *parameters: object) -> None:
        """One statement with parameters."""
        with self.connection.cursor() as cursor:
            cursor.execute(statement, parameters)

    def value(self, query: str, *parameters: object) -> Any:
        """The first column of the first row."""
        with self.connection.cursor() as cursor:
            cursor.execute(query, parameters)
            row = cursor.fetchone()
            return None if row is None else row[0]


@dataclass(slots=True)
class Received:
    """A record as a consumer of the stream sees it."""

    partition_key: str
    text: str

    @property
    def body(self) -> dict[str, Any]:
        """The parsed record."""
        body: dict[str, Any] = json.loads(self.text)
        return body

    @property
    def operation(self) -> str:
        """`metadata.operation`."""
        return str(self.body["metadata"]["operation"])


@dataclass(slots=True)
class Stream:
    """A Kinesis stream of two shards."""

    name: str
    client: Any

    def records(self, table: str | None = None) -> list[Received]:
        """Every record in the stream, shard by shard; with `table` only its data records."""
        found: list[Received] = []
        for shard in self.client.list_shards(StreamName=self.name)["Shards"]:
            iterator = self.client.get_shard_iterator(
                StreamName=self.name, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
            )["ShardIterator"]
            while True:
                answer = self.client.get_records(ShardIterator=iterator, Limit=10000)
                found += [Received(r["PartitionKey"], r["Data"].decode()) for r in answer["Records"]]
                iterator = answer["NextShardIterator"]
                if not answer["Records"] and not answer["MillisBehindLatest"]:
                    break
        return [r for r in found if table is None or _is_row(r.body["metadata"], table)]


def _is_row(metadata: Mapping[str, Any], table: str) -> bool:
    return bool(metadata["record-type"] == "data" and metadata["table-name"] == table)


@dataclass(slots=True)
class Running:
    """A started stand-in."""

    process: subprocess.Popen[str]
    folder: Path
    source: Source

    def state(self) -> dict[str, Any]:
        """What state.json says now, empty before it is there."""
        try:
            state: dict[str, Any] = json.loads((self.folder / "state.json").read_text())
        except FileNotFoundError:
            return {}
        return state

    def wait_for(self, condition: Callable[[dict[str, Any]], bool], what: str) -> None:
        """Return when the state meets the condition; fails at once if the process has ended."""
        wait_until(lambda: condition(self.state()) or self.process.poll() is not None, 30, what)
        assert condition(self.state()), f"ended with {self.process.returncode}: {self.log()}"

    def wait_for_changes_phase(self) -> None:
        """Return when everything is loaded."""
        self.wait_for(lambda state: state.get("phase") == "changes", "the load's end")

    def wait_until_quiet(self) -> None:
        """Return when all that is committed now is on the stream."""
        target = parse_lsn(self.source.value("SELECT pg_current_wal_insert_lsn()"))
        self.wait_for(
            lambda state: state.get("phase") == "changes" and parse_lsn(state["confirmed_lsn"]) >= target,
            "all changes to be on the stream",
        )

    def kill(self) -> None:
        """SIGKILL, at once."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=15)

    def log(self) -> str:
        """What it wrote to stderr."""
        return (self.folder / "stderr.log").read_text()


@dataclass(slots=True)
class Starter:
    """Starts the stand-in between the source and the stream, as often as wanted."""

    source: Source
    stream: Stream
    folder: Path
    environment: dict[str, str]
    document: dict[str, Any] = field(default_factory=lambda: json.loads(DEFAULT_TASK.read_text()))

    def __call__(self, command: str = "run", **options: str) -> Running:
        """Start it; options are those of its command line, with underscores."""
        self.folder.mkdir(exist_ok=True)
        task_file = self.folder / "task.json"
        task_file.write_text(json.dumps(self.document))
        given = {"task": str(task_file), "stream": self.stream.name, "state": str(self.folder)}
        arguments = [f"--{name.replace('_', '-')}={value}" for name, value in (given | options).items()]
        with (self.folder / "stderr.log").open("w") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "local.dms", command, *arguments],
                env=self.environment,
                stderr=log,
                text=True,
            )
        return Running(process, self.folder, self.source)


@pytest.fixture
def source(new_database: Callable[..., str]) -> Iterator[Source]:
    """An empty schema `shop` in a database of its own."""
    url = new_database()
    connection = psycopg2.connect(url)
    connection.autocommit = True
    made = Source(url, connection)
    made.run("CREATE SCHEMA shop")
    yield made
    connection.close()


@pytest.fixture
def stream(ministack: MiniStack) -> Iterator[Stream]:
    """An empty stream that the test has for itself."""
    client = ministack.client("kinesis")
    name = f"dms-test-{os.getpid()}-{next(_streams)}"
    client.create_stream(StreamName=name, ShardCount=2)
    wait_until(
        lambda: client.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["StreamStatus"] == "ACTIVE",
        10,
        "the stream",
    )
    yield Stream(name, client)
    client.delete_stream(StreamName=name)


@pytest.fixture
def start(source: Source, stream: Stream, ministack: MiniStack, tmp_path: Path) -> Iterator[Starter]:
    """Call it to start the stand-in; what still runs at the end is killed."""
    environment = {**os.environ, **ministack.environment(), "NEARVIEW_SOURCE_URL": source.url}
    environment["PYTHONPATH"] = str(Path(__file__).parents[3])
    running: list[Running] = []

    class Tracked(Starter):
        def __call__(self, command: str = "run", **options: str) -> Running:
            running.append(Starter.__call__(self, command, **options))
            return running[-1]

    yield Tracked(source, stream, tmp_path / "dms", environment)
    for one in running:
        if one.process.poll() is None:
            one.kill()
