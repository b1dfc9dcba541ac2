"""The local stack: what runs, in which order it starts and stops, and where it is found again."""

from __future__ import annotations

import fcntl
import gzip
import json
import os
import shutil
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import psycopg2
from psycopg2 import extensions

from api_lambdas.package import PackageError, build
from contract.mapping import Mapping
from local import ministack as ministack_process
from local.deploy import DeployError, Storage, deploy_api, deploy_storage
from local.dms.settings import DEFAULT_TASK
from local.ministack import MiniStack
from local.monolith.seed import create_schema, insert_seed
from local.postgres import Postgres
from local.postgres_files import PostgresError
from local.processes import REPOSITORY, ProcessError, Processes, free_port, state_folder
from local.sql_script import ScriptError, Statement, split
from worker.mapping.loader import load_mappings
from worker.verify.errors import VerifyError
from worker.verify.problems import problems
from worker.verify.source import open_source

DATABASE: Final = "source"
MONOLITH: Final = "monolith"
DMS: Final = "dms"
WORKER: Final = "worker"
START_SECONDS: Final = 60

COMMANDS: Final = REPOSITORY / "api_lambdas" / "commands.yaml"

NOWHERE: Final = "http://127.0.0.1:9"
"""The discard port: without a monolith every command is answered as `cannot be reached`."""

# KCL's production times make a first start slow; on a laptop nothing is far away and nothing costs.
FAST_WORKER: Final = {
    "NEARVIEW_POLL_MILLIS": "200",
    "NEARVIEW_FAILOVER_MILLIS": "3000",
    "NEARVIEW_LEASE_ASSIGNMENT_MILLIS": "1000",
    "NEARVIEW_SHUTDOWN_GRACE_SECONDS": "10",
    "NEARVIEW_WORKER_NAME": "local",
    # one MiniStack process serves all: large batches fold the full load, small ones still come when little flows
    "NEARVIEW_MAX_RECORDS": "10000",
    "NEARVIEW_BATCH_RECORDS": "10000",
}

Say = Callable[[str], None]


class StackError(Exception):
    """Something could not be started or found; str() is for users."""


@dataclass(frozen=True, slots=True)
class Options:
    """What to run. Without a source of one's own: the demo's shop, its seed data and the service over it."""

    mappings: Path = REPOSITORY / "mappings"
    schema: Path | None = None
    source_url: str | None = None
    task: Path | None = None
    orders: int = 2_000
    seed: int = 1
    shards: int = 2
    ministack_port: int | None = None
    postgres_port: int | None = None
    http_port: int | None = None

    @property
    def is_shop(self) -> bool:
        """Whether the demo's monolith is the source."""
        return self.schema is None and self.source_url is None


@dataclass(frozen=True, slots=True)
class Running:
    """Where everything is; kept in the state folder (readable by its owner only: the URL holds a password)."""

    source_url: str
    ministack_port: int
    storage: Storage
    mappings: str
    tables: tuple[str, ...]
    worker_url: str
    environment: dict[str, str] = field(default_factory=dict)
    postgres_port: int | None = None
    monolith_url: str | None = None
    collection: str = ""
    api_url: str | None = None
    api_direct_url: str | None = None

    @property
    def ministack(self) -> MiniStack:
        """The AWS stand-in."""
        return MiniStack(self.ministack_port)


class Stack:
    """One local stack per state folder."""

    def __init__(self, folder: Path | None = None, say: Say = lambda _: None) -> None:
        self.folder = folder or state_folder()
        self.processes = Processes(self.folder)
        self._say = say
        self._file = self.folder / "stack.json"
        self._started_postgres: Postgres | None = None

    def postgres(self) -> Postgres:
        """The private PostgreSQL of this stack."""
        return self._started_postgres or self._postgres(0)

    def _postgres(self, port: int) -> Postgres:
        return Postgres(self.folder / "postgres", port, log=self.processes.log_path("postgres"))

    def running(self) -> Running | None:
        """The stack as it was started, None if there is none."""
        try:
            stored = json.loads(self._file.read_text())
        except (OSError, ValueError):
            return None
        stored["storage"] = Storage(**stored["storage"])
        stored["tables"] = tuple(stored["tables"])
        return Running(**stored)

    def is_up(self) -> bool:
        """Whether everything that was started is still alive."""
        running = self.running()
        if running is None:
            return False
        names = [ministack_process.NAME, DMS, WORKER, *([MONOLITH] if running.monolith_url else [])]
        alive = all(self.processes.alive(name) for name in names)
        return alive and (running.postgres_port is None or self.postgres().pid is not None)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Only one `up` or `down` of a folder at a time."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise StackError(f"{self.folder}: another command is starting or stopping this stack") from None
            yield

    def up(self, options: Options) -> Running:
        """Start everything; what a crashed earlier run left is cleared first. Raises StackError with one clear text."""
        mapping = _mapping(options.mappings)
        with self.locked():
            self._clear()
            try:
                return self._start(options, mapping)
            except (ProcessError, PostgresError, DeployError, PackageError, psycopg2.Error, OSError) as error:
                self._clear()
                raise StackError(str(error).strip()) from error
            except BaseException:
                self._clear()  # Ctrl-C in the middle leaves nothing behind
                raise

    def down(self) -> bool:
        """Stop everything and remove its data; the logs stay. Returns whether there was anything."""
        with self.locked():
            found = bool(self.processes.names()) or self.running() is not None
            self._clear()
            return found

    def _clear(self) -> None:
        for name in (WORKER, DMS, MONOLITH):
            self.processes.stop(name, grace_seconds=12 if name == WORKER else 4)
        self._leave_source()
        ministack_process.stop(self.processes)
        self.processes.stop_all()
        if (self.folder / "postgres").exists():
            self.postgres().destroy()
            self._started_postgres = None
        self._file.unlink(missing_ok=True)
        shutil.rmtree(self.folder / "dms", ignore_errors=True)

    def _leave_source(self) -> None:
        """Remove slot and publication from a user's own database: an unread slot keeps its log for ever."""
        running = self.running()
        if running is None or running.postgres_port is not None or not (self.folder / "dms").exists():
            return
        command, environment = self._dms("drop", running)
        done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, check=False)
        if done.returncode != 0:
            self._say("slot and publication could not be removed from the source; remove them there by hand:")
            self._say("  SELECT pg_drop_replication_slot('dms_nearview'); DROP PUBLICATION dms_nearview;")

    def _start(self, options: Options, mapping: Mapping) -> Running:
        url, postgres_port = self._source(options)
        _check_mapping(mapping, url)
        ministack = ministack_process.start(self.processes, options.ministack_port)
        self._say(f"MiniStack (the AWS stand-in) at {ministack.url}")
        storage = deploy_storage(ministack, lambda _: None, shard_count=options.shards)
        self._say("tables and stream deployed from cloudformation/20-data.yaml and 30-stream.yaml")
        monolith_url = self._monolith(url) if options.is_shop else None
        code = build(mapping.to_json(), COMMANDS.read_text("utf-8"))
        api = deploy_api(ministack, lambda _: None, code, monolith_url or NOWHERE)
        self._say(f"API deployed from cloudformation/50-api.yaml: {api.url}")
        port = options.http_port or free_port()
        environment = {
            **ministack.environment(),
            "NEARVIEW_APPLICATION": storage.application,
            "NEARVIEW_STREAM": storage.stream,
            "NEARVIEW_ROWS_TABLE": storage.rows_table,
            "NEARVIEW_DOCUMENTS_TABLE": storage.documents_table,
            "NEARVIEW_PARKED_TABLE": storage.parked_table,
            "NEARVIEW_MAPPINGS": str(options.mappings.resolve()),
            "NEARVIEW_HTTP_PORT": str(port),
            **FAST_WORKER,
        }
        running = Running(
            source_url=url,
            ministack_port=ministack.port,
            storage=storage,
            mappings=str(options.mappings.resolve()),
            tables=tuple(mapping.tables),
            worker_url=f"http://127.0.0.1:{port}",
            environment=environment,
            postgres_port=postgres_port,
            monolith_url=monolith_url,
            collection=mapping.aggregates[0].collection,
            api_url=api.url,
            api_direct_url=api.direct_url,
        )
        self._keep(running)
        self.start_dms(running, options.task)
        self._say("DMS stand-in: full load, then changes from the replication slot")
        self.start_worker(running)
        self._say(f"worker: supervisor, KCL's daemon, a child per shard; {running.worker_url}/metrics and /healthz")
        return running

    def _source(self, options: Options) -> tuple[str, int | None]:
        if options.source_url is not None:
            with closing(psycopg2.connect(options.source_url)):  # one clear error now instead of a dying task later
                self._say("source database reached")
            return options.source_url, None
        self._started_postgres = postgres = self._postgres(options.postgres_port or free_port())
        postgres.start()
        postgres.create_database(DATABASE)
        url = postgres.url(DATABASE)
        self._say(f"PostgreSQL on 127.0.0.1:{postgres.port}")
        with closing(psycopg2.connect(url)) as connection:
            connection.autocommit = options.schema is not None
            with connection.cursor() as cursor:
                if options.schema is not None:
                    run_sql(cursor, options.schema)
                    self._say(f"{options.schema} executed")
                else:
                    create_schema(cursor)
                    counts = insert_seed(cursor, seed=options.seed, orders=options.orders)
                    connection.commit()
                    self._say(f"the shop's tables filled: {sum(counts.values()):,} rows in {len(counts)} tables")
        return url, postgres.port

    def _monolith(self, url: str) -> str:
        port = free_port()
        self.processes.start(
            MONOLITH, [sys.executable, "-m", "local.monolith", "serve", "--database-url", url, "--port", str(port)]
        )
        address = f"http://127.0.0.1:{port}"
        self.processes.wait_until(
            lambda: _answers(f"{address}/healthz"), START_SECONDS, "the monolith's answer", [MONOLITH]
        )
        self._say(f"the monolith's HTTP service at {address}")
        return address

    def _keep(self, running: Running) -> None:
        draft = self._file.with_suffix(".draft")
        draft.touch(mode=0o600)
        draft.write_text(json.dumps(asdict(running), indent=1))
        draft.replace(self._file)

    def start_dms(self, running: Running, task: Path | None = None) -> None:
        """Start the stand-in, or start it again: it resumes where the stream has confirmed its records."""
        folder = self.folder / "dms"
        folder.mkdir(parents=True, exist_ok=True)
        made = folder / "task.json"
        if not made.exists():
            made.write_text(json.dumps(task_for(running.tables, json.loads((task or DEFAULT_TASK).read_text()))))
        command, environment = self._dms("run", running)
        self.processes.start(DMS, command, env=environment)
        self.processes.wait_until((folder / "state.json").exists, START_SECONDS, "the DMS stand-in's start", [DMS])

    def _dms(self, command: str, running: Running) -> tuple[list[str], dict[str, str]]:
        folder = self.folder / "dms"
        environment = {
            **running.ministack.environment(),
            "NEARVIEW_SOURCE_URL": running.source_url,
            "NEARVIEW_STREAM": running.storage.stream,
        }
        task = ["--task", str(folder / "task.json"), "--state", str(folder)]
        return [sys.executable, "-m", "local.dms", command, *task], environment

    def start_worker(self, running: Running) -> None:
        """Start the supervisor and return when it serves; its daemon needs some seconds more."""
        self.processes.start(WORKER, [sys.executable, "-m", "worker.supervisor"], env=running.environment)
        self.processes.wait_until(
            lambda: _answers(f"{running.worker_url}/livez"), START_SECONDS, "the worker's answer", [WORKER]
        )


def task_for(tables: tuple[str, ...], task: dict[str, Any]) -> dict[str, Any]:
    """The DMS task of these tables: one selection rule for each, partitioned by primary key."""
    rules: list[dict[str, Any]] = []
    for table in tables:
        schema, name = table.split(".", 1)
        locator = {"schema-name": schema, "table-name": name}
        selection = {"rule-type": "selection", "object-locator": locator, "rule-action": "include", "filters": []}
        mapping = {
            "rule-type": "object-mapping",
            "rule-action": "map-record-to-record",
            "object-locator": locator,
            "mapping-parameters": {"partition-key-type": "primary-key"},
        }
        for rule in (selection, mapping):
            number = str(len(rules) + 1)
            rules.append({**rule, "rule-id": number, "rule-name": number})
    return {**task, "TableMappings": {"rules": rules}}


_FLUSH: Final = "RESET synchronous_commit; SELECT pg_logical_emit_message(true, 'nearview', '')"
"""A commit that waits for the disk, and with it for all before it; the message itself is in no publication."""


def run_sql(cursor: Any, path: Path) -> None:
    """Execute a SQL script (.sql or .sql.gz) statement by statement; the cursor's connection has to be in autocommit.

    Only the script's own BEGIN and COMMIT make transactions. It ends at the first error: StackError names the line.
    """
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        statements = split(content.decode("utf-8-sig"))
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise StackError(f"{path}: cannot be read as a UTF-8 SQL script: {error}") from None
    except ScriptError as error:
        raise StackError(f"{path}:{error.line}: {error}") from None
    cursor.execute("SET synchronous_commit = off")  # thousands of commits without waiting for the disk each time
    for statement in statements:
        if statement.is_empty:
            continue
        try:
            cursor.execute(statement.text)
        except psycopg2.Error as error:
            raise StackError(f"{path}:{statement.line}: {_sql_problem(statement, error)}") from None
    if cursor.connection.info.transaction_status != extensions.TRANSACTION_STATUS_IDLE:
        cursor.execute("ROLLBACK")
        raise StackError(f"{path}: ends inside a transaction, which was rolled back: its BEGIN has no COMMIT")
    cursor.execute(_FLUSH)


def _sql_problem(statement: Statement, error: psycopg2.Error) -> str:
    """The first line of an error, with its own line in the script if that is not the statement's."""
    text = str(error.diag.message_primary or error).strip().partition("\n")[0]
    position = error.diag.statement_position
    line = statement.line_at(int(position) - 1) if position else statement.line
    return text if line == statement.line else f"{text} (at line {line})"


def _check_mapping(mapping: Mapping, url: str) -> None:
    """A misspelt table or column is said now; later it would look like a DMS that leaves columns out."""
    try:
        with open_source(url) as source:
            found = problems(mapping, source.catalog(mapping.tables), source.tables())
    except VerifyError as error:
        raise StackError(str(error)) from None
    if found:
        raise StackError("\n".join(found))


def _mapping(folder: Path) -> Mapping:
    mapping, problems = load_mappings(folder)
    if mapping is None:
        raise StackError("\n".join(map(str, problems)))
    return mapping


def _answers(url: str) -> bool:
    import urllib.error
    import urllib.request

    try:
        with urllib.request.urlopen(url, timeout=2) as reply:  # noqa: S310  our own address
            return bool(reply.status == 200)
    except (OSError, urllib.error.URLError):
        return False
