"""From what all shards say to what is complete: decided by the shard that is furthest behind, and by what is due."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Final

from contract.keys import COMPLETE, DOCUMENT_SK, document_pk
from contract.values import Item
from worker.projection.due import LISTED, held_since, list_due
from worker.projection.operations import Condition, Get, Insert, Operation, Replace, Steps, TableName, number, text
from worker.records.incarnations import FIRST
from worker.records.mark import NOTHING, Mark, place
from worker.watermark.progress import RELOAD_PAUSE_MICROS, Shard, TableNotes, known_shards, read_shards

QUIET_MICROS: Final = 15 * 60 * 1_000_000
"""Where nothing says that the loads are over: so long without any row of a load, in all shards."""

ALL_HASH_KEYS: Final = 1 << 128


@dataclass(frozen=True, slots=True)
class Part:
    """A shard that is being read, or is to be: its id, and the hash keys that it has, None if that is not known."""

    shard: str
    hash_keys: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class Seen:
    """What was stored when somebody looked: first the shards' progress, then what is due (None: too much to list)."""

    shards: Mapping[str, Shard] = field(hash=False)
    due: Sequence[Mark] | None


def look(parts: Sequence[Part]) -> Steps[Seen]:
    """What decides. The parts must have been listed before, the parked tables be asked for afterwards.

    In this order nothing slips through: what a shard's mark covers was due, if it was, before the mark was stored; and
    a shard that ends after it was listed counts with its last mark, behind which its children begin.
    """
    named = [part.shard for part in parts]
    others = yield from known_shards()
    shards = yield from read_shards(list(dict.fromkeys((*named, *others))))
    listed = yield from list_due()
    if len(listed) >= LISTED:
        return Seen(shards, None)
    return Seen(shards, (yield from held_since(listed)))


def shared_mark(parts: Sequence[Part], seen: Seen) -> Mark | None:
    """Up to where all shards are durable and nothing is due; None if that is not known.

    It is not while there is a shard whose worker has said nothing yet, or a part of the hash keys that is no shard's.
    """
    if seen.due is None or not _is_whole([part.hash_keys for part in parts]):
        return None
    marks = [seen.shards[part.shard].progress.mark if part.shard in seen.shards else NOTHING for part in parts]
    mark = reduce(Mark.earlier, (*marks, *seen.due))
    return mark if mark.commit_micros else None


def _is_whole(ranges: Sequence[tuple[int, int] | None]) -> bool:
    """Whether the shards have all hash keys between them; if one does not say which it has, that is believed."""
    known = sorted(one for one in ranges if one is not None)
    if len(known) < len(ranges):
        return True
    reached = 0
    for start, end in known:
        if start > reached:
            return False
        reached = max(reached, end + 1)
    return bool(ranges) and reached >= ALL_HASH_KEYS


def loaded_tables(parts: Sequence[Part], seen: Seen, tables: Collection[str]) -> frozenset[str]:
    """Those whose load is over, with all its rows durable in all shards.

    A shard that has read a record built after the load's end has read all the rows of the load that came by it.
    """
    reached = min((_reached(part, seen) for part in parts), default=0)
    notes = [shard.tables for shard in seen.shards.values()]
    return frozenset(table for table in tables if _is_loaded(table, notes, reached))


def _reached(part: Part, seen: Seen) -> int:
    return seen.shards[part.shard].progress.built_micros if part.shard in seen.shards else 0


def _is_loaded(table: str, notes: Sequence[TableNotes], reached: int) -> bool:
    last_row = max((one.loads.get(table, 0) for one in notes), default=0)
    ends = [end for one in notes for end in (one.ends.get(table, 0), one.running - RELOAD_PAUSE_MICROS)]
    if any(last_row < end <= reached for end in (*ends, _end_of_full_load(notes))):
        return True
    begun = min((one.first for one in notes if one.first), default=reached)
    last_of_all = max((built for one in notes for built in one.loads.values()), default=begun)
    return reached - max(begun, last_of_all) >= QUIET_MICROS


def _end_of_full_load(notes: Sequence[TableNotes]) -> int:
    """When DMS said first that changes flow after a load of all tables, 0 if it has not; it may be told in parts."""
    full_load = max((one.full_load for one in notes), default=0)
    ended = [one.all_ended for one in notes if one.all_ended > full_load]
    return min(ended) if full_load and ended else 0


@dataclass(frozen=True, slots=True)
class Complete:
    """What is stored for readers about one table."""

    mark: Mark
    observed_at: str


def read_complete(tables: Sequence[str]) -> Steps[dict[str, Complete]]:
    """What is stored about these tables, as far as there is anything."""
    gets: list[Operation] = [Get(TableName.DOCUMENTS, document_pk(COMPLETE, table), DOCUMENT_SK) for table in tables]
    items = (yield gets) if gets else []
    return {table: _complete(item) for table, item in zip(tables, items, strict=True) if item is not None}


@dataclass(frozen=True, slots=True)
class Teller:
    """Who tells it, for readers that compare a position of their own with a mark.

    `region`: where the documents are written that the mark is about; a replica may have the mark before them. `order`:
    what kind of positions they are. `starts`: from when on the second and each further incarnation holds.
    """

    region: str = ""
    order: str = ""
    starts: tuple[int, ...] = ()

    def since(self, mark: Mark) -> int | None:
        """From when on the mark's incarnation holds (epoch microseconds); None if that is not known here."""
        if mark.incarnation <= FIRST:
            return 0
        at = mark.incarnation - FIRST - 1
        return self.starts[at] if at < len(self.starts) else None


NOBODY: Final = Teller()


def raise_complete(
    marks: Mapping[str, Mark], now_seconds: float, teller: Teller = NOBODY
) -> Steps[dict[str, Complete]]:
    """Store what is complete; what is stored only rises. Returns what is stored then, as far as this worker knows."""
    stored = yield from read_complete(list(marks))
    writes: list[Operation] = []
    observed_at = datetime.datetime.fromtimestamp(now_seconds, datetime.UTC).isoformat(timespec="milliseconds")
    for table, mark in marks.items():
        known = stored.get(table)
        higher = mark.later(known.mark) if known else mark
        if known is not None and higher == known.mark:
            continue
        pk = document_pk(COMPLETE, table)
        item = _item(pk, higher, observed_at) | _told(higher, teller)
        if known is None:
            writes.append(Insert(TableName.DOCUMENTS, pk, DOCUMENT_SK, item))
        else:
            before = _item(pk, known.mark, "")
            unchanged = tuple(Condition(name, "=", before[name]) for name in _MARK)
            writes.append(Replace(TableName.DOCUMENTS, pk, DOCUMENT_SK, item, unchanged))
        stored[table] = Complete(higher, observed_at)
    if writes:
        yield writes  # refused: somebody else was faster, with what is as true
    return stored


_MARK: Final = ("commit_micros", "position", "incarnation")


def _item(pk: str, mark: Mark, observed_at: str) -> Item:
    return {
        "pk": text(pk),
        "sk": text(DOCUMENT_SK),
        "commit_micros": number(mark.commit_micros),
        "position": text(mark.position),
        "incarnation": number(mark.incarnation),
        "observed_at": text(observed_at),
    }


def _told(mark: Mark, teller: Teller) -> Item:
    since = teller.since(mark)
    named = {name: text(value) for name, value in (("region", teller.region), ("order", teller.order)) if value}
    return named if since is None else {**named, "since": number(since)}


def _complete(item: Item) -> Complete:
    position, incarnation = item["position"]["S"], int(item["incarnation"]["N"])
    where = place(incarnation, int(position, 16)) if position else ""
    return Complete(Mark(int(item["commit_micros"]["N"]), where), item["observed_at"]["S"])
