"""The source database of a local stack: filled by a SQL script or the demo's seed, and checked against the mappings."""

from __future__ import annotations

import gzip
import zlib
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import psycopg2
from psycopg2 import extensions

from contract.mapping import Mapping
from local.monolith.seed import create_schema, insert_seed
from local.running import Options, StackError
from local.sql_script import ScriptError, Statement, split
from worker.verify.errors import VerifyError
from worker.verify.problems import problems
from worker.verify.source import open_source

_FLUSH: Final = "RESET synchronous_commit; SELECT pg_logical_emit_message(true, 'nearview', '')"
"""A commit that waits for the disk, and with it for all before it; the message itself is in no publication."""


def fill(url: str, options: Options) -> str:
    """Fill an empty database with the user's script or the demo's shop; returns a line that says so.

    Raises StackError naming a line of the script.
    """
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = options.schema is not None
        with connection.cursor() as cursor:
            if options.schema is not None:
                run_sql(cursor, options.schema)
                return f"{options.schema} executed"
            create_schema(cursor)
            counts = insert_seed(cursor, seed=options.seed, orders=options.orders)
            connection.commit()
            return f"the shop's tables filled: {sum(counts.values()):,} rows in {len(counts)} tables"


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


def check_mapping(mapping: Mapping, url: str) -> None:
    """A misspelt table or column is said now; later it would look like a DMS that leaves columns out."""
    try:
        with open_source(url) as source:
            found = problems(mapping, source.catalog(mapping.tables), source.tables())
    except VerifyError as error:
        raise StackError(str(error)) from None
    if found:
        raise StackError("\n".join(found))
