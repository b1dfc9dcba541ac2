"""What a payload may hold before anything is made of it: bytes, members, objects in each other. Pure.

Whoever can write to the stream can write what is costly to read. Looking costs a few passes over the bytes; only a
payload with very many brackets or commas is looked at closer, for they may all stand in texts.
"""

from __future__ import annotations

import re
from typing import Final

from worker.records.errors import PoisonRecord, Reason

MAX_RECORD_BYTES: Final = 10 * 1024 * 1024
"""Kinesis carries no more in a record."""

MAX_DEPTH: Final = 64
"""DMS writes four levels; JSON columns come as text."""

MAX_MEMBERS: Final = 20_000
"""MySQL has tables of 4,096 columns, and a column may stand in a record three times: now, before, in the metadata."""

ANY_DEPTH: Final = MAX_MEMBERS
"""Of a record that is only to be stored without what must not be seen, however it is nested."""

NARROW_BYTES: Final = 2 * MAX_MEMBERS
"""In so many bytes there cannot be too many members."""

_STRING: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\Z)', re.DOTALL)
"""One that does not end goes to the end of the data: looked for again behind each quote, it would take for ever."""
_BRACKET: Final = re.compile(rb"[\[\]{}]")


def is_wide(data: bytes) -> bool:
    """Whether there are so many separators that `check` has to look closer. Cheap for what is not long."""
    return len(data) > NARROW_BYTES and (
        len(data) > MAX_RECORD_BYTES or max(data.count(b","), data.count(b":")) > MAX_MEMBERS
    )


def check(data: bytes, max_depth: int = MAX_DEPTH) -> None:
    """Raise PoisonRecord, without a value, for what is not even to be parsed."""
    if len(data) > MAX_RECORD_BYTES:
        raise _over(f"the record takes {len(data)} bytes, at most {MAX_RECORD_BYTES} are read")
    wide = is_wide(data)
    if not wide and data.count(b"[") + data.count(b"{") <= max_depth:
        return
    marks = _STRING.sub(b"", data)
    if max(marks.count(b","), marks.count(b":"), marks.count(b"["), marks.count(b"{")) > MAX_MEMBERS:
        raise _over(f"the record has more than {MAX_MEMBERS} members")
    depth = 0
    for bracket in _BRACKET.findall(marks):
        depth += 1 if bracket in b"[{" else -1
        if depth > max_depth:
            raise _over(f"the record's values are nested more than {max_depth} levels deep")


def _over(detail: str) -> PoisonRecord:
    return PoisonRecord(Reason.OVER_LIMIT, detail)
