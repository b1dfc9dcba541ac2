"""What each shard's worker says of its progress, as stored in the rows table.

Items (pk `~progress`): under the shard's id its mark, and under `<shard>#tables` what it has seen of loads. Both only
rise, whoever writes them: what a worker that has lost its shard says of records that it made durable stays true.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from contract.values import Item
from worker.projection.operations import (
    APPLIED,
    Condition,
    Get,
    Insert,
    Operation,
    Query,
    Replace,
    Steps,
    TableName,
    number,
    text,
)
from worker.records.mark import NOTHING, Mark, parse_mark

PROGRESS_PK: Final = "~progress"
TABLES_SUFFIX: Final = "#tables"
_CONDITION: Final = "state"

RELOAD_PAUSE_MICROS: Final = 60_000_000
"""A table that is loaded again while changes flow sends some row in such a time."""


class HotRow(NamedTuple):
    """A row that changes often: how many of the sampled changes were its."""

    table: str
    key: str
    changes: int


@dataclass(frozen=True, slots=True)
class Progress:
    """Up to where a shard is durable. Times are epoch microseconds, but for those that say otherwise.

    `built_micros`: DMS built all records before that time that are of this shard before the last durable one.
    `heartbeat_micros`: commit time of the last heartbeat that came by this shard. `hot`: of `sampled` changes.
    """

    mark: Mark = NOTHING
    built_micros: int = 0
    heartbeat_micros: int = 0
    arrived_millis: int = 0
    written_millis: int = 0
    sampled: int = 0
    hot: tuple[HotRow, ...] = ()

    def later(self, other: Progress) -> Progress:
        """What holds if both do; what is only told is the newer one's."""
        newer = self if self.written_millis >= other.written_millis else other
        return Progress(
            self.mark.later(other.mark),
            max(self.built_micros, other.built_micros),
            max(self.heartbeat_micros, other.heartbeat_micros),
            max(self.arrived_millis, other.arrived_millis),
            newer.written_millis,
            newer.sampled,
            newer.hot,
        )

    def text(self) -> str:
        """For `parse_progress`."""
        return json.dumps([self.mark.text(), *(getattr(self, name) for name in _NUMBERS), self.hot])


_NUMBERS: Final = ("built_micros", "heartbeat_micros", "arrived_millis", "written_millis", "sampled")


def parse_progress(state: str) -> Progress:
    """What `Progress.text` made."""
    mark, *numbers, hot = json.loads(state)
    named: dict[str, int] = dict(zip(_NUMBERS, numbers, strict=True))
    return Progress(parse_mark(mark), **named, hot=tuple(HotRow(*row) for row in hot))


@dataclass(frozen=True, slots=True)
class TableNotes:
    """What a shard has shown about the loads of tables, in times at which DMS built records.

    `first`: the first record. `loads`: no row of that table's load was built later, as far as this shard has it.
    `ends`: then the table's load was over and its changes came in their turn. Of DMS's status table: `full_load`, when
    a load of all tables was going on; `all_ended`, when changes flowed first after that; `running`, when they flowed
    later, as they also do while a single table is loaded again.
    """

    first: int = 0
    full_load: int = 0
    all_ended: int = 0
    running: int = 0
    loads: Mapping[str, int] = field(default_factory=dict, hash=False)
    ends: Mapping[str, int] = field(default_factory=dict, hash=False)

    def later(self, other: TableNotes) -> TableNotes:
        """What both have shown."""
        return TableNotes(
            min(self.first, other.first) or max(self.first, other.first),
            max(self.full_load, other.full_load),
            max(self.all_ended, other.all_ended),
            max(self.running, other.running),
            _newest(self.loads, other.loads),
            _newest(self.ends, other.ends),
        )

    def is_settled(self, table: str) -> bool:
        """Whether the last load of the table that was seen here is over."""
        ended = self.all_ended if self.full_load else 0
        return max(self.ends.get(table, 0), ended, self.running - RELOAD_PAUSE_MICROS) > self.loads.get(table, 0)

    def text(self) -> str:
        """For `parse_tables`."""
        numbers = (self.first, self.full_load, self.all_ended, self.running)
        return json.dumps([*numbers, self.loads, self.ends], sort_keys=True)


def parse_tables(state: str) -> TableNotes:
    """What `TableNotes.text` made."""
    return TableNotes(*json.loads(state))


def _newest(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {table: max(one.get(table, 0), other.get(table, 0)) for table in {**one, **other}}


@dataclass(frozen=True, slots=True)
class Shard:
    """Both of a shard."""

    progress: Progress = field(default_factory=Progress)
    tables: TableNotes = field(default_factory=TableNotes)


def read_shards(shards: Sequence[str]) -> Steps[dict[str, Shard]]:
    """What is stored of these shards; nothing at all of those whose worker has not said anything yet."""
    gets: list[Operation] = [
        Get(TableName.ROWS, PROGRESS_PK, sk) for shard in shards for sk in (shard, shard + TABLES_SUFFIX)
    ]
    items = (yield gets) if gets else []
    found: dict[str, Shard] = {}
    for shard, progress, tables in zip(shards, items[::2], items[1::2], strict=True):
        if progress is not None or tables is not None:
            found[shard] = Shard(
                parse_progress(progress[_CONDITION]["S"]) if progress is not None else Progress(),
                parse_tables(tables[_CONDITION]["S"]) if tables is not None else TableNotes(),
            )
    return found


def known_shards() -> Steps[list[str]]:
    """Every shard whose worker has ever said anything."""
    (listed,) = yield [Query(TableName.ROWS, PROGRESS_PK, "")]
    return list(dict.fromkeys(sk.removesuffix(TABLES_SUFFIX) for sk in listed if not sk.startswith("#")))


def save_tables(shard: str, ours: TableNotes, known: TableNotes | None) -> Steps[TableNotes]:
    """Store what a shard has shown of loads; `known`: what is stored, None for nothing. Returns what is stored then.

    It must be durable before a mark that lies behind it.
    """
    sk = shard + TABLES_SUFFIX
    while True:
        stored = yield from _save(sk, ours.text(), None if known is None else known.text())
        if stored is None:
            return ours
        known = parse_tables(stored)
        ours = ours.later(known)


def save_progress(shard: str, ours: Progress, known: Progress | None) -> Steps[Progress]:
    """The same of the shard's progress. Everything up to the mark must be durable, or due."""
    while True:
        stored = yield from _save(shard, ours.text(), None if known is None else known.text())
        if stored is None:
            return ours
        known = parse_progress(stored)
        ours = ours.later(known)


def _save(sk: str, ours: str, known: str | None) -> Steps[str | None]:
    """Store over what is known to be stored; what is stored instead, None if nothing is in the way."""
    item: Item = {"pk": text(PROGRESS_PK), "sk": text(sk), _CONDITION: text(ours)}
    while True:
        if known is None:
            (reply,) = yield [Insert(TableName.ROWS, PROGRESS_PK, sk, item)]
        else:
            unchanged = (Condition(_CONDITION, "=", text(known)),)
            (reply,) = yield [Replace(TableName.ROWS, PROGRESS_PK, sk, item, unchanged)]
        if reply == APPLIED:
            return None
        (found,) = yield [Get(TableName.ROWS, PROGRESS_PK, sk)]
        if found is not None:
            stored: str = found[_CONDITION]["S"]
            return None if stored == ours else stored
        known = None


TURN_SK: Final = "#turn"
CLOCKS_APART_MILLIS: Final = 5_000


def take_turn(now_millis: int, period_millis: int) -> Steps[bool]:
    """Whether this worker is the one that looks at all shards now; the others need not.

    A time in the future is that of a clock that runs ahead: nobody waits for it for ever.
    """
    (item,) = yield [Get(TableName.ROWS, PROGRESS_PK, TURN_SK)]
    taken: Item = {"pk": text(PROGRESS_PK), "sk": text(TURN_SK), "at": number(now_millis)}
    if item is None:
        (reply,) = yield [Insert(TableName.ROWS, PROGRESS_PK, TURN_SK, taken)]
        return bool(reply == APPLIED)
    last = int(item["at"]["N"])
    if -CLOCKS_APART_MILLIS <= now_millis - last < period_millis:
        return False
    unchanged = (Condition("at", "=", item["at"]),)
    (reply,) = yield [Replace(TableName.ROWS, PROGRESS_PK, TURN_SK, taken, unchanged)]
    return bool(reply == APPLIED)
