"""python -m local.monolith: make the shop, serve it, or keep it busy."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import click
import psycopg2

from local.monolith.execution import Behaviour, Offer
from local.monolith.seed import create_schema, insert_seed
from local.monolith.service import serve
from local.monolith.workload import run_workload


@contextmanager
def _database_needed() -> Iterator[None]:
    """A database that cannot be reached is one line, not a traceback."""
    try:
        yield
    except psycopg2.OperationalError as error:
        raise click.ClickException(f"the database does not work: {str(error).splitlines()[0]}") from None


database_url = click.option("--database-url", required=True, help="libpq URL of the shop's database")


@click.group(help=__doc__)
def main() -> None:
    pass


@main.command()
@database_url
@click.option("--orders", default=2_000, show_default=True, type=click.IntRange(min=1))
@click.option("--seed", default=1, show_default=True)
def init(database_url: str, orders: int, seed: int) -> None:
    """Create the schema in an empty database and fill it; print the rows of each table."""
    try:
        with (
            _database_needed(),
            closing(psycopg2.connect(database_url)) as connection,
            connection,
            connection.cursor() as cursor,
        ):
            create_schema(cursor)
            counts = insert_seed(cursor, seed=seed, orders=orders)
    except psycopg2.errors.DuplicateSchema:
        raise click.ClickException("the database has a schema shop or ops already; use an empty database") from None
    click.echo(json.dumps(counts))


@main.command("serve")
@database_url
@click.option("--port", required=True, type=click.IntRange(1, 65_535))
@click.option(
    "--idempotency",
    default=Offer.HEADER.value,
    show_default=True,
    type=click.Choice([offer.value for offer in Offer]),
    help="what is offered against a second execution",
)
@click.option("--seconds", default=0.0, type=click.FloatRange(0, 10), help="each command takes so much longer")
@click.option("--accepts", is_flag=True, help="answer 202 at once and execute afterwards")
def serve_command(database_url: str, port: int, idempotency: str, seconds: float, accepts: bool) -> None:
    """Serve the HTTP service on 127.0.0.1 until SIGTERM."""
    try:
        serve(database_url, port, Behaviour(Offer(idempotency), seconds, accepts))
    except OSError as error:
        raise click.ClickException(f"cannot listen on 127.0.0.1:{port}: {error.strerror}") from None


@main.command()
@database_url
@click.option("--transactions", type=click.IntRange(min=1), help="stop after so many; without it, at SIGTERM")
@click.option("--rate", type=click.FloatRange(min=0, min_open=True), help="transactions per second; without it, all")
@click.option("--seed", default=1, show_default=True)
@click.option("--writers", default=2, show_default=True, type=click.IntRange(1, 64))
def workload(database_url: str, transactions: int | None, rate: float | None, seed: int, writers: int) -> None:
    """Run a mixed workload until enough is done or SIGTERM; print what it did as one JSON line."""
    stop = threading.Event()
    for kind in (signal.SIGTERM, signal.SIGINT):
        signal.signal(kind, lambda *_: stop.set())
    with _database_needed():
        counts = run_workload(database_url, transactions=transactions, rate=rate, seed=seed, writers=writers, stop=stop)
    click.echo(json.dumps(counts.to_json()))


if __name__ == "__main__":
    main()
