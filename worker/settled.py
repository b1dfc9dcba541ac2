"""Up to which record a shard is settled: rows and documents were made durable, by this mapping. Replays go by it.

A checkpoint says the same, but it is set back for a replay, and it does not say by which mapping. Of a record that is
settled only the row is looked at: if what is stored is no older, whoever stored it has seen to the documents, or will,
for a later record of its own. If it is missing or older, the record is processed like any other.

Items in the rows table (pk `~settled`, sk the shard): `digest` of the mapping, and `through`: sequence number, and
behind a dot the sub-sequence number, if it is not 0. A batch may end within an aggregated record, whose other parts are
not settled then.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Final

from contract.values import Item
from worker.projection.operations import Condition, Get, Insert, Operation, Replace, Steps, TableName, text
from worker.projection.plan import Plan
from worker.records.stream import StreamRecord

SETTLED_PK: Final = "~settled"
SAVE_SECONDS: Final = 1.0
ENGINE: Final = "1"
"""What the engine makes of rows; a release that makes something else of them must not trust an earlier one's word."""

Place = tuple[int, int]
_NOTHING: Final[Place] = (0, 0)


def digest(plan: Plan) -> str:
    """Of all that decides how rows become documents, also of which are too large."""
    parts = [
        ENGINE,
        str(plan.sizes.document),
        *sorted(f"{a.name} {a.generation} {a.digest} {plan.relations[a.name]}" for a in plan.mapping.aggregates),
    ]
    return hashlib.blake2b("\n".join(parts).encode(), digest_size=16).hexdigest()


class Settled:
    """What one shard's worker knows of it. For one thread; it looks at a batch's first and last record only."""

    def __init__(self, shard: str, digest: str, clock: Callable[[], float]) -> None:
        """`clock`: seconds that only rise."""
        self._shard = shard
        self._digest = digest
        self._clock = clock
        self._stored: Item | None = None
        self._saved = _NOTHING
        self._through = _NOTHING
        self._next_save = 0.0

    def begin(self) -> Steps[None]:
        """What the shard's workers have left; nothing of another mapping counts."""
        (self._stored,) = yield [Get(TableName.ROWS, SETTLED_PK, self._shard)]
        if self._stored is not None and self._stored["digest"]["S"] == self._digest:
            self._through = self._saved = _position(self._stored)

    def covers(self, records: Sequence[StreamRecord]) -> bool:
        """Whether all of a batch is settled. Records come in the order of their sequence numbers."""
        return bool(records) and self._through > _NOTHING and _place(records[-1]) <= self._through

    def note(self, records: Sequence[StreamRecord]) -> None:
        """A batch is durable, its documents too."""
        if records:
            self._through = max(self._through, _place(records[-1]))

    def save(self) -> Steps[None]:
        """Store it if it has risen and was not stored within the last second.

        Another worker's word may stand there: of a shard's two owners each is right, and the next save is ours again.
        """
        now = self._clock()
        if self._through <= self._saved or now < self._next_save:
            return
        self._next_save = now + SAVE_SECONDS
        item: Item = {
            "pk": text(SETTLED_PK),
            "sk": text(self._shard),
            "digest": text(self._digest),
            "through": text(_place_text(self._through)),
        }
        write: Operation = Insert(TableName.ROWS, SETTLED_PK, self._shard, item)
        if self._stored is not None:
            unchanged = tuple(Condition(name, "=", self._stored[name]) for name in ("digest", "through"))
            write = Replace(TableName.ROWS, SETTLED_PK, self._shard, item, unchanged)
        yield [write]
        (self._stored,) = yield [Get(TableName.ROWS, SETTLED_PK, self._shard)]
        self._saved = self._through
        if self._stored is not None and self._stored["digest"]["S"] == self._digest:
            self._saved = max(self._saved, _position(self._stored))  # never lower what another one has said


def _place(record: StreamRecord) -> Place:
    return int(record.sequence_number), record.sub_sequence_number


def _place_text(place: Place) -> str:
    return "{}.{}".format(*place) if place[1] else str(place[0])


def _position(item: Item) -> Place:
    sequence_number, _, sub_sequence_number = item["through"]["S"].partition(".")
    return int(sequence_number), int(sub_sequence_number or 0)
