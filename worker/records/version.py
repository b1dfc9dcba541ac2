"""Versions of row changes: fixed-width text whose order is the order of the source's changes of one row.

The Kinesis sequence number is no version: PutRecords may deliver a retried record after its followers.
"""

from __future__ import annotations

from typing import Final

NEVER: Final = ""
"""Smaller than every version: the version of a row nobody has seen."""

_NO_POSITION: Final = f"{0:032x}"


def change_version(incarnation: int, position: int, record_number: int) -> str:
    """Version of a change: source incarnation, 128-bit log position, record number in its transaction."""
    # two thirds of the time that formatting them takes
    return (incarnation << 184 | position << 56 | record_number).to_bytes(25, "big").hex()


def position_of(version: str) -> int:
    """The log position in a version."""
    return int(version[4:36], 16)


def just_below(version: str) -> str:
    """The greatest text of a version's width that is smaller: what a bound says that the version itself passes."""
    return f"{int(version, 16) - 1:0{len(version)}x}"


def load_version(incarnation: int, built_micros: int) -> str:
    """Version of a full-load row: below every change of its incarnation; a repeated load beats the first."""
    return f"{incarnation:04x}{_NO_POSITION}{built_micros:014x}"


def is_loaded(version: str) -> bool:
    """Whether it is the version of a full-load row."""
    return version[4:36] == _NO_POSITION
