"""A private PostgreSQL server for the local stack and the tests, from the binaries that a wheel ships.

It listens on 127.0.0.1 only, asks for a password made when its data folder is made, keeps a logical log
(wal_level=logical) for change capture, and survives being killed: the next start clears up and recovers.
"""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import psycopg2
from psycopg2 import sql

from local.postgres_files import Files, PostgresError, current_account
from local.processes import wait_until

__all__ = ["Postgres", "PostgresError"]

USER = "nearview"
HOST = "127.0.0.1"
_SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",  # the name of a socket may be too long, and nobody needs one
    "wal_level": "logical",
    "max_wal_senders": "20",
    "max_replication_slots": "20",
    "max_connections": "100",
    "shared_buffers": "64MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # values of columns stay out of the log: errors without their detail, no text of failed statements
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
}
# synchronous_commit stays on: change capture sees a commit only once it has been written
_NOT_DURABLE = {"fsync": "off", "full_page_writes": "off"}


class Postgres:
    """One server: its folder, its port, its life. Any method may be called in another process than start()."""

    def __init__(self, folder: Path, port: int, *, log: Path | None = None, durable: bool = True) -> None:
        """`durable=False` gives up safety against a crash of the machine, for servers that tests throw away."""
        self._files = Files(folder, current_account())
        self._asked_port = port
        self._log = log or self._files.folder / "postgres.log"
        self._durable = durable
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def port(self) -> int:
        """The port of the running server; of a stopped one, the port it will get."""
        lines = self._pid_file_lines()
        return int(lines[3]) if len(lines) > 3 and self._postmaster() else self._asked_port

    @property
    def pid(self) -> int | None:
        """The process id of the running server, None when it does not run."""
        postmaster = self._postmaster()
        return postmaster.pid if postmaster else None

    def start(self, timeout_seconds: float = 60.0) -> None:
        """Return when the server answers. A server found running is kept, on the port it has.

        Leftovers of a crash (a stale pid file, orphaned back ends) are cleared. Raises PostgresError.
        """
        self._files.prepare()
        if self._is_kept(timeout_seconds):
            return
        self._clear_up_after_a_crash()
        if not self._files.data.exists():
            self._files.make_data(USER, durable=self._durable)
        self._run()
        self._wait_until_ready(timeout_seconds)

    def stop(self, grace_seconds: float = 15.0) -> None:
        """Return when none of the server's processes is left. Sessions are ended, committed work is kept.

        A stopping server waits for a subscriber of its log that may have died; after the grace period it is
        stopped at once and recovers at its next start.
        """
        processes = self._processes()
        postmaster = self._postmaster()
        if postmaster is not None:
            _send(postmaster, signal.SIGINT)
        for kind in (signal.SIGQUIT, signal.SIGKILL):
            _, processes = psutil.wait_procs(processes, timeout=grace_seconds if postmaster else 0.0)
            for process in processes:
                _send(process, kind)
            grace_seconds = min(grace_seconds, 5.0)
        _, left = psutil.wait_procs(processes, timeout=5.0)
        if self._process is not None:
            self._process.wait()
            self._process = None
        if left:
            raise PostgresError(f"PostgreSQL processes {[p.pid for p in left]} cannot be stopped; look at {self._log}")

    def destroy(self) -> None:
        """Stop the server and delete its data, wherever they are kept."""
        self.stop(grace_seconds=1.0)
        self._files.remove()

    def url(self, database: str = "postgres") -> str:
        """A libpq URL with the superuser's password: do not log it."""
        return f"postgresql://{USER}:{self._files.password()}@{HOST}:{self.port}/{database}"

    def create_database(self, name: str, *, template: str | None = None) -> None:
        """Create a database, as a copy of `template` if one is given; one that exists is left as it is."""
        statement = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
        if template is not None:
            statement += sql.SQL(" TEMPLATE {}").format(sql.Identifier(template))
        with self._administration() as cursor:
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,))
            if cursor.fetchone() is None:
                cursor.execute(statement)

    def drop_database(self, name: str) -> None:
        """Drop a database with its replication slots and sessions; one that does not exist is no error."""
        with self._administration() as cursor:
            wait_until(lambda: _drop_slots(cursor, name), 10.0, f"the slots of {name} are dropped")
            cursor.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    @contextmanager
    def _administration(self) -> Iterator[Any]:
        connection = psycopg2.connect(self.url())
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                yield cursor
        finally:
            connection.close()

    # -- the processes --

    def _run(self) -> None:
        command: list[str | Path] = [self._files.programs() / "bin/postgres", "-D", self._files.data]
        settings = _SETTINGS | ({} if self._durable else _NOT_DURABLE)
        settings |= {"port": str(self._asked_port), "cluster_name": self._name}
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        self._log.parent.mkdir(parents=True, exist_ok=True)
        if self._process is not None:
            self._process.wait()  # an earlier run of the server, killed meanwhile
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **self._files.account.popen_arguments(),
            )

    def _pid_file_lines(self) -> list[str]:
        try:
            return (self._files.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return []
        except PermissionError:
            raise PostgresError(
                f"{self._files.data} belongs to another user: go on as that user, or remove {self._files.folder}"
            ) from None

    def _postmaster(self) -> psutil.Process | None:
        """The server's first process; None when it is gone, even if its process id has a new owner."""
        lines = self._pid_file_lines()
        if not lines or not psutil.pid_exists(int(lines[0])):
            return None
        return next(iter(self._ours([int(lines[0])])), None)

    def _processes(self) -> list[psutil.Process]:
        """Every process of this server, orphans included."""
        return self._ours(psutil.pids())

    def _ours(self, pids: Iterable[int]) -> list[psutil.Process]:
        """Those that show the cluster's name: PostgreSQL puts it into the title of each of its processes."""
        found = []
        for pid in pids:
            try:
                process = psutil.Process(pid)
                if process.name().startswith("postgres") and self._name in " ".join(process.cmdline()):
                    found.append(process)
            except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
                continue  # gone meanwhile, or another user's: not ours in either case
        return found

    @property
    def _name(self) -> str:
        return f"nearview-{hashlib.sha256(os.fsencode(self._files.data)).hexdigest()[:16]}"

    def _clear_up_after_a_crash(self) -> None:
        """Without the first process the others end by themselves, but busy ones block a start for a while."""
        orphans = self._processes()
        for process in orphans:
            _send(process, signal.SIGKILL)
        psutil.wait_procs(orphans, timeout=5.0)
        # PostgreSQL refuses to start when the process id in a stale file has been given to another program.
        (self._files.data / "postmaster.pid").unlink(missing_ok=True)

    def _is_kept(self, timeout_seconds: float) -> bool:
        """Whether a server was found and answers; one that is just starting or dying gets the time to do so."""
        found = self._postmaster()
        if found is None:
            return False
        return (
            wait_until(
                lambda: "answers" if self._answers() else "" if _is_alive(found) else "dead",
                timeout_seconds,
                f"PostgreSQL answers or ends (log {self._log})",
            )
            == "answers"
        )

    def _wait_until_ready(self, timeout_seconds: float) -> None:
        wait_until(
            lambda: self._has_ended() or self._answers(), timeout_seconds, f"PostgreSQL answers (log {self._log})"
        )
        if self._has_ended():
            self._process = None
            raise PostgresError(
                f"PostgreSQL does not start: {self._last_words()} (port {self._asked_port}, log {self._log})"
            )

    def _has_ended(self) -> bool:
        return self._process is not None and self._process.poll() is not None

    def _answers(self) -> bool:
        lines = self._pid_file_lines()
        if len(lines) < 8 or lines[7].strip() != "ready":
            return False
        try:
            psycopg2.connect(self.url()).close()
        except psycopg2.OperationalError as error:
            if "password authentication failed" in str(error):
                raise PostgresError(
                    f"{self._files.password_file} does not fit the data in {self._files.data}; "
                    f"stop the server and remove {self._files.folder} to begin anew"
                ) from None
            return False
        return True

    def _last_words(self) -> str:
        lines = [line for line in self._log.read_text(errors="replace").splitlines() if "FATAL:" in line]
        return lines[-1].split("FATAL:", 1)[1].strip() if lines else "it said nothing"


def _drop_slots(cursor: Any, database: str) -> bool:
    """Drop what nobody uses any more, end whoever uses the rest; True when no slot is left."""
    cursor.execute("SELECT slot_name, active_pid FROM pg_replication_slots WHERE database = %s", (database,))
    slots = cursor.fetchall()
    for name, pid in slots:
        if pid is None:
            cursor.execute("SELECT pg_drop_replication_slot(%s)", (name,))
        else:
            cursor.execute("SELECT pg_terminate_backend(%s)", (pid,))
    return all(pid is None for _, pid in slots)


def _is_alive(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def _send(process: psutil.Process, kind: signal.Signals) -> None:
    try:
        process.send_signal(kind)
    except psutil.NoSuchProcess:
        return  # it ended by itself in the meantime
