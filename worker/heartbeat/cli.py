"""`nearview heartbeat` on the command line."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from worker.heartbeat.statements import TABLE, rows_needed, statements
from worker.operator_cli import one_line_errors
from worker.records.positions import Engine


@click.group()
def heartbeat() -> None:
    """Keep it known up to when documents are complete, also while little is written."""


@heartbeat.command("sql")
@click.argument("table", metavar="SCHEMA.TABLE")
@click.option("--engine", type=click.Choice([engine.value for engine in Engine]), default=Engine.POSTGRESQL.value)
@click.option("--shards", type=click.IntRange(1, 10_000), default=4, show_default=True, help="Shards of the stream.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@one_line_errors("heartbeat")
def sql_command(table: str, engine: str, shards: int, as_json: bool) -> None:
    """Print the SQL of a heartbeat table: to make it, to fill it once, to write it every second.

    It has rows enough that each shard gets one, also after each has been split in two. Put it into a schema that the
    DMS task sends, and give its name to the workers as NEARVIEW_HEARTBEAT_TABLE.
    """
    if not TABLE.fullmatch(table):
        raise click.UsageError(f"{table!r} is not schema.table in letters, digits and underscores")
    rows = rows_needed(table, shards)
    found = statements(Engine(engine), table, rows)
    if as_json:
        click.echo(json.dumps({"table": table, "rows": rows, **asdict(found)}, indent=1))
        return
    click.echo(f"-- once: {rows} rows, which reach each of {shards} shards, and each half of them\n{found.make};")
    click.echo(f"{found.fill};\n-- every second\n{found.beat};\n-- or let the database do it\n{found.schedule};")
