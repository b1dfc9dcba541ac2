"""SQL of the heartbeat table, engine by engine, and how many rows it needs. Pure."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Final

from worker.records.positions import Engine

TABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*\.[A-Za-z_][A-Za-z0-9_$]*")
_HASH_KEYS_BITS: Final = 128


@dataclass(frozen=True, slots=True)
class Statements:
    """`make` and `fill` are run once, `beat` every second; `schedule`: how the database itself can run it."""

    make: str
    fill: str
    beat: str
    schedule: str


def statements(engine: Engine, table: str, rows: int) -> Statements:
    """The SQL for a table `schema.table` with so many rows. All of them change in one transaction."""
    texts = _SQL[engine]
    return Statements(*(text.format(table=table, rows=rows) for text in texts))


def rows_needed(table: str, shards: int) -> int:
    """How many rows reach each of so many equal shards, and each of twice as many after a split of all.

    DMS takes a row's primary key for the partition key, with or without the table's name before it, as the endpoint
    says. Kinesis takes the MD5 of that.
    """
    return max(_reaching(form, 2 * shards) for form in ("{}", f"{table}.{{}}"))


def _reaching(form: str, shards: int) -> int:
    reached: set[int] = set()
    rows = 0
    while len(reached) < shards:
        rows += 1
        digest = hashlib.md5(form.format(rows).encode(), usedforsecurity=False).digest()
        reached.add(int.from_bytes(digest, "big") * shards >> _HASH_KEYS_BITS)
    return rows


_SQL: Final = {
    Engine.POSTGRESQL: (
        "CREATE TABLE {table} (id integer PRIMARY KEY, beat timestamptz NOT NULL)",
        "INSERT INTO {table} SELECT id, now() FROM generate_series(1, {rows}) AS id ON CONFLICT DO NOTHING",
        "UPDATE {table} SET beat = now()",
        "SELECT cron.schedule('nearview-heartbeat', '1 second', 'UPDATE {table} SET beat = now()')",
    ),
    Engine.MYSQL: (
        "CREATE TABLE {table} (id int PRIMARY KEY, beat datetime(6) NOT NULL)",
        (
            "INSERT IGNORE INTO {table} WITH RECURSIVE n (id) AS"
            " (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < {rows}) SELECT id, now(6) FROM n"
        ),
        "UPDATE {table} SET beat = now(6)",
        "CREATE EVENT nearview_heartbeat ON SCHEDULE EVERY 1 SECOND DO UPDATE {table} SET beat = now(6)",
    ),
    Engine.ORACLE: (
        "CREATE TABLE {table} (id number(9) PRIMARY KEY, beat timestamp NOT NULL)",
        "INSERT INTO {table} SELECT level, systimestamp FROM dual CONNECT BY level <= {rows}",
        "UPDATE {table} SET beat = systimestamp",
        (
            "BEGIN dbms_scheduler.create_job('nearview_heartbeat', job_type => 'PLSQL_BLOCK', job_action =>"
            " 'BEGIN UPDATE {table} SET beat = systimestamp; COMMIT; END;', repeat_interval => 'FREQ=SECONDLY',"
            " enabled => TRUE); END;"
        ),
    ),
    Engine.SQLSERVER: (
        "CREATE TABLE {table} (id int PRIMARY KEY, beat datetime2 NOT NULL)",
        (
            "WITH n (id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < {rows})"
            " INSERT INTO {table} SELECT id, sysutcdatetime() FROM n OPTION (MAXRECURSION 0)"
        ),
        "UPDATE {table} SET beat = sysutcdatetime()",
        (
            "-- a job of SQL Server Agent whose step loops: WHILE 1 = 1 BEGIN UPDATE {table} SET beat ="
            " sysutcdatetime(); WAITFOR DELAY '00:00:01' END"
        ),
    ),
}
