"""A read that waits, for a bounded time, until the documents show what a command has changed."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from api_lambdas.queries.consistency import TOKEN_HEADER, State, Token, behind_seconds, opened, state_of
from api_lambdas.queries.marks import Mark
from api_lambdas.queries.settings import MAX_CONSISTENCY_WAIT_SECONDS
from api_lambdas.shared.dynamodb import StoreError
from api_lambdas.shared.http import Kind, Problem, Request

PAUSE_SECONDS: Final = 0.1
_WAIT: Final = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class Wish:
    """What a request with a token wants (RFC 7240): to wait so long, and then an error (`strict`) or what there is."""

    token: Token
    wait_seconds: float
    strict: bool


@dataclass(frozen=True, slots=True)
class Awaited:
    """What was known before the documents were read; they must be read afterwards, with all that was written before."""

    state: State
    strict: bool
    marks: Mapping[str, Mark]
    behind: int | None

    def headers(self, *, provable: bool = True) -> dict[str, str]:
        """What an answer says of it; `provable`: nothing of what was read may be an older state all the same.

        Raises Problem where the request wants nothing else than what is proven.
        """
        state = self.state if provable or self.state is not State.REACHED else State.UNPROVEN
        found = {"x-consistency": state.value}
        if state is State.BEHIND and self.behind is not None:
            found["x-behind"] = str(self.behind)
        if self.strict and state is not State.REACHED:
            wait = {"retry-after": "1"} if state is State.BEHIND else {}
            raise Problem(Kind.NOT_CONSISTENT, self._detail(state), headers={**found, **wait})
        return found

    def _detail(self, state: State) -> str:
        if state is State.UNPROVEN:
            return "it cannot be proven here that the answer shows the command's effect: ask without handling=strict"
        distance = "it is not known how far" if self.behind is None else f"about {self.behind} seconds"
        return f"the documents here are behind the command, {distance}: try again"


class Awaiting:
    """Waits until marks have passed a token's position. `pause` takes seconds."""

    def __init__(
        self,
        marks: Callable[[Sequence[str]], Mapping[str, Mark]],
        secret: bytes,
        region: str,
        wait_seconds: float,
        monotonic: Callable[[], float],
        pause: Callable[[float], None],
    ) -> None:
        """`wait_seconds`: for requests that do not say how long; `region`: whose tables are read."""
        self._marks = marks
        self._secret = secret
        self._region = region
        self._wait_seconds = wait_seconds
        self._monotonic = monotonic
        self._pause = pause

    def wish(self, request: Request) -> Wish | None:
        """What the request's headers ask for; None without a token. Raises Problem."""
        text = request.headers.get(TOKEN_HEADER, "").strip()
        if not text:
            return None
        preferred = preferences(request.headers.get("prefer", ""))
        wait = preferred.get("wait", "")
        seconds = float(wait) if _WAIT.fullmatch(wait) else self._wait_seconds
        strict = preferred.get("handling") == "strict"
        return Wish(opened(self._secret, text), min(seconds, MAX_CONSISTENCY_WAIT_SECONDS), strict)

    def wait(self, wish: Wish, tables: Sequence[str]) -> Awaited:
        """Look at once, then again and again while it helps; the last look begins when the time is over at the latest.

        A mark stays true for ever, so one that was read a while ago, or by an eventually consistent read, proves as
        much as any; and a table that has reached the position need not be looked at again. Raises Problem.
        """
        deadline = self._monotonic() + wish.wait_seconds
        known: dict[str, Mark] = {}
        while True:
            known.update(self._read([table for table in tables if self._waits_for(wish.token, known, table)]))
            state = state_of(wish.token, known, tables, self._region)
            left = deadline - self._monotonic()
            if state is not State.BEHIND or left <= 0:
                awaited = Awaited(state, wish.strict, known, behind_seconds(wish.token, known, tables))
                if wish.strict:
                    awaited.headers()  # nothing more is read for an answer that nobody wants
                return awaited
            self._pause(min(PAUSE_SECONDS, left))

    def _waits_for(self, token: Token, known: Mapping[str, Mark], table: str) -> bool:
        return state_of(token, known, (table,), self._region) is State.BEHIND

    def _read(self, tables: Sequence[str]) -> Mapping[str, Mark]:
        try:
            return self._marks(tables)
        except StoreError:  # not known, this time
            return {}


def preferences(header: str) -> dict[str, str]:
    """The preferences of a Prefer header by name, in lower case, without their parameters; the first of a name counts.

    What cannot be read is left out, as RFC 7240 wants it.
    """
    found: dict[str, str] = {}
    for preference in header.split(","):
        name, _, value = preference.partition(";")[0].partition("=")
        found.setdefault(name.strip().lower(), value.strip().strip('"').lower())
    return found
