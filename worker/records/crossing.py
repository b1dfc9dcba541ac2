"""Primary-key changes of one transaction that cross: which row holds a key then cannot be told from the records. Pure.

An update of row A from key 1 to 2, then one from key 2 to 1: either the rows A and B swapped keys, or A went to 2 and
back. The records are the same, the results are not. So both are set aside, and likewise a chain (1 to 2, then 2 to 3).
The other way round, 2 to 3 and then 1 to 2, is clear: the key was free before it was taken.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
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


@dataclass(slots=True)
class _Moves:
    taken: dict[str, set[str]] = field(default_factory=dict)
    """Versions that put a key, by key."""
    left: dict[str, set[str]] = field(default_factory=dict)
    """Versions that took it away."""


class KeyMoves:
    """The key changes that a shard has seen lately, a batch at a time."""

    def __init__(self) -> None:
        self._transactions: OrderedDict[Transaction, _Moves] = OrderedDict()

    def crossed(self, moves: Iterable[KeyMove]) -> frozenset[KeyMove]:
        """Those of a batch that cross one another or one seen before. The same record twice is one move."""
        batch = list(moves)
        for move in batch:
            known = self._transactions.setdefault(move.transaction, _Moves())
            known.taken.setdefault(move.new_key, set()).add(move.version)
            known.left.setdefault(move.old_key, set()).add(move.version)
            self._transactions.move_to_end(move.transaction)
        found = frozenset(move for move in batch if _crosses(move, self._transactions[move.transaction]))
        while len(self._transactions) > REMEMBERED_TRANSACTIONS:
            self._transactions.popitem(last=False)
        return found


def _crosses(move: KeyMove, known: _Moves) -> bool:
    """Its old key was taken before, or its new key is left afterwards."""
    taken_before = any(version < move.version for version in known.taken.get(move.old_key, ()))
    left_afterwards = any(version > move.version for version in known.left.get(move.new_key, ()))
    return taken_before or left_afterwards
