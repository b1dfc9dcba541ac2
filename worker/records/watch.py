"""Notices positions that fall although they belong to later changes: a log that started again unannounced. Pure.

Records may come twice, late, or again from further back, and transactions overlap; none of that may look like it:
- within one transaction a record that comes later, was built later and has a greater number cannot stand earlier in the
  log; a replay starts again at a smaller number and at the same positions;
- across transactions a replay takes the commit times back with the positions, and a long transaction is one of few. So
  it takes many transactions, one after the other, all below the highest position and all committed long after it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from worker.records.envelope import ChangeEvent
from worker.records.errors import TableLacks

LONG_AFTER_MICROS: Final = 600_000_000
MANY_TRANSACTIONS: Final = 100


@dataclass(slots=True)
class _Seen:
    """Of one incarnation: the last record, and the highest position with the latest commit time known then."""

    incarnation: int
    last: ChangeEvent
    position: int
    highest: int
    latest_micros: int
    below: int = 0
    below_transaction: str | None = None


class PositionWatch:
    """What one shard has seen; shards have their own, for their records arrive in an order of their own."""

    def __init__(self) -> None:
        self._seen: _Seen | None = None

    def see(self, event: ChangeEvent, incarnation: int, position: int) -> None:
        """Take notice of a change. Raises TableLacks when it proves that positions fall."""
        committed = event.commit_micros
        if committed is None or event.record_number is None:
            return
        seen = self._seen
        if seen is None or seen.incarnation != incarnation:
            self._seen = _Seen(incarnation, event, position, position, committed)
            return
        if position >= seen.highest:  # nothing falls, as for most
            seen.last, seen.below = event, 0
            seen.position = seen.highest = position
            if committed > seen.latest_micros:
                seen.latest_micros = committed
            return
        within = _falls_within(seen, event, position)
        if _falls_across(seen, event, committed) or within:
            rising = "record numbers of one transaction" if within else "commit times"
            raise TableLacks(
                event.table,
                f"log positions fall while {rising} rise, so they do not order changes: after a restore, a failover or"
                " a new log raise the incarnation and reload the tables (nearview incarnation raise), else use a change"
                " sequence (NEARVIEW_CHANGE_SEQUENCE_COLUMN)",
            )


def _falls_within(seen: _Seen, event: ChangeEvent, position: int) -> bool:
    last = seen.last
    falls = (
        event.transaction is not None
        and (event.transaction, event.commit_micros) == (last.transaction, last.commit_micros)
        and (event.record_number or 0) > (last.record_number or 0)
        and position < seen.position
        and event.built_micros >= last.built_micros
    )
    seen.last, seen.position = event, position
    return falls


def _falls_across(seen: _Seen, event: ChangeEvent, committed: int) -> bool:
    """Of a position below the highest one."""
    if committed <= seen.latest_micros + LONG_AFTER_MICROS:
        return False
    seen.below += event.transaction != seen.below_transaction
    seen.below_transaction = event.transaction
    return seen.below >= MANY_TRANSACTIONS
