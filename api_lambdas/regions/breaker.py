"""Circuit breakers: one for every target as this region sees it, shared by its functions through the table of regions.

Failures in a row are counted in memory, only changes of state are written. Who may try when the time is over is decided
by a conditional write with a lease: a prober that dies is followed by another. The item's key names the observer, which
alone writes it: in a global table two regions would both win, and then overwrite each other.

While the table cannot be written, what this function sees counts for itself alone, and nobody probes: a command that is
refused has done no harm.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

from api_lambdas.regions.settings import RegionSettings
from api_lambdas.regions.table import Regions, Store
from api_lambdas.shared.dynamodb import ConditionFailed, StoreError
from api_lambdas.shared.log import Event, Log
from contract import regions
from contract.regions import MICROS, Circuit
from contract.values import Item, from_item

LEASE_MARGIN_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Pass:
    """The target may be asked; `probe`: by this one alone."""

    probe: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """The target may not be asked before so many seconds have passed."""

    seconds: int


def look(circuit: Circuit, now: int, open_seconds: float) -> Pass | Refused:
    """What a breaker's state allows at a time; Pass(probe=True): whoever wins the write. Pure."""
    if circuit.state == "closed":
        return Pass()
    ends = circuit.probe_until if circuit.state == "half-open" else circuit.opened_at + round(open_seconds * MICROS)
    return Pass(probe=True) if now >= ends else Refused(max(1, math.ceil((ends - now) / MICROS)))


class Breaker:
    """The breaker of one target. `owner` names this function's instance."""

    def __init__(
        self, known: Regions, settings: RegionSettings, store: Store, target: str, owner: str, log: Log
    ) -> None:
        self._known = known
        self._settings = settings
        self._store = store
        self._target = target
        self._pk = regions.breaker_pk(known.region, target)
        self._owner = owner
        self._log = log
        self._failures = 0

    def admit(self, seconds: float) -> Pass | Refused:
        """Whether the target may be asked for something that takes `seconds` at most. A Pass wants its report."""
        found = look(self._known.circuit(self._pk), self._known.micros(), self._settings.breaker_open_seconds)
        if isinstance(found, Refused) or not found.probe:
            return found
        return self._probe(seconds)

    def report(self, passed: Pass, *, well: bool, reason: str = "") -> None:
        """How it went; without a report a probe's lease ends by itself."""
        self._failures = 0 if well else self._failures + 1
        if passed.probe:
            after = regions.CLOSED if well else self._opened(reason)
            self._write(
                after, "#state = :half AND #probe_owner = :owner", {":half": "half-open", ":owner": self._owner}
            )
        elif self._failures >= self._settings.breaker_failures:
            closed = "attribute_not_exists(#state) OR #state = :closed"
            self._write(self._opened(reason), closed, {":closed": "closed"})

    def _probe(self, seconds: float) -> Pass | Refused:
        now, seen = self._known.micros(), self._known.circuit(self._pk)
        until = now + round((seconds + LEASE_MARGIN_SECONDS) * MICROS)
        probing = Circuit("half-open", seen.opened_at, self._owner, until, seen.reason)
        free = "(#state = :open AND #opened_at = :seen) OR (#state = :half AND #probe_until <= :now)"
        if self._write(probing, free, {":open": "open", ":half": "half-open", ":seen": seen.opened_at, ":now": now}):
            return Pass(probe=True)
        found = look(self._known.circuit(self._pk), now, self._settings.breaker_open_seconds)
        return Refused(1) if found == Pass(probe=True) else found

    def _opened(self, reason: str) -> Circuit:
        return Circuit("open", self._known.micros(), "", 0, reason)

    def _write(self, circuit: Circuit, condition: str, compared: dict[str, Any]) -> bool:
        """Whether it stands there now. What stands there instead is learned; if the table fails, that it was opened."""
        values = {
            ":state": circuit.state,
            ":opened_at": circuit.opened_at,
            ":probe_owner": circuit.probe_owner,
            ":probe_until": circuit.probe_until,
            ":reason": circuit.reason,
            ":updated_at": self._known.micros(),
        }
        sets = "SET " + ", ".join(f"#{name[1:]} = {name}" for name in values)
        request = regions.update(self._settings.table, self._pk, sets, condition, {**values, **compared})
        try:
            self._store.call("UpdateItem", request)
        except ConditionFailed as stands:
            met = _circuit(stands.item)
            self._known.learned(self._pk, met)
            if met != circuit:  # else it is our own write, sent again because its reply was lost
                return False
        except StoreError as error:
            self._log.write(Event.BREAKER_NOT_STORED, target=self._target, code=error.code)
            if circuit.state == "open":
                self._known.learned(self._pk, circuit)
            return False
        self._known.learned(self._pk, circuit)
        self._failures = 0
        self._log.write(Event.BREAKER, target=self._target, state=circuit.state, reason=circuit.reason)
        return True


def _circuit(item: Item | None) -> Circuit:
    try:
        return regions.circuit(from_item(item or {}))
    except (KeyError, ValueError, TypeError):
        return regions.CLOSED
