"""Versions of row changes: fixed-width text whose order is the order of the source's changes of one row.

The Kinesis sequence number is no version: PutRecords may deliver a retried record after its followers.
"""

from __future__ import annotations

import re
from typing import Final

NEVER: Final = ""
"""Smaller than every version: the version of a row nobody has seen."""

# hi/lo of the change's own log position; the rest of the field (a number and the commit's position) is no order
_POSTGRESQL_POSITION: Final = re.compile(r"([0-9A-Fa-f]{1,8})/([0-9A-Fa-f]{1,8})(?:\.|$)")


def change_version(incarnation: int, position: int, record_number: int) -> str:
    """Version of a change: source incarnation, 128-bit log position, record number in its transaction."""
    return f"{incarnation:04x}{position:032x}{record_number:014x}"


def load_version(incarnation: int, built_micros: int) -> str:
    """Version of a full-load row: below every change of its incarnation; a repeated load beats the first."""
    return f"{incarnation:04x}{0:032x}{built_micros:014x}"


def postgresql_position(stream_position: str) -> int | None:
    """The change's LSN as a 64-bit integer from `hi/lo.N.hi/lo`, or None when the text is something else."""
    match = _POSTGRESQL_POSITION.match(stream_position)
    if match is None:
        return None
    return int(match.group(1), 16) << 32 | int(match.group(2), 16)
