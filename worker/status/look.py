"""Looks at the installation: the lease table, the stream, the workers' marks, what is parked and due."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final, TypeVar

from contract.mapping import Mapping as Mappings
from contract.values import Item
from worker.console.collect import ask
from worker.console.samples import COUNTED, Worker
from worker.drift_report import findings
from worker.errors import FatalError
from worker.parked.commands import Parked
from worker.projection.due import LISTED, list_due
from worker.replay.estimate import Window, estimate
from worker.replay.lease_rows import LeaseRows
from worker.replay.stream import Page, Stream, at_position
from worker.replay.updates import position_of
from worker.source_notes import SourceNotes
from worker.status.model import HotRowStatus, ShardStatus, Status, TableStatus, WorkerStatus, instant, problems
from worker.store.dynamodb import DynamoStore
from worker.supervisor.aws import AwsError, reason
from worker.supervisor.leases import LeaseTables
from worker.watermark.complete import Complete, read_complete
from worker.watermark.progress import Shard, read_shards

Result = TypeVar("Result")

SHARD_END: Final = "SHARD_END"
WINDOW_RECORDS: Final = 500
PAGES: Final = 5
"""Pages without a record that are read of a shard before it is taken for read up."""
MICROS: Final = 1_000_000
SLOW_SECONDS: Final = 30.0
"""How often what is parked and noticed is read anew: all of it."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Where to look. `stream`: None to leave the stream alone; `urls`: addresses of workers."""

    leases: LeaseRows
    lease_tables: LeaseTables
    store: DynamoStore
    parked: Parked
    notes: SourceNotes
    mapping: Mappings
    application: str
    stream_name: str
    stream: Stream | None
    heartbeat_table: str = ""
    urls: Sequence[str] = ()


@dataclass(slots=True)
class _Slow:
    """What is not read at every look."""

    at: float = float("-inf")
    parked_tables: Mapping[str, str] = field(default_factory=dict)
    parked_records: Counter[str] = field(default_factory=Counter)
    parked_documents: int = 0
    drift: Counter[str] = field(default_factory=Counter)


class Looker:
    """One operator's look, which may be repeated."""

    def __init__(self, sources: Sources, clock: Callable[[], float] = time.time) -> None:
        self._sources = sources
        self._clock = clock
        self._slow = _Slow()

    def look(self) -> Status:
        """Everything as it is now. Raises FatalError with one line."""
        sources, now = self._sources, self._clock()
        rows = sources.leases.rows()
        live = {shard: row for shard, row in rows.items() if row["checkpoint"]["S"] != SHARD_END}
        told = sources.store.drive(read_shards(list(live)))
        due = sources.store.drive(list_due())
        leader = self._asked(sources.lease_tables.leader)
        asked = [ask(url) for url in sources.urls]
        ages = {name: values.get("checkpoint_age_seconds") for one in asked for name, values in one.shards.items()}
        self._look_slowly(now)
        status = Status(
            at=instant(int(now * MICROS)),
            application=sources.application,
            stream=sources.stream_name,
            leader=leader.owner if leader else "",
            shards=tuple(
                replace(self._shard(shard, row, told.get(shard), now), checkpoint_seconds=ages.get(shard))
                for shard, row in sorted(live.items())
            ),
            ended_shards=len(rows) - len(live),
            tables=self._tables(now),
            workers=tuple(self._workers(live.values(), asked, now)),
            hot=tuple(self._hot(told)),
            due=len(due),
            due_at_least=len(due) >= LISTED,
            parked_documents=self._slow.parked_documents,
            heartbeat_table=sources.heartbeat_table,
        )
        return replace(status, problems=tuple(problems(status)))

    def _shard(self, shard: str, row: Item, told: Shard | None, now: float) -> ShardStatus:
        found = ShardStatus(shard, _text(row, "leaseOwner"), _text(row, "checkpointOwner"), row["checkpoint"]["S"])
        if told is not None and told.progress.written_millis:
            progress = told.progress
            found = replace(
                found,
                told_seconds=now - progress.written_millis / 1000,
                commit_seconds=_since(progress.mark.commit_micros, now),
                heartbeat_seconds=_since(progress.heartbeat_micros, now),
            )
        return self._with_lag(found, row, now) if self._sources.stream else found

    def _with_lag(self, found: ShardStatus, row: Item, now: float) -> ShardStatus:
        """A read or two of the shard behind its checkpoint; what lies beyond them comes in at the same rate."""
        position = position_of(row)
        if self._sources.stream is None or not (position.checkpoint.isdigit() or position.checkpoint == "TRIM_HORIZON"):
            return found
        page = Page((), at_tip=True, ended=False)
        pages = self._sources.stream.pages(found.shard, at_position(position), limit=WINDOW_RECORDS)
        for number, page in enumerate(pages, start=1):
            if page.records or page.at_tip or number == PAGES:
                break
        if not page.records:
            return replace(found, behind_records=0, behind_exact=page.at_tip or page.ended, behind_seconds=0.0)
        first, last = page.records[0].arrival_millis, page.records[-1].arrival_millis
        complete = page.at_tip or page.ended
        size = sum(len(record.data) for record in page.records)
        about = estimate([Window(first, last, len(page.records), size, complete)], int(now * 1000))
        seconds = max(0.0, now - first / 1000)
        return replace(found, behind_records=about.records, behind_exact=about.exact, behind_seconds=seconds)

    def _tables(self, now: float) -> tuple[TableStatus, ...]:
        names = sorted(self._sources.mapping.tables)
        complete = self._sources.store.drive(read_complete(names))
        return tuple(self._table(name, complete.get(name), now) for name in names)

    def _table(self, name: str, complete: Complete | None, now: float) -> TableStatus:
        slow = self._slow
        found = TableStatus(
            name,
            parked=slow.parked_tables.get(name, ""),
            parked_records=slow.parked_records[name],
            drift=slow.drift[name],
        )
        if complete is None:
            return found
        micros = complete.mark.commit_micros
        return replace(found, complete_up_to=instant(micros), complete_seconds=_since(micros, now))

    def _workers(self, rows: Iterable[Item], asked: Sequence[Worker], now: float) -> Iterable[WorkerStatus]:
        held = Counter(owner for row in rows if (owner := _text(row, "leaseOwner")))
        for worker, count in sorted(held.items()):
            report = self._asked(partial(self._sources.lease_tables.last_report, worker))
            yield WorkerStatus(worker, count, now - int(report) if report else None)
        for found in asked:
            problems = (found.problem,) if found.problem else found.problems
            retries, restarts = (found.totals.get(COUNTED[name]) for name in ("retries", "restarts"))
            yield WorkerStatus(found.url, len(found.shards), None, problems, retries, restarts)

    def _hot(self, told: Mapping[str, Shard]) -> Iterable[HotRowStatus]:
        for shard, found in sorted(told.items()):
            for row in found.progress.hot:
                part = row.changes / max(1, found.progress.sampled)
                yield HotRowStatus(row.table, row.key, round(part, 3), shard, self._aggregates(row.table))

    def _aggregates(self, table: str) -> tuple[str, ...]:
        mapping = self._sources.mapping
        return tuple(sorted(a.name for a in mapping.aggregates if any(n.table == table for n in a.root.walk())))

    def _asked(self, question: Callable[[], Result]) -> Result:
        try:
            return question()
        except AwsError as error:
            raise FatalError(f"the lease tables of {self._sources.application}: {reason(error)}") from None

    def _look_slowly(self, now: float) -> None:
        if now - self._slow.at < SLOW_SECONDS:
            return
        items = self._sources.parked.items()
        found = findings(self._sources.notes.ledgers(), self._sources.mapping)
        self._slow = _Slow(
            now,
            {item.table: item.detail for item in items if item.kind == "table"},
            Counter(item.table for item in items if item.kind == "record"),
            len(self._sources.parked.documents()),
            Counter(one.table for one in found if one.open),
        )


def _since(micros: int, now: float) -> float | None:
    return max(0.0, now - micros / MICROS) if micros else None


def _text(row: Item, name: str) -> str:
    return str(row.get(name, {}).get("S", ""))
