"""What a replay says to people and programs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rich.console import Console

from worker.grid import grid
from worker.replay.backup import Backup, as_json
from worker.replay.estimate import Estimate, catch_up_seconds, shard_seconds, total
from worker.replay.plan import Change
from worker.replay.request import Request, instant, span
from worker.replay.run import Outlook
from worker.replay.status import Progress


def outlook_json(request: Request, outlook: Outlook, records_per_second: float) -> dict[str, Any]:
    """All that a dry run finds out."""
    changes = [_change_json(change, outlook, records_per_second) for change in outlook.plan.changes]
    lag = None if outlook.oldest_millis is None else (outlook.now_millis - outlook.oldest_millis) / 1000
    return {
        "asked": request.text(),
        "now": instant(outlook.now_millis),
        "shards": changes,
        "left": outlook.plan.left,
        "expired": list(outlook.plan.expired),
        "total": asdict(total(outlook.estimates.values())),
        "lag_seconds": lag,
        "records_per_second_assumed": records_per_second,
        "caught_up_seconds": catch_up_seconds(outlook.plan, outlook.estimates, records_per_second),
    }


def _change_json(change: Change, outlook: Outlook, records_per_second: float) -> dict[str, Any]:
    name = change.shard.name
    first, found = outlook.firsts.get(name), outlook.estimates.get(name, Estimate())
    return {
        "shard": name,
        "closed": change.shard.closed,
        "lease": "made" if change.before is None else "reset",
        "waits_for": list(change.parents),
        "before": asdict(change.before) if change.before else None,
        "start": asdict(change.position),
        "first_record": first.sequence if first else None,
        "first_arrival": instant(first.arrival_millis) if first else None,
        "records": asdict(found),
        "seconds": shard_seconds(found, records_per_second, change.shard.closed),
    }


def print_outlook(request: Request, outlook: Outlook, records_per_second: float, console: Console) -> None:
    """The dry run for people."""
    console.print(f"replay {request.text()}", highlight=False, soft_wrap=True)
    table = grid()
    for title in ("shard", "lease", "from the record of"):
        table.add_column(title, no_wrap=True)
    for title in ("records", "MB", "now /s"):
        table.add_column(title, justify="right", no_wrap=True)
    for change in outlook.plan.changes:
        found = outlook.estimates.get(change.shard.name, Estimate())
        first = outlook.firsts.get(change.shard.name)
        table.add_row(
            change.shard.name,
            "made" if change.before is None else "reset",
            instant(first.arrival_millis) if first else "it has no record",
            about(found.records, found.exact),
            f"{found.payload_bytes / 1e6:,.1f}",
            "closed" if change.shard.closed else f"{found.per_second:,.0f}",
        )
    if outlook.plan.changes:
        console.print(table)
    for shard, reason in sorted(outlook.plan.left.items()):
        console.print(f"{shard} stays as it is: {reason}", highlight=False, soft_wrap=True)
    for shard in outlook.plan.expired:
        console.print(f"{shard} has expired, its lease stays as it is", highlight=False, soft_wrap=True)
    _print_expectation(outlook, records_per_second, console)


def _print_expectation(outlook: Outlook, records_per_second: float, console: Console) -> None:
    found = total(outlook.estimates.values())
    known = "all of them counted" if found.exact else f"estimated from {found.read:,} that were read"
    console.print(
        f"{about(found.records, found.exact)} records, {found.payload_bytes / 1e6:,.1f} MB: {known}", highlight=False
    )
    if outlook.oldest_millis is not None:
        lag = span((outlook.now_millis - outlook.oldest_millis) / 1000)
        seconds = catch_up_seconds(outlook.plan, outlook.estimates, records_per_second)
        if seconds is None:
            then = "and it will not go back: more comes in than is read"
        else:
            then = f"and is back after about {span(seconds)}"
        console.print(
            f"documents stay as they are, but new changes wait: the lag goes up to {lag} {then}"
            f" at {records_per_second:,.0f} records/s a shard, which is assumed; until leases are given out again, some"
            " seconds pass, too",
            highlight=False,
            soft_wrap=True,
        )


def about(records: int, exact: bool) -> str:
    """A number that says whether it was counted."""
    return f"{records:,}" if exact else f"~{records:,}"


def progress_json(found: Progress) -> dict[str, Any]:
    """How far it has come."""
    shards = [
        {**asdict(shard), "at": instant(shard.at_millis) if shard.at_millis is not None else None}
        for shard in found.shards
    ]
    return {
        "done": found.done,
        "part": round(found.part, 4),
        "elapsed_seconds": round(found.elapsed_seconds, 1),
        "eta_seconds": None if found.eta_seconds is None else round(found.eta_seconds, 1),
        "shards": shards,
    }


def progress_line(found: Progress) -> str:
    """One line for people."""
    done = sum(shard.part >= 1 for shard in found.shards)
    eta = "" if found.done or found.eta_seconds is None else f", about {span(found.eta_seconds)} left"
    return (
        f"{found.part:.0%} after {span(found.elapsed_seconds)}{eta}; {done} of {len(found.shards)} shards are"
        " where they were"
    )


def print_progress(saved: Backup, found: Progress, console: Console) -> None:
    """Shard by shard for people."""
    console.print(f"replay {saved.asked}, begun {instant(saved.made_millis)}", highlight=False, soft_wrap=True)
    table = grid()
    for title in ("shard", "state", "done", "records", "at the record of"):
        table.add_column(title, no_wrap=True)
    exact = {lease.shard: lease.exact for lease in saved.leases}
    for shard in found.shards:
        table.add_row(
            shard.shard,
            shard.state,
            f"{shard.part:.0%}",
            about(shard.records, exact[shard.shard]),
            instant(shard.at_millis) if shard.at_millis is not None else "",
        )
    console.print(table)
    console.print(progress_line(found), highlight=False, soft_wrap=True)


def started_json(saved: Backup, path: str) -> dict[str, Any]:
    """What was changed; the backup stands in it as well, for those who keep a task's log but not its disk."""
    return {"backup": path, "saved": as_json(saved)}
