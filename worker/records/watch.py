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

    incarnation: int = 0
    transaction: tuple[str | None, int] | None = None
    number: int = 0
    position: int = 0
    built_micros: int = 0
    highest: int = 0
    latest_micros: int = 0
    below: int = 0
    below_transaction: str | None = None


class PositionWatch:
    """What one shard has seen; shards have their own, for their records arrive in an order of their own."""

    def __init__(self) -> None:
        self._seen = _Seen()

    def see(self, event: ChangeEvent, incarnation: int, position: int) -> None:
        """Take notice of a change. Raises TableLacks when it proves that positions fall."""
        if event.commit_micros is None or event.record_number is None:
            return
        seen = self._seen
        if incarnation != seen.incarnation:
            seen = self._seen = _Seen(incarnation)
        if position >= seen.highest:  # nothing falls, as for most
            seen.transaction, seen.number = (event.transaction, event.commit_micros), event.record_number
            seen.position = seen.highest = position
            seen.built_micros, seen.below = event.built_micros, 0
            if event.commit_micros > seen.latest_micros:
                seen.latest_micros = event.commit_micros
            return
        within = _falls_within(seen, event, event.commit_micros, event.record_number, position)
        if _falls_across(seen, event, event.commit_micros) or within:
            rising = "record numbers of one transaction" if within else "commit times"
            raise TableLacks(
                event.table,
                f"log positions fall while {rising} rise, so they do not order changes: after a restore, a failover or"
                " a new log raise the incarnation and reload the tables (nearview incarnation raise), else use a change"
                " sequence (NEARVIEW_CHANGE_SEQUENCE_COLUMN)",
            )


def _falls_within(seen: _Seen, event: ChangeEvent, committed: int, number: int, position: int) -> bool:
    transaction = (event.transaction, committed)
    falls = (
        event.transaction is not None
        and transaction == seen.transaction
        and number > seen.number
        and position < seen.position
        and event.built_micros >= seen.built_micros
    )
    seen.transaction, seen.number, seen.position, seen.built_micros = transaction, number, position, event.built_micros
    return falls


def _falls_across(seen: _Seen, event: ChangeEvent, committed: int) -> bool:
    """Of a position below the highest one."""
    if committed <= seen.latest_micros + LONG_AFTER_MICROS:
        return False
    seen.below += event.transaction != seen.below_transaction
    seen.below_transaction = event.transaction
    return seen.below >= MANY_TRANSACTIONS
