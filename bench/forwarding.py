"""`python -m bench forwarding`: what a command costs that another region sends on, at several distances.

Two regions on this machine, joined by lines that are as long as they are told. The same command, with a new key each
time, goes to the primary and to the other region in turn; what the second takes more is what forwarding costs. No TLS,
which takes a round trip more.
"""

from __future__ import annotations

import datetime
import json
import tempfile
import time
import urllib.request
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console
from rich.table import Table

from bench.machine import machine
from bench.measured import quantile
from local.drill_clients import Seen, ask
from local.drill_orders import order_body
from local.line import LineState
from local.processes import ProcessError
from local.regions import lines_of
from local.running import Options, Running, StackError
from local.stack import Stack
from local.waiting import wait_settled

REGIONS: Final = ("eu-west-1", "us-east-1")
ROUND_TRIPS: Final = (0, 20, 80, 200)
WARM: Final = 3
COMMANDS: Final = 30
ORDERS: Final = 60
SETTLE_SECONDS: Final = 300
ANSWER_SECONDS: Final = 12
RESULT: Final = Path(__file__).parent / "results" / "forwarding.json"

Send = Callable[[], float]


@click.command("forwarding")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of the table.")
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), default=RESULT, help="Where to write it.")
def forwarding(as_json: bool, output: Path) -> None:
    """Milliseconds that a command takes in the primary and through another region, at several distances."""
    described = machine()
    with tempfile.TemporaryDirectory(prefix="nearview-forwarding-") as folder:
        stack = Stack(Path(folder), lambda said: click.echo(said, err=True))
        try:
            first = stack.up(Options(regions=REGIONS, orders=ORDERS))
            wait_settled(stack, first, SETTLE_SECONDS)
            rows = _measured(stack, first)
        except (StackError, ProcessError) as error:
            raise click.ClickException(str(error)) from None
        finally:
            stack.down()
    result = {
        "schema": 1,
        "made_at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "machine": described,
        "commands": COMMANDS,
        "unit": "milliseconds",
        "distances": rows,
    }
    output.write_text(json.dumps(result, indent=2) + "\n", "utf-8")
    if as_json:
        click.echo(json.dumps(result, indent=2))
        return
    table = Table("round trip", "in the primary, p50", "sent on, p50", "p95", "added, p50", "in round trips")
    for row in rows:
        times = str(row["added_round_trips"] or "")
        table.add_row(*(str(row[name]) for name in ("round_trip", "primary", "sent_on", "sent_on_p95", "added")), times)
    Console().print(table)


def _measured(stack: Stack, first: Running) -> list[dict[str, Any]]:
    second = stack.second(REGIONS[1]).running()
    if second is None:
        raise StackError("the second region does not run")
    body = order_body(first.source_url)
    lines = lines_of(stack.folder)
    # not over the first region's own line: whoever is near it has no distance to go
    near = _sender(first.api_direct_url or "", body, first.region)
    far = _sender(second.api_direct_url or "", body, first.region)
    rows = []
    for round_trip in ROUND_TRIPS:
        lines.set(LineState((), {first.region: round_trip / 2}))
        time.sleep(1)
        for send in (near, far) * WARM:
            send()
        taken = [(near(), far()) for _ in range(COMMANDS)]
        here, there = [one for one, _ in taken], [other for _, other in taken]
        added = quantile(there, 0.5) - quantile(here, 0.5)
        rows.append(
            {
                "round_trip": round_trip,
                "primary": round(quantile(here, 0.5), 1),
                "sent_on": round(quantile(there, 0.5), 1),
                "sent_on_p95": round(quantile(there, 0.95), 1),
                "added": round(added, 1),
                "added_round_trips": round(added / round_trip, 1) if round_trip else None,
            }
        )
    return rows


def _sender(url: str, body: Callable[[str], dict[str, Any]], executes: str) -> Send:
    def send() -> float:
        key = f"bench-{uuid.uuid4().hex}"
        headers = {"Content-Type": "application/json", "Idempotency-Key": key}
        request = urllib.request.Request(f"{url}/commands/place-order", json.dumps(body(key)).encode(), headers)  # noqa: S310
        found = ask("bench", "", request, ANSWER_SECONDS)
        _must_be_executed(found, executes)
        return (found.ended - found.begun) * 1000

    return send


def _must_be_executed(found: Seen, region: str) -> None:
    if found.status != 201 or found.executed_in not in ("", region):
        raise StackError(f"a command was answered {found.status} {found.reason}, executed in {found.executed_in!r}")
