"""Checkpoints with the daemon's refusals sorted: done, later, lease gone, or the end of this process."""

import enum
import random
from collections.abc import Callable
from typing import Any

from amazon_kclpy.checkpoint_error import CheckpointError

from worker.errors import ProtocolError
from worker.log import Event, Log

_RETRIED = ("ThrottlingException", "KinesisClientLibDependencyException")
_LEASE_GONE = "ShutdownException"
FIRST_DELAY_SECONDS = 0.1
LONGEST_DELAY_SECONDS = 5.0


class Outcome(enum.Enum):
    """What became of a checkpoint."""

    DONE = enum.auto()
    DELAYED = enum.auto()
    LEASE_LOST = enum.auto()


class Checkpoints:
    """Asks for checkpoints; `sleep` and `jitter` (0 to 1) are injected."""

    def __init__(self, log: Log, sleep: Callable[[float], None], jitter: Callable[[], float] = random.random) -> None:
        self._log = log
        self._sleep = sleep
        self._jitter = jitter

    def at(self, checkpointer: Any, sequence_number: str, sub_sequence_number: int, attempts: int) -> Outcome:
        """Checkpoint a record that is durable, with up to `attempts` tries against throttling.

        DELAYED leaves the old checkpoint, which is safe: the next one covers it. Raises ProtocolError if the daemon
        answers with anything that trying again cannot change.
        """
        return self._ask(lambda: checkpointer.checkpoint(sequence_number, sub_sequence_number), attempts)

    def shard_end(self, checkpointer: Any, attempts: int) -> Outcome:
        """Checkpoint the end of the shard. It has no sequence number: with one, KCL would never write SHARD_END."""
        return self._ask(checkpointer.checkpoint, attempts)

    def _ask(self, request: Callable[[], None], attempts: int) -> Outcome:
        for attempt in range(1, attempts + 1):
            try:
                request()
            except CheckpointError as error:
                if error.value == _LEASE_GONE:
                    self._log.info(Event.CHECKPOINT_REFUSED, reason=error.value)
                    return Outcome.LEASE_LOST
                if error.value not in _RETRIED:
                    raise ProtocolError(f"the daemon refused a checkpoint: {error.value}") from error
                self._log.warning(Event.CHECKPOINT_DELAYED, reason=error.value, attempt=attempt)
            else:
                return Outcome.DONE
            if attempt < attempts:
                longest = min(LONGEST_DELAY_SECONDS, FIRST_DELAY_SECONDS * 2**attempt)
                self._sleep(longest * (0.5 + self._jitter() / 2))
        return Outcome.DELAYED
