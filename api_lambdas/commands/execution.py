"""From a claimed key to the end of its command: when to send, when to ask first, and what to keep if nobody knows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from api_lambdas.commands.declared import Command, Dispatch, Idempotency
from api_lambdas.commands.idempotency import (
    RECORD_SECONDS,
    Asked,
    Claimed,
    Ended,
    IdempotencyRecords,
    InProgress,
    OtherRequest,
    OutcomeUnknown,
)
from api_lambdas.commands.issuing import Issuer
from api_lambdas.commands.monolith import Monolith
from api_lambdas.commands.verdict import ACCEPTED, Answer, Failure, Lookup, NoVerdict, looked_up, verdict
from api_lambdas.shared.dynamodb import StoreError
from api_lambdas.shared.log import Event, Log

# A holder may be slow before it dispatches; by the end of its claim it has stopped sending, whatever held it up.
CLAIM_MARGIN_SECONDS: Final = 5.0
MAX_LOOKUP_SECONDS: Final = 3.0
# Between the clocks of whoever named the primary and of this function.
CLOCKS_APART_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Accepted:
    """The monolith is at it; the command's status says how it goes on."""


@dataclass(frozen=True, slots=True)
class NotExecuted:
    """And it will not be, unless the request is repeated."""


@dataclass(frozen=True, slots=True)
class Unsettled:
    """It may have been executed; repeating the request tells, and executes it if it was not."""


Outcome = Ended | InProgress | OtherRequest | Accepted
State = Ended | InProgress | Accepted | NotExecuted | Unsettled


def nobody_before() -> None:
    """No other region has ever executed commands."""


class Executions:
    """Sends commands and asks after them. `timeout_seconds`: for commands that declare no other.

    `taken_over`: since when, in milliseconds, this region executes them after another one did; by then that one had
    stopped. None if there was none.
    """

    def __init__(
        self,
        records: IdempotencyRecords,
        monolith: Monolith,
        timeout_seconds: float,
        log: Log,
        issuer: Issuer,
        taken_over: Callable[[], int | None] = nobody_before,
    ) -> None:
        self._taken_over = taken_over
        self._records = records
        self._monolith = monolith
        self._timeout_seconds = timeout_seconds
        self._log = log
        self._issuer = issuer

    def claim_seconds(self, command: Command) -> float:
        """How long a claim has to hold."""
        return self._wait_seconds(command) + CLAIM_MARGIN_SECONDS

    def run(self, command: Command, dispatch: Dispatch, claimed: Claimed) -> Outcome:
        """End the command of a claimed key, or say why it has no end. Raises Problem, StoreError."""
        claimed = replace(claimed, doubt_until=self._doubt(command, claimed.doubt_until))
        if claimed.doubt_until is not None:
            settled = self._settled(command, claimed)
            if not isinstance(settled, Claimed):
                return settled
            claimed = settled
        while not claimed.begun or self._is_late(command, claimed):  # noting it may itself have taken long
            begun = self._records.begin(claimed, self.claim_seconds(command))
            if not isinstance(begun, Claimed):
                return begun
            claimed = begun
        sent_millis = self._records.now_millis()
        try:
            answer = verdict(self._monolith.send(dispatch, claimed.key, self._wait_seconds(command)))
        except NoVerdict as none:
            return self._without_verdict(command, claimed, none)
        if answer.status == ACCEPTED and command.lookup is not None:
            self._release(claimed, sent=True)
            return Accepted()
        return self._stored(command, claimed.key, answer, sent_millis)

    def state(self, command: Command, asked: Asked) -> State | None:
        """How it stands with a key of this caller's; sends no command. Raises Problem, StoreError."""
        record = self._records.read(asked)
        if record is None or record.ended is not None:
            return None if record is None else record.ended
        held_millis = record.claimed_until - self._records.now_millis()
        if held_millis >= 0:
            return InProgress(held_millis)
        doubt_until = self._doubt(command, record.doubt_until)
        if doubt_until is None:
            return NotExecuted()
        if command.idempotency is Idempotency.NONE:
            return self._records.store_unknown(asked.key)
        if command.lookup is None:
            return Unsettled()
        try:
            found = self._looked_up(command, asked.key, doubt_until)
        except NoVerdict as none:
            self._failed(command, none)
            raise none.problem(in_doubt=True) from none
        if isinstance(found, Answer):
            return self._stored(command, asked.key, found, self._records.now_millis())
        # a monolith that knows keys needs no time to come to rest, so that "not executed" may be too early
        return Unsettled() if isinstance(found, NotExecuted) and command.idempotency is Idempotency.HEADER else found

    def _doubt(self, command: Command, doubt_until: int | None) -> int | None:
        """Until when a command may have been sent that nobody knows the end of, as its record says it and more.

        What another region wrote last, before this one took over, may come late or never. So for as long as answers
        are kept, a record that is not here, or that knows of no doubt, says nothing. Where the monolith offers
        nothing, neither can anybody else tell, and commands go on as if all records were here.
        """
        since = self._taken_over()
        if since is None or command.idempotency is Idempotency.NONE:
            return doubt_until
        if since and self._records.now_millis() > since + RECORD_SECONDS * 1000:
            return doubt_until
        return max(doubt_until or 0, since + round(CLOCKS_APART_SECONDS * 1000))

    def _looked_up(self, command: Command, key: str, doubt_until: int) -> Answer | Accepted | InProgress | NotExecuted:
        """What the monolith says of a key that may have been executed. Raises NoVerdict.

        That it was not executed counts only when nobody sends any more and what was sent has come to rest.
        """
        dispatch = Dispatch("GET", command.lookup_path(key), b"")
        timeout_seconds = min(command.timeout_seconds or self._timeout_seconds, MAX_LOOKUP_SECONDS)
        # before the answer: what was at rest when it was given had been so since before
        rest = doubt_until + round(command.settle_seconds * 1000) - self._records.now_millis()
        found = looked_up(self._monolith.send(dispatch, key, timeout_seconds))
        if isinstance(found, Answer):
            return found
        if found is Lookup.IN_PROGRESS:
            return Accepted()
        return InProgress(rest) if rest > 0 else NotExecuted()

    def _stored(self, command: Command, key: str, answer: Answer, sent_millis: int) -> Ended:
        """Keep the answer and its token; those that were first are given."""
        answer = replace(answer, token=self._issuer.token(command, answer, sent_millis))
        try:
            return self._records.store(key, answer)
        except StoreError as error:
            # a lookup knows nothing of refusals: a repeat would be sent again, and perhaps be executed
            if answer.status >= 400 and command.idempotency is Idempotency.LOOKUP:
                raise
            # else saying what was answered is right, and the monolith is asked again for a repeat, if it can be
            self._log.write(Event.ANSWER_NOT_STORED, operation=error.operation, code=error.code)
            return answer

    def _settled(self, command: Command, claimed: Claimed) -> Outcome | Claimed:
        """What came of an earlier dispatch; the claim if the command may be sent (again)."""
        if command.idempotency is Idempotency.HEADER:
            return claimed
        if command.idempotency is Idempotency.NONE:
            return self._records.store_unknown(claimed.key)
        try:
            found = self._looked_up(command, claimed.key, claimed.doubt_until or 0)
        except NoVerdict as none:
            self._failed(command, none)
            self._release(claimed, sent=False)
            raise none.problem(in_doubt=True) from none
        if isinstance(found, Answer):
            return self._stored(command, claimed.key, found, self._records.now_millis())
        if isinstance(found, NotExecuted):
            return replace(claimed, doubt_until=None)
        self._release(claimed, sent=False)
        return found

    def _without_verdict(self, command: Command, claimed: Claimed, none: NoVerdict) -> Outcome:
        self._failed(command, none)
        if none.maybe_executed and command.idempotency is Idempotency.NONE:
            try:
                return self._records.store_unknown(claimed.key)
            except StoreError as error:  # the record is in doubt, which comes to the same
                self._log.write(Event.ANSWER_NOT_STORED, operation=error.operation, code=error.code)
                return OutcomeUnknown()
        self._release(claimed, sent=none.maybe_executed)
        if none.failure is Failure.TIMED_OUT and command.answer_within_seconds is not None:
            return Accepted()
        raise none.problem(in_doubt=claimed.doubt_until is not None) from none

    def _release(self, claimed: Claimed, *, sent: bool) -> None:
        try:
            self._records.release(claimed, sent=sent)
        except StoreError as error:  # then the claim ends by itself
            self._log.write(Event.ANSWER_NOT_STORED, operation=error.operation, code=error.code)

    def _failed(self, command: Command, none: NoVerdict) -> None:
        self._log.write(Event.DISPATCH_FAILED, command=command.name, reason=none.reason)

    def _is_late(self, command: Command, claimed: Claimed) -> bool:
        """Whether sending now could outlast the claim, as it could after a pause."""
        return self._records.now_millis() + round(self._wait_seconds(command) * 1000) > claimed.until_millis

    def _wait_seconds(self, command: Command) -> float:
        return command.answer_within_seconds or command.timeout_seconds or self._timeout_seconds
