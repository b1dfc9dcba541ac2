"""How far the documents of an aggregate are complete, from the marks that the worker keeps beside them.

A mark says up to which commit time all changes of a table are in the documents. A mark only rises, so one that was read
a moment ago still holds: it is kept for a while, and most answers cost no read of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

from api_lambdas.queries.marks import MICROS, Mark
from api_lambdas.queries.repository import Repository
from api_lambdas.shared.dynamodb import StoreError

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
        return self._headers(self._micros(tables))

    def headers_of(self, marks: Mapping[str, Mark], tables: tuple[str, ...]) -> dict[str, str]:
        """The same, of marks that were read just now."""
        return self._headers(_oldest(marks, tables))

    def _headers(self, micros: int | None) -> dict[str, str]:
        if micros is None:
            return {}
        age = max(0, int(self._now() - micros / MICROS))
        return {"x-complete-up-to": time_text(micros), "x-staleness": str(age)}

    def _micros(self, tables: tuple[str, ...]) -> int | None:
        moment = self._monotonic()
        until, micros = self._kept.get(tables, (moment, None))
        if moment >= until:
            with suppress(StoreError):  # what was known still holds, and no document is kept back for a header
                micros = _oldest(self._repository.marks(tables), tables)
            self._kept[tables] = moment + (NONE_KEPT_SECONDS if micros is None else KEPT_SECONDS), micros
        return micros


def _oldest(marks: Mapping[str, Mark], tables: tuple[str, ...]) -> int | None:
    return min(mark.commit_micros for mark in marks.values()) if len(marks) == len(tables) else None


def time_text(micros: int) -> str:
    """Like 2026-01-02T03:04:05.000006Z, of microseconds since 1970."""
    moment = _EPOCH + timedelta(microseconds=micros)
    return moment.isoformat(timespec="microseconds") + "Z"
