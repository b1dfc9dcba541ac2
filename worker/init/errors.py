"""The one error of this package."""

from __future__ import annotations

from worker.errors import NearviewError


class InitError(NearviewError):
    """The source cannot be read, or nothing can be proposed. One line, without any value of a row or a password."""
