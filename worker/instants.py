"""Times as records and operators have them: ISO 8601 in UTC, with a Z. Pure."""

from __future__ import annotations

import datetime
from typing import Final

_EPOCH: Final = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


def instant(micros: int, timespec: str = "microseconds") -> str:
    """The text of epoch microseconds, cut to seconds, milliseconds or microseconds."""
    moment = _EPOCH + datetime.timedelta(microseconds=micros)
    return moment.isoformat(timespec=timespec).replace("+00:00", "Z")
