"""The one error of this package."""

from __future__ import annotations


class InitError(Exception):
    """The source cannot be read, or nothing can be proposed. One line, without any value of a row or a password."""
