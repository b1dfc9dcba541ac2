"""One line on stderr for each thing an operator may act on; never a column value."""

import sys
from datetime import UTC, datetime


def log(line: str) -> None:
    """Write the line with the time (UTC)."""
    moment = datetime.now(UTC).isoformat(timespec="milliseconds")[:23]
    sys.stderr.write(f"{moment}Z dms {line}\n")
    sys.stderr.flush()
