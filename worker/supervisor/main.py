"""Composition root of the supervisor: from an environment to an exit code."""

import os
import shutil
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from worker.errors import FatalError, SettingsError
from worker.log import Event, Log, capture_libraries, describe
from worker.parked.keys import unusable_key
from worker.run_folder import RunFolder
from worker.settings import Settings, parse
from worker.supervisor import jars
from worker.supervisor.aws import AwsError, Clients, clients, missing_resources, reason
from worker.supervisor.checks import mapping_problems
from worker.supervisor.collector import ChildMetrics, WorkerCollector, version
from worker.supervisor.daemon import Daemon, command
from worker.supervisor.hang import HangWatch
from worker.supervisor.health import Health
from worker.supervisor.java import find_java
from worker.supervisor.leases import LeaseTables, list_shards
from worker.supervisor.orphans import adopt_orphans
from worker.supervisor.properties import properties, render, report_millis
from worker.supervisor.server import Server
from worker.supervisor.supervise import Supervisor
from worker.supervisor.watch import Rounds, lease_patience_seconds, silence_seconds
from worker.watermark.publisher import Publisher
from worker.watermark.telling import keep_telling

ROUND_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Parts:
    """What a test replaces: the children's module, the mapping check and the list of parked tables."""

    child_module: str
    mapping_problems: Callable[[Settings], list[str]]
    parked_tables: Callable[[Settings], list[str]]
    first_start: Callable[[Settings, Log], None]
    publisher: Callable[[Settings, Log], Publisher] | None = None


def run(environ: Mapping[str, str], parts: Parts | None = None) -> int:
    """Supervise until SIGTERM or SIGINT and return the exit code: 0 after a stop, 1 if it could not start.

    Everything that keeps it from starting is logged, one line each, before anything is started.
    """
    log = Log()
    try:
        settings = parse(environ)
        log = Log(settings.log_level)
        capture_libraries(log)
        supervise(settings, environ, parts or _parts(), log)
    except SettingsError as error:
        for line in error.problems:
            log.error(Event.START_REFUSED, message=line)
        return 1
    except FatalError as error:
        log.error(Event.START_REFUSED, message=str(error))
        return 1
    except Exception as error:  # noqa: BLE001 - the daemon dies with this process; say why
        log.error(Event.SUPERVISOR_FAILED, **describe(error))
        return 1
    return 0


def _parts() -> Parts:
    from worker.parked.parking import parked_tables
    from worker.rebuild.first_start import note_first_start
    from worker.watermark.telling import make_publisher

    return Parts("worker.child", mapping_problems, parked_tables, note_first_start, make_publisher)


def supervise(settings: Settings, environ: Mapping[str, str], parts: Parts, log: Log) -> None:
    """Check, serve, supervise; return after a requested stop. Raises FatalError before anything was started."""
    java = find_java(settings.java, environ)
    aws = clients(settings)
    _check(settings, aws, parts)
    parts.first_start(settings, log)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    adopt_orphans()
    folder = RunFolder.create()
    health = Health(log)
    children = ChildMetrics(folder.metrics)
    publisher = parts.publisher(settings, log) if parts.publisher else None
    collector = WorkerCollector(children, health, complete=publisher.complete_seconds if publisher else None)
    try:
        server = Server(settings.http_host, settings.http_port, collector.text, health.report)
        server.start()
        log.info(Event.SERVING, address=server.url)
        log.info(Event.SUPERVISOR_STARTED, version=version("nearview"), pid=os.getpid(), path=str(folder.root))
        tables = LeaseTables(aws.dynamodb, settings.application)
        _seed(tables, aws, settings, log)
        name = settings.worker_name or socket.gethostname()
        daemons = _Daemons(settings, environ, java, folder, parts.child_module, log)
        supervisor = Supervisor(
            name,
            daemons.start,
            tables,
            folder,
            children,
            health,
            HangWatch(settings.hang_seconds),
            settings.shutdown_grace_seconds,
            log,
            stop,
        )
        rounds = Rounds(
            tables,
            lambda: parts.parked_tables(settings),
            collector.stalled_shards,
            lambda: supervisor.worker_id,
            health,
            log,
            time.monotonic,
            lease_patience_seconds(settings.failover_millis),
            silence_seconds(report_millis(settings)),
        )
        threading.Thread(target=_go_rounds, args=(rounds, stop), daemon=True).start()
        if publisher:
            telling = (publisher, settings.complete_millis, stop, log)
            threading.Thread(target=keep_telling, args=telling, daemon=True).start()
        supervisor.run()
        server.stop()
        log.info(Event.SUPERVISOR_STOPPED)
    finally:
        shutil.rmtree(folder.root, ignore_errors=True)


def _check(settings: Settings, aws: Clients, parts: Parts) -> None:
    problems = [fault] if (fault := jars.problem(jars.jar_folder())) else []
    problems += parts.mapping_problems(settings)
    problems += missing_resources(aws, settings)
    problems += [] if problems else unusable_key(settings)
    if problems:
        raise SettingsError(problems)


def _seed(tables: LeaseTables, aws: Clients, settings: Settings, log: Log) -> None:
    position = settings.initial_position
    try:
        count = tables.seed(lambda: list_shards(aws.kinesis, settings.stream, position), position)
    except AwsError as error:
        log.warning(Event.LEASE_TABLE_FAILED, reason=reason(error))  # KCL does it itself, only slower
        return
    if count:
        log.info(Event.LEASES_SEEDED, leases=count)


def _go_rounds(rounds: Rounds, stop: threading.Event) -> None:
    while not stop.is_set():
        rounds.go()
        stop.wait(ROUND_SECONDS)


class _Daemons:
    """Starts daemons of one worker; each has a worker id and a properties file of its own."""

    def __init__(
        self, settings: Settings, environ: Mapping[str, str], java: Path, folder: RunFolder, child: str, log: Log
    ) -> None:
        self._settings = settings
        self._java = java
        self._folder = folder
        self._log = log
        interpreter = Path(sys.executable)
        # KCL splits this at blanks and knows no quotes, so the interpreter's folder goes through PATH
        self._child = f"{interpreter.name} -u -m {child}"
        self._environ = {
            **environ,
            "PATH": f"{interpreter.parent}{os.pathsep}{environ.get('PATH', os.defpath)}",
            "PROMETHEUS_MULTIPROC_DIR": str(folder.metrics),
            "NEARVIEW_RUN_FOLDER": str(folder.root),
            "KCL_LOG_LEVEL": "INFO" if settings.log_level == "debug" else "WARN",
        }

    def start(self, worker_id: str) -> Daemon:
        file = self._folder.root / "daemon.properties"
        file.write_text(render(properties(self._settings, worker_id, self._child)), encoding="latin-1")
        jar_folder = jars.jar_folder()
        assert jar_folder  # noqa: S101 - checked before
        arguments = command(self._java, self._settings.java_options, jar_folder, file)
        return Daemon(arguments, self._environ, self._log)
