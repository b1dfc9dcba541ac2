"""Primary-key changes of one transaction that cross: which row holds a key then cannot be told from the records. Pure.

An update of row A from key 1 to 2, then one from key 2 to 1: either the rows A and B swapped keys, or A went to 2 and
back. The records are the same, the results are not. What tells them apart is whether a row stood at key 2 before: if
none did, A has gone on (as when keys are swapped by way of a third one); if one did, and no earlier record of the
transaction took it away, both records are set aside. Databases that check a key with every row have no such case.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

REMEMBERED_TRANSACTIONS: Final = 1_000
"""Key changes are rare; those of one transaction rarely come in batches so far apart."""

Transaction = tuple[str, str, int | None]
"""Table, transaction id, commit time: ids alone are used again."""


@dataclass(frozen=True, slots=True)
class KeyMove:
    """A record that changed a row's primary key, at its version."""

    transaction: Transaction
    version: str
    old_key: str
    new_key: str


RowId = tuple[str, str]
"""Table and key text."""

State = tuple[str, bool]
"""A version of a row, and whether it is there: not deleted."""


@dataclass(slots=True)
class _Moves:
    taken: dict[str, dict[str, bool]] = field(default_factory=dict)
    """Versions that put a key, by key, and whether a row stood there before."""
    left: dict[str, set[str]] = field(default_factory=dict)
    """Versions that took it away."""


class KeyMoves:
    """The key changes that a shard has seen lately, a batch at a time."""

    def __init__(self) -> None:
        self._transactions: OrderedDict[Transaction, _Moves] = OrderedDict()

    def crossed(self, moves: Iterable[KeyMove], known_rows: Mapping[RowId, Iterable[State]]) -> frozenset[KeyMove]:
        """Those of a batch that cross one another or one seen before. The same record twice is one move.

        `known_rows`: of the rows at the new keys what is stored and what else the batch says of them. When a
        transaction that is stored comes again, nobody knows any more what was there before it.
        """
        batch = list(moves)
        for move in batch:
            known = self._transactions.setdefault(move.transaction, _Moves())
            earlier = [one for one in known_rows.get((move.transaction[0], move.new_key), ()) if one[0] < move.version]
            occupied = max(earlier)[1] if earlier else False
            known.taken.setdefault(move.new_key, {}).setdefault(move.version, occupied)
            known.left.setdefault(move.old_key, set()).add(move.version)
            self._transactions.move_to_end(move.transaction)
        found = frozenset(move for move in batch if _crosses(move, self._transactions[move.transaction]))
        while len(self._transactions) > REMEMBERED_TRANSACTIONS:
            self._transactions.popitem(last=False)
        return found


def _crosses(move: KeyMove, known: _Moves) -> bool:
    """Its old key was taken before from under a row, or it took one so, and the key is left afterwards."""
    takes = known.taken.get(move.old_key, {})
    if any(version < move.version and _doubtful(known, move.old_key, version) for version in takes):
        return True
    left_afterwards = any(version > move.version for version in known.left.get(move.new_key, ()))
    return left_afterwards and _doubtful(known, move.new_key, move.version)


def _doubtful(known: _Moves, key: str, version: str) -> bool:
    """Whether a row stood at the key when this version put another one there."""
    freed = any(left < version for left in known.left.get(key, ()))
    return known.taken[key][version] and not freed
