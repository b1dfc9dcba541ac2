"""What an operator asks for: from where on, and which shards. Pure: the clock is handed in."""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from worker import instants
from worker.errors import FatalError

_EPOCH: Final = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_AGO: Final = re.compile(r"(?:(\d{1,6})d)?(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,6})s)?")
_AGO_UNITS: Final = (86_400_000, 3_600_000, 60_000, 1000)


class Kind(StrEnum):
    """How the beginning is named."""

    START = "from the oldest records"
    TIMESTAMP = "from a time"
    SEQUENCE = "from sequence numbers"


@dataclass(frozen=True, slots=True)
class Request:
    """From where on to read again. `shards` empty: all of them; `sequences`: shard to sequence number."""

    kind: Kind
    millis: int = 0
    sequences: dict[str, str] = field(default_factory=dict)
    shards: frozenset[str] = frozenset()

    @property
    def named(self) -> frozenset[str]:
        """The shards that the operator names."""
        return self.shards | self.sequences.keys()

    def text(self) -> str:
        """For people."""
        if self.kind is Kind.START:
            point = "from the oldest record kept"
        elif self.kind is Kind.TIMESTAMP:
            point = f"from {instant(self.millis)}"
        else:
            point = "from " + ", ".join(f"{shard}={number}" for shard, number in sorted(self.sequences.items()))
        return point + (f" of {', '.join(sorted(self.shards))}" if self.shards else "")


def parse_request(
    from_start: bool, from_timestamp: str | None, from_sequence: Sequence[str], shards: Sequence[str], now_millis: int
) -> Request:
    """The options of the command line. Raises FatalError with what is wrong."""
    if [from_start, bool(from_timestamp), bool(from_sequence)].count(True) != 1:
        raise FatalError("give one of --from-start, --from-timestamp and --from-sequence")
    if from_sequence:
        return Request(Kind.SEQUENCE, sequences=_sequences(from_sequence, shards))
    if from_timestamp is not None and from_timestamp:
        return Request(Kind.TIMESTAMP, _past(from_timestamp, now_millis), shards=frozenset(shards))
    return Request(Kind.START, shards=frozenset(shards))


def _past(text: str, now_millis: int) -> int:
    millis = parse_moment(text, "--from-timestamp", now_millis)
    if millis > now_millis:
        raise FatalError(f"--from-timestamp {text} is in the future")
    return millis


def _sequences(texts: Sequence[str], shards: Sequence[str]) -> dict[str, str]:
    if len(texts) == 1 and "=" not in texts[0] and len(shards) == 1:
        texts = [f"{shards[0]}={texts[0]}"]
    elif shards:
        raise FatalError("--shard goes with --from-sequence only as one shard and one number; else give SHARD=NUMBER")
    found: dict[str, str] = {}
    for text in texts:
        shard, equals, number = text.partition("=")
        if not equals or not shard or not number.isascii() or not number.isdigit():
            raise FatalError(f"--from-sequence {text} is not SHARD=NUMBER")
        if shard in found:
            raise FatalError(f"--from-sequence names {shard} twice")
        found[shard] = number
    return found


def parse_moment(text: str, option: str, now_millis: int) -> int:
    """Epoch milliseconds of a time like 2026-01-31T12:00:00Z, or of so long ago like 1h30m. Raises FatalError."""
    ago = _AGO.fullmatch(text)
    if ago and text:
        return now_millis - sum(int(n or 0) * unit for n, unit in zip(ago.groups(), _AGO_UNITS, strict=True))
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise FatalError(f"{option} {text} is neither a time like 2026-01-31T12:00:00Z nor a span like 1h30m") from None
    if moment.tzinfo is None:
        raise FatalError(f"{option} {text} names no time zone: add Z for UTC")
    if moment < _EPOCH:
        raise FatalError(f"{option} {text} is before 1970")
    return (moment - _EPOCH) // datetime.timedelta(milliseconds=1)


def instant(millis: int) -> str:
    """A time for people and for JSON."""
    return instants.instant(millis * 1000, "milliseconds")


def span(seconds: float) -> str:
    """How long, for people: two units at most."""
    if seconds < 10:
        return f"{max(0.0, seconds):.1f} s"
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    if whole < 86_400:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 86_400} d {whole % 86_400 // 3600} h"
