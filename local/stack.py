"""The local stack: what runs, in which order it starts and stops, and where it is found again."""

from __future__ import annotations

import fcntl
import json
import shutil
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import psycopg2

from api_lambdas.package import PackageError
from contract.mapping import Mapping
from local import heartbeat, regions
from local import ministack as ministack_process
from local.api_package import packed
from local.deploy import PROJECT, DeployError, Storage, deploy_api, deploy_storage
from local.ministack import MiniStack
from local.postgres import Postgres
from local.postgres_files import PostgresError
from local.processes import ProcessError, Processes, free_port, state_folder
from local.readable import check_settings, readable_mapping
from local.running import Options, Running, StackError
from local.source import check_mapping, fill
from local.standin import DMS, StandIn, make_task

DATABASE: Final = "source"
MONOLITH: Final = "monolith"
WORKER: Final = "worker"
START_SECONDS: Final = 60
WORKER_GRACE_SECONDS: Final = 12
"""More than NEARVIEW_SHUTDOWN_GRACE_SECONDS below."""


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


class Stack:
    """One local stack per state folder."""

    def __init__(self, folder: Path | None = None, say: Say = lambda _: None, task_name: str = PROJECT) -> None:
        self.folder = folder or state_folder()
        self.processes = Processes(self.folder)
        self.stand_in = StandIn(self.folder / "dms", self.processes, task_name)
        self._say = say
        self._file = self.folder / "stack.json"
        self._started_postgres: Postgres | None = None

    def postgres(self) -> Postgres:
        """The private PostgreSQL of this stack."""
        return self._started_postgres or self._postgres(0)

    def _postgres(self, port: int) -> Postgres:
        return Postgres(self.folder / "postgres", port, log=self.processes.log_path("postgres"))

    def second(self, region: str) -> Stack:
        """The second region's part, which has a folder of its own."""
        return Stack(regions.folder_of(self.folder, region), self._say, f"{PROJECT}-{region}")

    def running(self) -> Running | None:
        """The stack as it was started, None if there is none."""
        try:
            stored = json.loads(self._file.read_text())
            stored["storage"] = Storage(**stored["storage"])
            stored["tables"] = tuple(stored["tables"])
            return Running(**stored)
        except (OSError, ValueError, KeyError, TypeError):  # none, or one that another version has started
            return None

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
        mapping = readable_mapping(options.mappings)
        check_settings(mapping)
        task = make_task(options, (*mapping.tables, *([heartbeat.TABLE] if options.has_heartbeat else [])))
        with self.locked():
            self.clear()
            try:
                return self._start(options, mapping, task)
            except (ProcessError, PostgresError, DeployError, PackageError, psycopg2.Error, OSError) as error:
                self.clear()
                raise StackError(str(error).strip()) from error
            except BaseException:
                self.clear()  # Ctrl-C in the middle leaves nothing behind
                raise

    def deploy(self, running: Running) -> None:
        """Put the mappings of the folder, as they are now, onto a running stack: the API first, then the worker.

        Raises StackError; nothing was changed then, unless its text is about a process or a stack.
        """
        mapping = readable_mapping(Path(running.mappings))
        check_settings(mapping)
        if new := sorted(mapping.tables.keys() - {*running.tables}):
            raise StackError(
                f"the DMS task does not capture {', '.join(new)}: `nearview local down`, then `nearview local up`"
            )
        with self.locked():
            try:
                check_mapping(mapping, running.source_url)
                code = packed(mapping, Path(running.mappings))
                deploy_api(running.ministack, lambda _: None, code, running.monolith_url or NOWHERE)
                self._say("API deployed with the functions packed anew")
                self.processes.stop(WORKER, grace_seconds=WORKER_GRACE_SECONDS)
                self.start_worker(running)
            except (ProcessError, DeployError, PackageError, psycopg2.Error, OSError) as error:
                raise StackError(str(error).strip()) from error
        self._say("worker started again")

    def down(self) -> bool:
        """Stop everything and remove its data; the logs stay. Returns whether there was anything."""
        with self.locked():
            found = bool(self.processes.names()) or self.running() is not None
            self.clear()
            return found

    def clear(self) -> None:
        """Stop everything and remove its data."""
        for region in regions.others(self.folder):
            self.second(region).clear()
        self.processes.stop(WORKER, grace_seconds=WORKER_GRACE_SECONDS)
        self.stand_in.stop()
        self.processes.stop(MONOLITH, grace_seconds=4)
        self.processes.stop(heartbeat.NAME, grace_seconds=4)
        self._leave_source()
        ministack_process.stop(self.processes)
        self.processes.stop_all()
        if (self.folder / "postgres").exists():
            self.postgres().destroy()
            self._started_postgres = None
        self._file.unlink(missing_ok=True)
        for name in ("dms", regions.LINES):
            shutil.rmtree(self.folder / name, ignore_errors=True)

    def _leave_source(self) -> None:
        """Remove slot and publication from a user's own database: an unread slot keeps its log for ever."""
        running = self.running()
        if running is None or running.postgres_port is not None or not self.stand_in.is_prepared:
            return
        try:
            self.stand_in.drop(running)
        except StackError:
            self._say("slot and publication could not be removed from the source; remove them there by hand:")
            self._say("  SELECT pg_drop_replication_slot('dms_nearview'); DROP PUBLICATION dms_nearview;")

    def _start(self, options: Options, mapping: Mapping, task: dict[str, Any]) -> Running:
        url, postgres_port = self._source(options)
        check_mapping(mapping, url)
        program = regions.PROGRAM if len(options.regions) > 1 else ministack_process.PROGRAM
        ministack = ministack_process.start(self.processes, options.ministack_port, program, options.regions[0])
        self._say(f"MiniStack (the AWS stand-in) at {ministack.url}")
        storage = deploy_storage(ministack, lambda _: None, shard_count=options.shards)
        self._say("tables and stream deployed from cloudformation/20-data.yaml and 30-stream.yaml")
        monolith_url = self._monolith(url) if options.is_shop else None
        code = packed(mapping, options.mappings)
        second = regions.prepare(self, options, ministack, storage, postgres_port, monolith_url)
        ways = regions.ways(self.folder, ministack.region, url, monolith_url)
        api = deploy_api(ministack, lambda _: None, code, ways.monolith_url or NOWHERE)
        self._say(f"API deployed from cloudformation/50-api.yaml: {api.url}")
        port = options.http_port or free_port()
        running = Running(
            source_url=url,
            ministack_port=ministack.port,
            storage=storage,
            mappings=str(options.mappings.resolve()),
            tables=tuple(mapping.tables),
            worker_url=f"http://127.0.0.1:{port}",
            environment={
                **_worker_environment(ministack, storage, options, port),
                **(regions.fenced(self.folder, ministack.region, second.region, storage) if second else {}),
            },
            postgres_port=postgres_port,
            monolith_url=monolith_url,
            collection=mapping.aggregates[0].collection,
            api_url=api.url,
            api_direct_url=api.direct_url,
            region=ministack.region,
            captured_url=ways.source_url,
            public_url=ways.public(ministack, api),
            other_region=second.region if second else None,
        )
        self.keep(running)
        if second is not None:
            self._say(regions.start_second(self.second(second.region), second, running, code, task))
        self.stand_in.write_task(task)
        self.stand_in.start(running)
        self._say("DMS stand-in: full load, then changes from the replication slot")
        if options.has_heartbeat:
            beats = [sys.executable, "-m", "local.heartbeat", "--database-url", url]
            self.processes.start(heartbeat.NAME, beats)
            self._say(f"heartbeats: {heartbeat.TABLE} is written every second")
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
        self._say(fill(url, options))
        if options.has_heartbeat:
            with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
                heartbeat.make(cursor, options.shards)
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

    def keep(self, running: Running) -> None:
        """Remember where everything is, readable by the owner only."""
        draft = self._file.with_suffix(".draft")
        draft.touch(mode=0o600)
        draft.write_text(json.dumps(asdict(running), indent=1))
        draft.replace(self._file)

    def start_worker(self, running: Running) -> None:
        """Start the supervisor and return when it serves; its daemon needs some seconds more."""
        self.processes.start(WORKER, [sys.executable, "-m", "worker.supervisor"], env=running.environment)
        self.processes.wait_until(
            lambda: _answers(f"{running.worker_url}/livez"), START_SECONDS, "the worker's answer", [WORKER]
        )


def _worker_environment(ministack: MiniStack, storage: Storage, options: Options, port: int) -> dict[str, str]:
    heartbeats = {"NEARVIEW_HEARTBEAT_TABLE": heartbeat.TABLE} if options.has_heartbeat else {}
    return {
        **ministack.environment(),
        "NEARVIEW_APPLICATION": storage.application,
        "NEARVIEW_STREAM": storage.stream,
        "NEARVIEW_ROWS_TABLE": storage.rows_table,
        "NEARVIEW_DOCUMENTS_TABLE": storage.documents_table,
        "NEARVIEW_PARKED_TABLE": storage.parked_table,
        "NEARVIEW_PARKED_KMS_KEY": storage.parked_key,
        "NEARVIEW_MAPPINGS": str(options.mappings.resolve()),
        "NEARVIEW_HTTP_PORT": str(port),
        **heartbeats,
        **FAST_WORKER,
    }


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as reply:  # noqa: S310  our own address
            return bool(reply.status == 200)
    except (OSError, urllib.error.URLError):
        return False
