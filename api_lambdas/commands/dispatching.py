"""Where a command is executed: here, in the primary region, or nowhere at the moment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from api_lambdas.commands.declared import Dispatch
from api_lambdas.commands.monolith import Monolith
from api_lambdas.commands.verdict import Failure, NoVerdict
from api_lambdas.commands.verdict import Reply as MonolithReply
from api_lambdas.regions.breaker import Breaker, Pass, Refused
from api_lambdas.regions.forward import EXECUTED_IN_HEADER, Forwarder, Lost, NoReply, Reply, caller_of, forwarded_epoch
from api_lambdas.regions.sent import Sent
from api_lambdas.regions.settings import PAUSE_SECONDS
from api_lambdas.regions.state import RETRY_SECONDS, Closed, Execute, Forward, Reason
from api_lambdas.regions.table import Regions
from api_lambdas.shared.http import Kind, Problem, Request, Response
from api_lambdas.shared.log import Event, Log
from contract.regions import Primary

MONOLITH: Final = "monolith"
_SICK: Final = frozenset({Failure.NOT_REACHED, Failure.NOT_REACHED_IN_TIME, Failure.NO_REPLY, Failure.TIMED_OUT})
_NOBODY_THERE: Final = frozenset({502, 503, 504})
_REPEAT: Final = "repeat the request with the same Idempotency-Key"


class GuardedMonolith(Monolith):
    """The monolith behind its breaker, and asked only while this region is certain to be the primary."""

    def __init__(self, url: str, regions: Regions, breaker: Breaker) -> None:
        super().__init__(url)
        self._regions = regions
        self._breaker = breaker

    def send(self, dispatch: Dispatch, idempotency_key: str, timeout_seconds: float) -> MonolithReply:
        """As the monolith's. Raises CommandsClosed, a NoVerdict, without having sent anything."""
        passed = self._breaker.admit(timeout_seconds)
        if isinstance(passed, Refused):
            raise CommandsClosed(Closed(Reason.BREAKER_OPEN, passed.seconds))
        # claiming took its time, and so did the breaker: only now it counts
        way = self._regions.way(timeout_seconds + PAUSE_SECONDS)
        if not isinstance(way, Execute):
            raise CommandsClosed(way if isinstance(way, Closed) else Closed(Reason.NOT_PRIMARY))
        return self._sent(passed, dispatch, idempotency_key, timeout_seconds)

    def _sent(self, passed: Pass, dispatch: Dispatch, key: str, timeout_seconds: float) -> MonolithReply:
        try:
            reply = super().send(dispatch, key, timeout_seconds)
        except NoVerdict as none:
            self._breaker.report(passed, well=none.failure not in _SICK, reason=none.reason)
            raise
        self._breaker.report(passed, well=reply.status not in _NOBODY_THERE, reason=f"status_{reply.status}")
        return reply


class Dispatching:
    """Decides for every command. `breaker` gives that of a target, `monolith` is what `here` has to send to."""

    def __init__(
        self,
        regions: Regions,
        breaker: Callable[[str], Breaker],
        forwarder: Forwarder,
        monolith: GuardedMonolith,
        forwarders: frozenset[str],
        log: Log,
    ) -> None:
        self._forwarders = forwarders
        self.monolith = monolith
        self._regions = regions
        self._breaker = breaker
        self._forwarder = forwarder
        self._log = log

    def caller(self, request: Request, caller: str) -> str:
        """Who has called, as the records of keys know them. Raises Problem."""
        return caller_of(request, caller, self._forwarders)

    def taken_over_millis(self) -> int | None:
        """Since when commands are executed here after another region executed them; None if none did before."""
        micros = self._regions.taken_over_micros()
        return None if micros is None else micros // 1000

    def answer(self, request: Request, sent: Sent, here: Callable[[], Response]) -> Response:
        """The answer to a checked command, or to a question after one; `here` gives it. Raises Problem."""
        way = self._regions.way(sent.seconds, forwarded_epoch(request))
        if isinstance(way, Closed):
            self._log.write(Event.COMMANDS_CLOSED, reason=way.reason.code)
            raise closed(way)
        if isinstance(way, Forward):
            return self._forward(way.primary, request, sent)
        response = here()
        return replace(response, headers={**response.headers, EXECUTED_IN_HEADER: self._regions.region})

    def _forward(self, primary: Primary, request: Request, sent: Sent) -> Response:
        breaker = self._breaker(primary.region)
        passed = breaker.admit(sent.seconds)
        if isinstance(passed, Refused):
            raise closed(Closed(Reason.BREAKER_OPEN, passed.seconds))
        try:
            reply = self._forwarder.send(primary, request, sent)
        except NoReply as none:
            self._log.write(Event.FORWARD_FAILED, region=primary.region, reason=none.lost.value)
            breaker.report(passed, well=False, reason=none.lost.value)
            raise _no_reply(none.lost) from none
        breaker.report(passed, well=reply.is_of_a_function or reply.status < 500, reason=f"status_{reply.status}")
        if not reply.is_of_a_function:
            self._log.write(Event.FORWARD_FAILED, region=primary.region, reason=f"status_{reply.status}")
            raise _of_the_gateway(reply)
        return Response(reply.status, reply.body.decode("utf-8", "replace"), reply.handed_on())


class CommandsClosed(NoVerdict):
    """Nothing was sent, for a reason that is no fault of the monolith."""

    def __init__(self, why: Closed) -> None:
        super().__init__(Failure.NOT_REACHED)
        self.reason = why.reason.code
        self._why = why

    def problem(self, *, in_doubt: bool = False) -> Problem:
        """What the caller is told."""
        return closed(self._why, in_doubt=in_doubt)


def closed(why: Closed, *, in_doubt: bool = False) -> Problem:
    """The answer to a command that is not taken; `in_doubt`: an earlier request may have been executed."""
    wait = {"retry-after": str(why.retry_seconds)}
    # of an earlier request with the same key nothing is known here, unless somebody holds its claim
    executed = "what became of an earlier request is unknown" if in_doubt else "this request executed nothing"
    detail = f"{why.reason.detail}; {executed}: {_REPEAT}"
    return Problem(Kind.COMMANDS_CLOSED, detail, headers=wait, reason=why.reason.code)


def _no_reply(lost: Lost) -> Problem:
    if lost is Lost.NOT_SENT:
        return closed(Closed(Reason.PRIMARY_UNREACHABLE))
    detail = f"the outcome is unknown: {_REPEAT}"
    return Problem(Kind.PRIMARY_TIMEOUT if lost is Lost.TIMED_OUT else Kind.PRIMARY_UNAVAILABLE, detail)


def _of_the_gateway(reply: Reply) -> Problem:
    if reply.status == Kind.TOO_MANY_REQUESTS.status:
        wait = {"retry-after": str(RETRY_SECONDS)}
        return Problem(Kind.TOO_MANY_REQUESTS, "the region that executes commands takes no more now", headers=wait)
    if reply.status < 500:
        return Problem(Kind.PRIMARY_UNAVAILABLE, "its gateway refused the request; this request executed nothing")
    return Problem(Kind.PRIMARY_UNAVAILABLE, f"the outcome is unknown: {_REPEAT}")
