"""What the business refuses. str() is for the caller and names keys, never other values."""

from __future__ import annotations

from typing import Any


class BusinessError(Exception):
    """A command that was refused and had no effect; `status` is its HTTP status."""

    status = 400
    title = "The request cannot be understood"


class InvalidCommandError(BusinessError):
    """The command is understood, but a value of it is not allowed."""

    status = 422
    title = "A value is not allowed"


class NotFoundError(BusinessError):
    """Something the command names does not exist."""

    status = 404
    title = "Not found"


class ConflictError(BusinessError):
    """The present state does not allow the command."""

    status = 409
    title = "Not possible in the present state"


def require_row(cursor: Any, what: str) -> None:
    """Refuse when the statement just executed found no row: `what` does not exist."""
    if cursor.rowcount == 0:
        raise NotFoundError(f"{what} does not exist")
