"""Reading what was just written: tokens that name a place in the source's log, and whether marks passed it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from api_lambdas.queries import cursors
from api_lambdas.queries.marks import MICROS, Mark
from api_lambdas.shared.http import Kind, Problem

TOKEN_HEADER: Final = "x-consistency-token"  # noqa: S105  a header's name
POSTGRESQL: Final = "postgresql"
MYSQL: Final = "mysql"
_SIGNED: Final = ("~consistency",)
"""Where a cursor has an aggregate: none has such a name, so neither opens as the other."""

CLOCKS_APART_MICROS: Final = 10 * MICROS
"""How far the functions' clocks and the source's may be apart. A source that was restored was away for longer."""

# as `pg_current_wal_insert_lsn()` writes it; name and offset of a binary log file
_POSTGRESQL_TEXT: Final = re.compile(r"([0-9A-Fa-f]{1,8})/([0-9A-Fa-f]{1,8})")
_MYSQL_TEXT: Final = re.compile(r"[^:/\s]{1,200}\.([0-9]{1,9}):([0-9]{1,19})")


@dataclass(frozen=True, slots=True)
class Token:
    """No change of a command lies behind `position`, which is of the kind `order`; it was sent at `sent_micros`."""

    order: str
    position: int
    sent_micros: int


class State(Enum):
    """What marks say of a token."""

    REACHED = "reached"
    BEHIND = "behind"
    UNPROVEN = "unproven"


def token_of(position: str, sent_micros: int) -> Token | None:
    """The token of a position as a source writes it; None of anything else."""
    if found := _POSTGRESQL_TEXT.fullmatch(position):
        return Token(POSTGRESQL, int(found[1], 16) << 32 | int(found[2], 16), sent_micros)
    if found := _MYSQL_TEXT.fullmatch(position):
        return Token(MYSQL, int(found[1]) << 96 | int(found[2]) << 32, sent_micros)
    return None


def signed(secret: bytes, token: Token) -> str:
    """For headers; opaque."""
    return cursors.sign(secret, _SIGNED, (token.order, f"{token.position:x}", str(token.sent_micros)))


def opened(secret: bytes, text: str) -> Token:
    """The token that `signed` was given. Raises Problem."""
    try:
        order, position, sent = cursors.open_cursor(secret, _SIGNED, text)
    except cursors.InvalidCursor as error:
        raise Problem(Kind.INVALID_CONSISTENCY_TOKEN, "send one as a command's answer had it, unchanged") from error
    return Token(order, int(position, 16), int(sent))


def state_of(token: Token, marks: Mapping[str, Mark], tables: Iterable[str], region: str) -> State:
    """Whether what is read in this region from now on has the command's changes of all these tables.

    Raises Problem for a token from before the source's log began anew: its position means something else there.
    """
    states = {_state(token, marks.get(table), region) for table in tables}
    return next((state for state in (State.BEHIND, State.UNPROVEN) if state in states), State.REACHED)


def _state(token: Token, mark: Mark | None, region: str) -> State:
    if mark is None or mark.position is None or mark.since_micros is None:
        return State.BEHIND
    if token.sent_micros < mark.since_micros:
        detail = "it is from before the source was restored or replaced: read without it, and look what is there"
        raise Problem(Kind.INVALID_CONSISTENCY_TOKEN, detail)
    if mark.order != token.order:
        return State.UNPROVEN
    # a mark that is older than the command has not seen it, whatever its position: it may be of another log
    if mark.commit_micros + CLOCKS_APART_MICROS < token.sent_micros or mark.position < token.position:
        return State.BEHIND
    return State.REACHED if mark.region == region else State.UNPROVEN


def behind_seconds(token: Token, marks: Mapping[str, Mark], tables: Iterable[str]) -> int | None:
    """How far the documents are behind the command, rounded up; None if that is not known."""
    times = [marks[table].commit_micros if table in marks else None for table in tables]
    known = [time for time in times if time is not None]
    if not known or len(known) < len(times):
        return None
    return max(0, -((min(known) - token.sent_micros) // MICROS))
