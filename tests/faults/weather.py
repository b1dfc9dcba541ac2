"""Which fault strikes which request: spells of faults, composed and drawn from one seed. Pure.

A spell lasts from one request to another, counted over all that come, and strikes some of those that it may.
"""

from __future__ import annotations

import random
import zlib
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final


class Fault(StrEnum):
    """What may become of a request, beside being answered."""

    # it is refused and nothing is done
    THROTTLED_TABLE = "throttled table"
    THROTTLED_ITEMS = "throttled items"
    UNPROCESSED = "unprocessed"
    SERVER_ERROR = "server error"
    EXPIRED_TOKEN = "expired token"
    REVOKED = "revoked rights"
    SKEWED = "skewed clock"
    LOST_REQUEST = "lost request"
    # it is done, or may be, and the answer is lost or spoilt
    LOST_REPLY = "lost reply"
    ERROR_AFTERWARDS = "server error after the write"
    RESET = "reset"
    HALF_OPEN = "half open"
    SLOW_BODY = "slow body"
    CUT_BODY = "cut body"
    GARBLED_BODY = "garbled body"
    WRONG_CHECKSUM = "wrong checksum"
    PROXY_PAGE = "a proxy's page"


NOT_DONE: Final = frozenset(
    {
        *(Fault.THROTTLED_TABLE, Fault.SERVER_ERROR, Fault.EXPIRED_TOKEN, Fault.REVOKED, Fault.SKEWED),
        *(Fault.LOST_REQUEST, Fault.PROXY_PAGE),
    }
)
"""The request does not reach the tables."""
PARTLY_DONE: Final = frozenset({Fault.THROTTLED_ITEMS, Fault.UNPROCESSED})
DONE: Final = frozenset(Fault) - NOT_DONE - PARTLY_DONE
"""The request is carried out before its answer is spoilt."""

CODES: Final[dict[Fault, tuple[str, ...]]] = {
    Fault.THROTTLED_TABLE: ("ThrottlingException", "ProvisionedThroughputExceededException", "RequestLimitExceeded"),
    Fault.EXPIRED_TOKEN: ("ExpiredTokenException",),
    Fault.REVOKED: ("AccessDeniedException",),
    Fault.SKEWED: ("InvalidSignatureException",),
}
STATEMENT_CODES: Final = (
    *("ThrottlingError", "ProvisionedThroughputExceeded", "TransactionConflict", "InternalServerError"),
    "RequestLimitExceeded",
)


@dataclass(frozen=True, slots=True)
class Request:
    """A request as faults see it. `number`: how many came before it. `by`: the access key that signed it."""

    number: int
    action: str
    body: dict[str, Any]
    by: str = ""
    date: str = ""

    @property
    def tables(self) -> set[str]:
        """The tables that it names."""
        body = self.body
        found = {body["TableName"]} if "TableName" in body else set()
        found |= set(body.get("RequestItems", ()))
        for one in body.get("Statements", ()):
            found.add(one["Statement"].split('"')[1])
        return found


@dataclass(frozen=True, slots=True)
class Spell:
    """A fault, how likely it strikes, and when it may: requests from `first` to before `last`.

    `tables` and `actions`: of those alone (none: of all). `part` of `of` parts: with a fault of items, which partition
    keys are hit, by a hash; so the same ones all the time, as with a hot partition.
    """

    fault: Fault
    chance: float = 1.0
    first: int = 0
    last: int = 1 << 62
    most: int = 1 << 62
    tables: frozenset[str] = frozenset()
    actions: frozenset[str] = frozenset()
    by: str = ""
    part: int = 0
    of: int = 1

    def may_strike(self, request: Request) -> bool:
        """Whether it is its time and its kind of request."""
        return (
            self.first <= request.number < self.last
            and (not self.tables or bool(self.tables & request.tables))
            and (not self.actions or request.action in self.actions)
            and self.by in ("", request.by)
        )

    def hits(self, pk: str) -> bool:
        """Whether a partition is among those that it slows."""
        return zlib.crc32(pk.encode()) % self.of == self.part


@dataclass(frozen=True, slots=True)
class Blow:
    """A fault that strikes a request; `dice` decides its details."""

    spell: Spell
    dice: random.Random

    @property
    def fault(self) -> Fault:
        """What it is."""
        return self.spell.fault


class Weather:
    """All spells of a run. `struck` counts what really happened."""

    def __init__(self, seed: int | str, spells: Iterable[Spell] = ()) -> None:
        self.spells = list(spells)
        self.struck: Counter[Fault] = Counter()
        self.calm = False
        self._dice = random.Random(f"weather {seed}")
        self._left = Counter[Spell]()

    def blow(self, request: Request) -> Blow | None:
        """The fault that strikes a request: of the first spell that does."""
        if self.calm:
            return None
        for spell in self.spells:
            if not spell.may_strike(request) or self._left[spell] >= spell.most:
                continue
            if self._dice.random() < spell.chance:
                self._left[spell] += 1
                return Blow(spell, random.Random(self._dice.random()))
        return None

    def count(self, fault: Fault) -> None:
        """It has struck."""
        self.struck[fault] += 1


def storm(seed: int, chance: float = 0.1, faults: Collection[Fault] | None = None) -> Weather:
    """Every fault that passes by itself, at any time."""
    left_out = {Fault.REVOKED, Fault.HALF_OPEN, Fault.SLOW_BODY}
    chosen = [fault for fault in Fault if (fault in faults if faults is not None else fault not in left_out)]
    return Weather(seed, [Spell(fault, chance / len(chosen)) for fault in chosen])
