"""How far the documents of an aggregate are complete, from the marks that the worker keeps beside them.

A mark says up to which commit time all changes of a table are in the documents. A mark only rises, so one that was read
a moment ago still holds: it is kept for a while, and most answers cost no read of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from api_lambdas.dynamodb import StoreError
from api_lambdas.repository import Repository

KEPT_SECONDS: Final = 2.0
NONE_KEPT_SECONDS: Final = 10.0
"""While a table has no mark, because its worker keeps none, there is less reason to look again."""

_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001  in UTC, like what is added


class Freshness:
    """The oldest of the marks of some tables. Safe for several threads."""

    def __init__(self, repository: Repository, monotonic: Callable[[], float], now: Callable[[], float]) -> None:
        self._repository = repository
        self._monotonic = monotonic
        self._now = now
        self._kept: dict[tuple[str, ...], tuple[float, int | None]] = {}

    def headers(self, tables: tuple[str, ...]) -> dict[str, str]:
        """`x-complete-up-to` and `x-staleness` (seconds); none while a table has no mark.

        To be asked for before the documents are read: what it says must hold for what is read after it.
        """
        micros = self._micros(tables)
        if micros is None:
            return {}
        age = max(0, int(self._now() - micros / 1_000_000))
        return {"x-complete-up-to": time_text(micros), "x-staleness": str(age)}

    def _micros(self, tables: tuple[str, ...]) -> int | None:
        moment = self._monotonic()
        until, micros = self._kept.get(tables, (moment, None))
        if moment >= until:
            try:
                marks = self._repository.marks(tables)
                micros = min(marks.values()) if len(marks) == len(tables) else None
            except StoreError:  # what was known still holds, and no document is kept back for a header
                pass
            self._kept[tables] = moment + (NONE_KEPT_SECONDS if micros is None else KEPT_SECONDS), micros
        return micros


def time_text(micros: int) -> str:
    """Like 2026-01-02T03:04:05.000006Z, of microseconds since 1970."""
    moment = _EPOCH + timedelta(microseconds=micros)
    return moment.isoformat(timespec="microseconds") + "Z"
