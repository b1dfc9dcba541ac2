"""The daemon's protocol over kclpy's own loop: records read straight from its lines, and no error swallowed."""

import select
import time
from collections.abc import Callable
from typing import Any, BinaryIO, Final, Literal, Protocol, TextIO

import msgspec
import orjson
from amazon_kclpy import kcl, messages

from worker import pulse
from worker.child.turns import Turns
from worker.errors import ProtocolError
from worker.value import Value

# a daemon that holds more records of the shard has sent them by then
AT_ONCE_SECONDS = 0.01

# one read of a shard brings 10 MB at most, and a third more in base64: what is far longer is no delivery
MAX_LINE_BYTES = 128 * 1024 * 1024

_ACTIONS = {
    "initialize": messages.InitializeInput,
    "leaseLost": messages.LeaseLostInput,
    "shardEnded": messages.ShardEndedInput,
    "shutdownRequested": messages.ShutdownRequestedInput,
    "checkpoint": messages.CheckpointInput,
}


class DaemonRecord(Value, frozen=True, rename="camel"):
    """One record of a delivery as KCL's daemon writes it; `data` is base64."""

    data: str
    partition_key: str
    sequence_number: str
    sub_sequence_number: int | None
    approximate_arrival_timestamp: int | None


class _Delivery(Value, frozen=True, rename="camel"):
    action: Literal["processRecords"]
    records: list[DaemonRecord]
    millis_behind_latest: int | None


_read_delivery: Final = msgspec.json.Decoder(_Delivery).decode


class DaemonGone(Exception):
    """The daemon closed its end: nothing can be reported or checkpointed any more."""


class LineHandler(kcl._IOHandler):  # type: ignore[misc]  # noqa: SLF001 - kclpy has no public base
    """Reads actions and writes answers; records are read as what they are, without a dictionary for each."""

    def __init__(self, source: BinaryIO, target: BinaryIO, errors: TextIO) -> None:
        super().__init__(source, target, errors)

    def read_line(self) -> bytes:
        """The next line, or nothing when the daemon closed its end. Raises ProtocolError for one that is too long."""
        pulse.rest()  # waiting for the daemon is no standstill
        line: bytes = self.input_file.readline(MAX_LINE_BYTES)
        pulse.beat()
        if len(line) == MAX_LINE_BYTES:
            raise ProtocolError(f"the daemon sent a line of more than {MAX_LINE_BYTES} bytes")
        return line

    def has_line(self, seconds: float) -> bool:
        """Whether the daemon sends something within so long, or closes its end.

        It sends one action and waits for the status: nothing more can have been read along with the last line.
        """
        waiting = select.poll()
        waiting.register(self.input_file, select.POLLIN)
        return bool(waiting.poll(1000 * seconds))

    def load_action(self, line: bytes) -> Any:
        """The action in a line.

        Raises DaemonGone for the end of input (kclpy asks for a line after a checkpoint without looking) and
        ProtocolError for anything the protocol does not know; its text does not quote the line, which holds records.
        """
        if not line:
            raise DaemonGone
        try:
            return _delivery(line) or _other_action(line)
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
            raise ProtocolError(
                f"the daemon sent a line of {len(line)} bytes that is no known action, or lacks something of one"
            ) from None

    def write_action(self, response: dict[str, Any]) -> None:
        """Send one answer. Raises DaemonGone when nobody reads it."""
        try:
            self.output_file.write(b"\n" + orjson.dumps(response) + b"\n")
            self.output_file.flush()
        except (BrokenPipeError, ValueError):
            raise DaemonGone from None


def _delivery(line: bytes) -> Any:
    """What nearly all lines are; None for any other."""
    try:
        found = _read_delivery(line)
    except ValueError:
        return None
    return messages.ProcessRecordsInput(
        {"action": found.action, "records": found.records, "millisBehindLatest": found.millis_behind_latest}
    )


def _other_action(line: bytes) -> Any:
    message = orjson.loads(line)
    return _ACTIONS[message["action"]](message)


class Between(Protocol):
    """A record processor that has work of its own."""

    def between_actions(self) -> bool:
        """Do a little of it; whether there may be more."""


class ShardProcess(kcl.KCLProcess):  # type: ignore[misc]
    """kclpy's loop, with our line handler and without its silent `except`.

    kclpy prints what a processor raised and then reports the action as done, and the next checkpoint would pass the
    records that failed. Here it ends the loop before any status is written.
    """

    def __init__(
        self,
        processor: Between,
        source: BinaryIO,
        target: BinaryIO,
        errors: TextIO,
        after_action: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(processor, source, target, errors)
        self._after_action = after_action
        self._clock = clock
        self._turns = Turns()
        self.io_handler = LineHandler(source, target, errors)
        self.checkpointer = kcl.Checkpointer(self.io_handler)

    def _perform_action(self, action: Any) -> None:
        action.dispatch(self.checkpointer, self.processor)

    def run(self) -> None:
        """Answer actions until the daemon closes its end, and work off what is due between them.

        As long as no action comes; while one waits, for a share of the time. Raises whatever an action raised.
        """
        while line := self.io_handler.read_line():
            if line.strip():
                began = self._clock()
                self._handle_a_line(line)
                self._turns.delivered(self._clock() - began)
                self._work_off()
                self._after_action()

    def _work_off(self) -> None:
        patience = AT_ONCE_SECONDS
        while self._turns.owes or not self.io_handler.has_line(patience):
            began = self._clock()
            if not self.processor.between_actions():
                self._turns.nothing_is_due()
                return
            self._turns.worked(self._clock() - began)
            patience = 0.0
