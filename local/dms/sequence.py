"""The values of DMS's `$AR_H_CHANGE_SEQ`: the commit time to a hundredth of a second, and a counter that only rises."""

from datetime import datetime

_COUNTER_DIGITS = 19


class ChangeSequence:
    """The counter of one task and the latest commit time it has used."""

    def __init__(self, counter: int, latest: str) -> None:
        """Go on after `counter`; `latest` is the time of its value, as 16 digits, empty for none."""
        self.counter = counter
        self.latest = latest

    def begin(self, committed: datetime) -> None:
        """A transaction starts. Commit times may fall a little from one to the next; the sequence must not."""
        self.latest = max(self.latest, f"{committed:%Y%m%d%H%M%S}{committed.microsecond // 10_000:02d}")

    def next(self) -> str:
        """The value of the next change: 35 digits."""
        self.counter += 1
        return f"{self.latest}{self.counter:0{_COUNTER_DIGITS}d}"
