"""What a worker does about due items beside its stream: its own, and those that nobody works off any more.

What is kept here is only what to look at next; everything that must not be lost is in the items.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from worker.projection.due import ITEMS_AT_ONCE, Dues, Slice, is_owned_by, list_due, next_due, revisions, work_off
from worker.projection.images import Counts
from worker.projection.plan import Plan
from worker.store.dynamodb import DynamoStore

LOOK_SECONDS: Final = 5.0
"""How often an idle worker looks for items: a worker before it, asleep until now, may still have put one."""

ORPHANED_SECONDS: Final = 60.0
"""An item of another shard that stays as it is for so long has nobody: its shard may have ended."""

FOREIGN_AT_ONCE: Final = 100


@dataclass(frozen=True, slots=True)
class DueReport:
    """One slice: what it did, and how many items the shard has left, as far as known."""

    counts: Counts
    outstanding: int
    read_units: Mapping[str, float] = field(default_factory=dict)
    write_units: Mapping[str, float] = field(default_factory=dict)


class DueWork:
    """The due items of one shard's worker."""

    def __init__(self, plan: Plan, store: DynamoStore, dues: Dues, clock: Callable[[], float]) -> None:
        self.dues = dues
        self._plan = plan
        self._store = store
        self._clock = clock
        self._looked = float("-inf")
        self._outstanding = 0
        self._last = ""
        self._referrers = 0
        self._foreign: dict[str, tuple[str, float]] = {}
        self._orphans: list[str] = []
        self._orphans_next = False

    def put(self, count: int) -> None:
        """So many items were put by a batch; some of them may have been there before."""
        self._outstanding += count

    def work_off(self) -> DueReport | None:
        """One slice; None if nothing is known to be due. Raises FatalError, NewerGeneration."""
        now = self._clock()
        if now - self._looked >= LOOK_SECONDS:
            self._look(now)
            self._looked = now
        if not self._outstanding and not self._orphans:
            return None
        self._orphans_next = bool(self._orphans) and (self._orphans_next or not self._outstanding)
        done = self._slice_of_orphans() if self._orphans_next else self._slice_of_own()
        self._outstanding += 0 if self._orphans_next else done.counts.due  # what an orphan leads to is its owner's
        self._orphans_next = not self._orphans_next
        self._referrers = done.referrers
        return DueReport(done.counts, self._outstanding)

    def _slice_of_own(self) -> Slice:
        sort_keys = self._store.drive(next_due(self.dues.owner, self._last))
        done = self._store.drive(work_off(self._plan, self.dues, sort_keys, self._referrers))
        self._last = done.last
        self._outstanding = max(0, self._outstanding - done.finished) if sort_keys else 0
        return done

    def _slice_of_orphans(self) -> Slice:
        done = self._store.drive(work_off(self._plan, self.dues, self._orphans[:ITEMS_AT_ONCE], self._referrers))
        served = self._orphans.index(done.last) + 1 if done.last else ITEMS_AT_ONCE
        # those that had their turn come last; what is finished is found so by the next look
        self._orphans = self._orphans[served:] + (self._orphans[:served] if done.last else [])
        return done

    def _look(self, now: float) -> None:
        self._outstanding = len(self._store.drive(list_due(self.dues.owner)))
        listed = self._store.drive(list_due())
        foreign = [sort_key for sort_key in listed if not is_owned_by(self.dues.owner, sort_key)][:FOREIGN_AT_ONCE]
        found = self._store.drive(revisions(foreign))
        adopted = set(self._orphans)
        seen = self._foreign
        self._foreign = {
            sk: seen[sk] if sk in seen and seen[sk][0] == revision else (revision, now)
            for sk, revision in found.items()
        }
        unmoved = {sk for sk, (_, since) in self._foreign.items() if now - since >= ORPHANED_SECONDS}
        self._orphans = [sk for sk in found if sk in unmoved or sk in adopted]
