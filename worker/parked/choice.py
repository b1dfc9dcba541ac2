"""Which parked things a command is about: filters by what they say of themselves."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import click

from worker.parked.commands import ParkedDocument, entry_id
from worker.parked.items import ParkedItem
from worker.records.errors import Reason

KINDS: Final = ("record", "document", "unknown", "table")

_AGE: Final = re.compile(r"([0-9]{1,9})([smhd])")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Choice:
    """Every filter that is given must hold. Table, shard and reason are of records, the aggregate of documents."""

    table: str | None = None
    reason: str | None = None
    shard: str | None = None
    aggregate: str | None = None
    kind: str | None = None
    ids: tuple[str, ...] = ()
    older_seconds: int | None = None
    newer_seconds: int | None = None

    @property
    def is_empty(self) -> bool:
        """Whether it takes everything."""
        return self == Choice()

    def takes(self, item: ParkedItem, now: datetime.datetime) -> bool:
        """Whether an entry of the parking table is meant."""
        return (
            self.aggregate is None
            and self.table in (None, item.table)
            and self.reason in (None, item.reason)
            and self.shard in (None, item.shard)
            and self.kind in (None, item.kind)
            and (not self.ids or entry_id(item) in self.ids)
            and self._is_of_age(item.parked_at, now)
        )

    def takes_document(self, document: ParkedDocument, now: datetime.datetime) -> bool:
        """Whether a parked document is meant; its age counts from the commit that it has reached."""
        return (
            (self.table, self.reason, self.shard) == (None, None, None)
            and self.aggregate in (None, document.aggregate)
            and self.kind in (None, "document")
            and (not self.ids or document.id in self.ids or document.pk in self.ids)
            and self._is_of_age(document.as_of, now)
        )

    def _is_of_age(self, since: str, now: datetime.datetime) -> bool:
        if self.older_seconds is None and self.newer_seconds is None:
            return True
        seconds = (now - datetime.datetime.fromisoformat(since)).total_seconds()
        return (self.older_seconds is None or seconds > self.older_seconds) and (
            self.newer_seconds is None or seconds <= self.newer_seconds
        )


class Duration(click.ParamType[int]):
    """`90s`, `15m`, `2h` or `7d`, as seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Raises click's own error for anything else."""
        match = _AGE.fullmatch(str(value))
        if match is None:
            self.fail(f"{value!r} is no duration like 90s, 15m, 2h or 7d", param, ctx)
        return int(match.group(1)) * _SECONDS[match.group(2)]


def choice_options(command: Command) -> Command:
    """The options that make a Choice: see `chosen`."""
    for option in reversed(
        (
            click.option("--table", metavar="SCHEMA.TABLE", help="Only records of this table."),
            click.option(
                "--reason", type=click.Choice([reason.value for reason in Reason]), help="Only with this reason."
            ),
            click.option("--shard", metavar="SHARD", help="Only records of this shard."),
            click.option("--aggregate", metavar="NAME", help="Only documents of this aggregate."),
            click.option("--kind", type=click.Choice(KINDS), help="Only of this kind."),
            click.option(
                "--id", "ids", multiple=True, metavar="ID", help="Only this entry; may be given several times."
            ),
            click.option(
                "--older", type=Duration(), metavar="AGE", help="Only parked longer ago, as 90s, 15m, 2h, 7d."
            ),
            click.option("--newer", type=Duration(), metavar="AGE", help="Only parked since, as 90s, 15m, 2h, 7d."),
        )
    ):
        command = option(command)
    return command


def chosen(options: dict[str, Any]) -> Choice:
    """The choice in a command's options, which are taken out of them."""
    taken = {name: options.pop(name) for name in ("table", "reason", "shard", "aggregate", "kind", "ids")}
    return Choice(**taken, older_seconds=options.pop("older"), newer_seconds=options.pop("newer"))
