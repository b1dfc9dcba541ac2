"""A look at the installation as tables for a terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from worker.grid import grid
from worker.status.model import ShardStatus, Status, age

UNKNOWN = "?"


def render(status: Status) -> RenderableType:
    """All of it."""
    due = f"{status.due}{' or more' if status.due_at_least else ''}"
    parts: list[RenderableType] = [
        Text(f"{status.application}  stream {status.stream}  {status.at}"),
        Text(
            f"leader {status.leader or 'none'}, {len(status.shards)} shards read, {status.ended_shards} ended;"
            f" due {due}; parked documents {status.parked_documents}"
        ),
        Text(),
        _shards(status),
        Text(),
        _tables(status),
        Text(),
        _workers(status),
    ]
    if status.hot:
        parts += [Text(), _hot(status)]
    parts += [Text(), *(_problem(line) for line in status.problems or ())]
    if not status.problems:
        parts.append(Text("nothing needs attention", style="green"))
    return Group(*parts)


def _problem(line: str) -> Text:
    return Text(f"! {line}", style="bold red")


def _shards(status: Status) -> Table:
    names = ("shard", "owner", "records behind", "oldest", "newest commit", "checkpoint", "told", "heartbeat")
    table = _table(*names)
    for shard in status.shards:
        owner = shard.owner or "nobody"
        if shard.handing_over_from:
            owner = f"{shard.handing_over_from} -> {owner}"
        table.add_row(
            escape(_short(shard.shard)),
            escape(owner),
            _behind(shard),
            _age(shard.behind_seconds),
            _age(shard.commit_seconds),
            _age(shard.checkpoint_seconds),
            _age(shard.told_seconds),
            _age(shard.heartbeat_seconds) if status.heartbeat_table else "",
        )
    return table


def _short(shard: str) -> str:
    """The number in a shard's name, which is all that differs."""
    return shard.removeprefix("shardId-").lstrip("0") or "0"


def _behind(shard: ShardStatus) -> str:
    if shard.behind_records is None:
        return UNKNOWN
    return f"{'' if shard.behind_exact else 'about '}{shard.behind_records:,}"


def _tables(status: Status) -> Table:
    table = _table("table", "complete up to", "age", "parked records", "drift")
    for found in status.tables:
        up_to = "parked" if found.parked else found.complete_up_to or "not known yet"
        table.add_row(
            escape(found.table),
            up_to,
            _age(found.complete_seconds),
            str(found.parked_records or ""),
            str(found.drift or ""),
        )
    return table


def _workers(status: Status) -> Table:
    table = _table("worker", "shards", "reported", "health", "retries", "daemon restarts")
    for worker in status.workers:
        health = (
            UNKNOWN if worker.problems is None else f"{len(worker.problems)} problems" if worker.problems else "green"
        )
        counts = ("" if n is None else f"{n:,.0f}" for n in (worker.throttles, worker.restarts))
        table.add_row(escape(worker.worker), str(worker.shards), _age(worker.seconds), health, *counts)
    return table


def _hot(status: Status) -> Table:
    table = _table("hot row", "part of its shard's changes", "shard", "shown by")
    for row in status.hot:
        name = escape(f"{row.table} {row.key}")
        table.add_row(name, f"{row.part:.0%}", escape(_short(row.shard)), escape(", ".join(row.aggregates)))
    return table


def _age(seconds: float | None) -> str:
    return UNKNOWN if seconds is None else age(seconds)


def _table(*names: str) -> Table:
    table = grid()
    for name in names:
        table.add_column(name, overflow="fold")
    return table
