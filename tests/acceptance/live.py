"""A running local stack as the tests here see it: the source, the stream, the worker, the documents."""

import json
import os
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
from botocore.exceptions import BotoCoreError, ClientError
from prometheus_client.parser import text_string_to_metric_families

from contract.keys import DOCUMENT_SK, document_pk
from contract.values import Item
from local.monolith.workload import WorkloadCounts, run_workload
from local.processes import ProcessError
from local.progress import Sent, checkpoints, is_quiet, sent, source_position
from local.running import Running
from local.stack import WORKER, Stack
from local.standin import DMS
from worker.parked.items import ParkedItem, list_parked

PATIENCE_SECONDS = 180.0
"""For anything that is sure to come: two cores may be busy with other things."""

LOG_LINES = 40
LOG_WIDTH = 400

_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def wait_for(what: str, is_so: Callable[[], bool]) -> None:
    """Ask a few times a second: asked more often, the worker would be busy with answers."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.25)


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer; header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: Any


@dataclass(frozen=True, slots=True)
class Live:
    """A stack that is up."""

    stack: Stack
    running: Running

    def sql(self, *statements: str) -> None:
        """Execute statements on the source in one transaction."""
        with (
            closing(psycopg2.connect(self.running.source_url)) as connection,
            connection,
            connection.cursor() as cursor,
        ):
            for statement in statements:
                cursor.execute(statement)

    def rows(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """What a query of the source gives."""
        with closing(psycopg2.connect(self.running.source_url)) as connection, connection.cursor() as cursor:
            cursor.execute(query, parameters or None)
            found: list[tuple[Any, ...]] = cursor.fetchall()
            return found

    def one(self, query: str, *parameters: Any) -> Any:
        """The only value that a query of the source gives."""
        ((value,),) = self.rows(query, *parameters)
        return value

    def wait_until_quiet(self, *watch: str) -> None:
        """Return when everything committed so far is in documents or parked; `watch` (the worker) must live on.

        It may take as long as it likes, as long as it gets on: how much there is to do depends on the machine's speed.
        """
        position = source_position(self.running.source_url)
        watched = [DMS, *(watch or (WORKER,))]
        while True:
            before = self._progress()
            try:
                self.stack.processes.wait_until(
                    lambda: is_quiet(self.stack, self.running, position),
                    PATIENCE_SECONDS,
                    "everything committed is in documents",
                    watched,
                )
            except ProcessError:
                if not all(map(self.stack.processes.alive, watched)) or self._progress() == before:
                    raise
            else:
                return

    def _progress(self) -> tuple[Sent, dict[str, int]]:
        return sent(self.stack.folder), checkpoints(self.running)

    def nearview(self, *arguments: str, exit_code: int = 0) -> str:
        """Standard output of a `nearview` command on this stack that must end with that exit code."""
        environment = {**self.running.environment, "NEARVIEW_LOCAL_DIR": str(self.stack.folder)}
        return nearview(*arguments, environment=environment, exit_code=exit_code)

    def verify(self) -> dict[str, Any]:
        """The report of `nearview verify --json`."""
        command, environment = self.running.verify_command("--json")
        done = subprocess.run(command, env=environment, capture_output=True, check=False)
        assert done.returncode in (0, 1), done.stderr.decode()
        report: dict[str, Any] = json.loads(done.stdout)
        return report

    def assert_right(self, parked: Sequence[ParkedItem] = ()) -> None:
        """Once quiet, every document is what SQL on the source says, and nothing is parked but what was before."""
        report = self.verify()
        assert (report["differences"], report["parked"]) == (0, 0), report
        assert report["verified"] > 0
        now = self.parked()
        come, gone = [one for one in now if one not in parked], [one for one in parked if one not in now]
        assert now == list(parked), f"parked meanwhile: {come}; no longer parked: {gone}"

    def parked(self) -> list[ParkedItem]:
        """Everything in the parking table."""
        client = self.running.ministack.client("dynamodb")
        return list(list_parked(client, self.running.storage.parked_table))

    def document(self, aggregate: str, key: str) -> Item | None:
        """The item of a document as it is stored."""
        answer = self.running.ministack.client("dynamodb").get_item(
            TableName=self.running.storage.documents_table,
            Key={"pk": {"S": document_pk(aggregate, key)}, "sk": {"S": DOCUMENT_SK}},
            ConsistentRead=True,
        )
        item: Item | None = answer.get("Item")
        return item

    def counted(self, name: str, **labels: str) -> float:
        """A metric of the worker, summed over the labels that are not given; 0 while it does not answer."""
        try:
            with _direct.open(f"{self.running.worker_url}/metrics", timeout=5) as reply:
                families = list(text_string_to_metric_families(reply.read().decode()))
        except OSError:
            return 0.0
        samples = [sample for family in families for sample in family.samples if sample.name == name]
        return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())

    def request(
        self, method: str, path: str, body: Any = None, key: str | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send a request to the API; `key` is its Idempotency-Key."""
        sent = {"Content-Type": "application/json", **({"Idempotency-Key": key} if key else {}), **(headers or {})}
        data = None if body is None else json.dumps(body).encode()
        url = f"{self.running.api_direct_url}{path}"
        request = urllib.request.Request(url, data, sent, method=method)  # noqa: S310  our own address
        try:
            with _direct.open(request, timeout=60) as reply:
                return _answer(reply)
        except urllib.error.HTTPError as error:
            with error:
                return _answer(error)


def _answer(reply: Any) -> Answer:
    text = reply.read()
    headers = {name.lower(): value for name, value in reply.headers.items()}
    return Answer(reply.status, headers, json.loads(text) if text else None)


def evidence(stack: Stack) -> Iterator[tuple[str, str]]:
    """Title and text of what explains a failure: the end of every process's log, and the leases."""
    for path in sorted((stack.folder / "logs").glob("*.log")):
        lines = stack.processes.tail(path.stem, LOG_LINES).splitlines()
        yield f"the end of {path}", "\n".join(line[:LOG_WIDTH] for line in lines)
    if running := stack.running():
        client = running.ministack.client("dynamodb")
        for table in (running.storage.application, f"{running.storage.application}-CoordinatorState"):
            yield f"rows of {table}", "\n".join(_rows(client, table))


def _rows(client: Any, table: str) -> Iterator[str]:
    try:
        for item in client.scan(TableName=table, ConsistentRead=True)["Items"]:
            yield " ".join(f"{name}={next(iter(value.values()))}" for name, value in sorted(item.items()))
    except (BotoCoreError, ClientError) as error:  # it is about another failure, which must be shown
        yield f"could not be read: {error}"


@contextmanager
def workload(live: Live, rate: float, seed: int) -> Iterator[WorkloadCounts]:
    """Keep the shop busy meanwhile; what it did is in the counts afterwards. Raises what ended it early."""
    stop, counts = threading.Event(), WorkloadCounts()
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(run_workload, live.running.source_url, rate=rate, seed=seed, stop=stop)
        try:
            yield counts
        finally:
            stop.set()
        counts.add(done.result())


def nearview(*arguments: str, environment: dict[str, str], exit_code: int = 0) -> str:
    """Standard output of the program, run as a user would, which must end with that exit code."""
    program = Path(sys.executable).with_name("nearview")
    done = subprocess.run([program, *arguments], env={**os.environ, **environment}, capture_output=True, check=False)
    output = done.stdout.decode()
    assert done.returncode == exit_code, f"nearview {' '.join(arguments)}\n{output}\n{done.stderr.decode()}"
    return output
