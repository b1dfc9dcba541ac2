"""The worker's errors; whether a failure is retried is a property of its class.

`str(error)` is one line that names what failed. It never holds a record body or a column value, so it may be logged.
"""

from collections.abc import Sequence


class NearviewError(Exception):
    """Base of every error raised on purpose."""


class FatalError(NearviewError):
    """The process cannot go on at all: it exits non-zero without reporting its batch done."""


class TransientError(NearviewError):
    """Throttling, time-outs, lost replies: held and retried with jittered back-off, for ever."""


class SettingsError(FatalError):
    """One or more settings are wrong; `problems` has a line for each of them."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


class ProtocolError(FatalError):
    """The daemon sent what the protocol does not allow, or refused what it always allows."""
