"""The one error of this package."""

from __future__ import annotations


class VerifyError(Exception):
    """Nothing can be verified: a usage or connection error. The message is one line a problem, without any value."""
