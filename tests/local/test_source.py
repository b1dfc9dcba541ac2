"""SQL scripts against a real PostgreSQL: their transactions are their own, their errors name a line."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from local.running import StackError
from local.source import run_sql

Run = Callable[[str], None]


@pytest.fixture
def cursor(new_database: Callable[..., str]) -> Iterator[Any]:
    """A cursor in autocommit on an empty database."""
    with closing(psycopg2.connect(new_database())) as connection:
        connection.autocommit = True
        with connection.cursor() as made:
            made.execute("CREATE TABLE t (a int)")
            yield made


@pytest.fixture
def run(cursor: Any, tmp_path: Path) -> Run:
    """Executes a script."""

    def execute(script: str) -> None:
        path = tmp_path / "x.sql"
        path.write_text(script, "utf-8")
        run_sql(cursor, path)

    return execute


def _rows(cursor: Any) -> list[int]:
    cursor.execute("SELECT a FROM t ORDER BY a")
    return [row[0] for row in cursor.fetchall()]


def test_a_statement_outside_a_transaction_survives_a_later_rollback(cursor: Any, run: Run) -> None:
    run("INSERT INTO t VALUES (1); BEGIN; INSERT INTO t VALUES (2); ROLLBACK; INSERT INTO t VALUES (3);")
    assert _rows(cursor) == [1, 3]


def test_begin_and_commit_make_one_transaction(cursor: Any, run: Run) -> None:
    run("BEGIN; INSERT INTO t VALUES (1); INSERT INTO t VALUES (2); COMMIT;")
    cursor.execute("SELECT count(DISTINCT xmin::text) FROM t")
    assert cursor.fetchone() == (1,)


def test_what_needs_to_stand_outside_transactions_can_be_executed(run: Run) -> None:
    run("VACUUM t; -- 100%\n")


def test_an_error_ends_the_script_and_names_the_line_of_its_statement(cursor: Any, run: Run) -> None:
    script = "INSERT INTO t VALUES (1);\n\n-- é\nINSERT INTO t\nVALUES (b);\nINSERT INTO t VALUES (3);"
    with pytest.raises(StackError, match=r'x\.sql:4: column "b" does not exist \(at line 5\)$'):
        run(script)
    assert _rows(cursor) == [1]


def test_what_psql_alone_can_do_is_refused_before_anything_is_executed(cursor: Any, run: Run) -> None:
    with pytest.raises(StackError, match=r"x\.sql:2: psql's own commands"):
        run("INSERT INTO t VALUES (1);\n\\c shop\n")
    assert _rows(cursor) == []


def test_a_transaction_without_an_end_is_an_error(cursor: Any, run: Run) -> None:
    with pytest.raises(StackError, match=r"x\.sql: ends inside a transaction, which was rolled back"):
        run("BEGIN; INSERT INTO t VALUES (1);")
    assert _rows(cursor) == []


def test_all_is_on_disk_at_the_end_and_the_session_is_as_before(cursor: Any, run: Run) -> None:
    run("INSERT INTO t SELECT generate_series(1, 1000);")
    cursor.execute(
        "SELECT pg_current_wal_flush_lsn() >= (SELECT pg_current_wal_lsn()), current_setting('synchronous_commit')"
    )
    assert cursor.fetchone() == (True, "on")


def test_a_packed_script_with_a_byte_order_mark_is_read(cursor: Any, tmp_path: Path) -> None:
    path = tmp_path / "x.sql.gz"
    path.write_bytes(gzip.compress("\ufeffINSERT INTO t VALUES (1)".encode()))
    run_sql(cursor, path)
    assert _rows(cursor) == [1]


@pytest.mark.parametrize(
    "content",
    [b"no gzip", gzip.compress(b"SELECT 1")[:-9], gzip.compress(b"\xff")],
    ids=["no gzip", "cut", "no UTF-8"],  # packed bytes hold the time: as names they would differ between processes
)
def test_a_file_that_cannot_be_read_gives_one_line(cursor: Any, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.sql.gz"
    path.write_bytes(content)
    with pytest.raises(StackError, match=r"x\.sql\.gz: cannot be read as a UTF-8 SQL script") as caught:
        run_sql(cursor, path)
    assert "\n" not in str(caught.value)
