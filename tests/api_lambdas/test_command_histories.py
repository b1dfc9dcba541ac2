"""Commands through lost and late messages, deaths between any two steps, pauses, repeats: one effect, one answer."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import replace
from typing import Any, Final

import pytest

from api_lambdas.commands import execution, verdict
from api_lambdas.commands.declared import Idempotency
from api_lambdas.commands.execution import Executions, NotExecuted, nobody_before
from api_lambdas.commands.idempotency import Asked, Claimed, IdempotencyRecords, InProgress
from api_lambdas.commands.verdict import Answer, Failure, Lookup, NoVerdict
from tests.api_lambdas.command_histories import KEY, SETTINGS, History

HISTORIES: Final = 80
SEEDS_OF_A_VARIANT: Final = 1500


@pytest.mark.parametrize("name", SETTINGS)
def test_each_key_has_one_effect_and_one_answer(name: str) -> None:
    """None has at most one effect, is sent at most once, and is never said not to have been executed if it was."""
    told, lost = set[str](), 0
    for seed in range(HISTORIES):
        history = History(SETTINGS[name], seed)
        assert history.run() == [], f"{name}, seed {seed}"
        told |= history.told.states
        lost += history.told.lost
    assert told >= {"201", "in-progress", "finished", *MET[name]}
    assert (lost > HISTORIES // 4) is SETTINGS[name].taken_over


MET: Final = {
    "header": {"unsettled", "not-executed", "409", "monolith-timeout"},
    "lookup": {"not-executed", "409", "monolith-timeout"},
    "none": {"unknown", "outcome-unknown", "not-executed", "409"},
    "header, slow": {"202", "unsettled"},
    "lookup, slow": {"202", "not-executed"},
    "lookup, answered within": {"202", "not-executed"},
    "header, taken over": {"unsettled", "409"},
    "lookup, taken over": {"not-executed", "409"},
    "lookup, slow, taken over": {"202", "not-executed"},
}
"""What has to come up among the histories, else they show nothing."""


@pytest.mark.long
@pytest.mark.parametrize("name", SETTINGS)
def test_thousands_of_histories(name: str) -> None:
    """The same with more, and with more faults."""
    for seed in range(4_000):
        assert History(SETTINGS[name], seed, 0.15 + seed % 4 * 0.1).run() == [], f"{name}, seed {seed}"


def _dispatch_not_noted(patch: Any) -> None:
    patch(IdempotencyRecords, "begin", lambda _, claimed, seconds: replace(claimed, begun=True))


def _lookup_not_asked(patch: Any) -> None:
    _settled_by(patch, Idempotency.LOOKUP)


def _unknown_is_repeated(patch: Any) -> None:
    _settled_by(patch, Idempotency.NONE)


def _settled_by(patch: Any, kind: Idempotency) -> None:
    """As if the monolith recognised keys."""
    right = Executions._settled

    def settled(self: Any, command: Any, claimed: Claimed) -> Any:
        return claimed if command.idempotency is kind else right(self, command, claimed)

    patch(Executions, "_settled", settled)


def _settle_time_forgotten(patch: Any) -> None:
    right = Executions._looked_up
    patch(
        Executions, "_looked_up", lambda self, command, *rest: right(self, replace(command, settle_seconds=0.0), *rest)
    )


def _not_executed_at_once(patch: Any) -> None:
    right = Executions._looked_up

    def looked_up(self: Any, command: Any, key: str, doubt_until: int) -> Any:
        return right(self, command, key, 0)

    patch(Executions, "_looked_up", looked_up)


def _doubt_ends_with_the_claim(patch: Any) -> None:
    right = IdempotencyRecords.release
    patch(IdempotencyRecords, "release", lambda self, claimed, sent: right(self, claimed, sent=False))


def _earlier_doubt_is_forgotten(patch: Any) -> None:
    right = IdempotencyRecords.release

    def release(self: Any, claimed: Claimed, *, sent: bool) -> None:
        right(self, claimed if sent else replace(claimed, doubt_until=None), sent=sent)

    patch(IdempotencyRecords, "release", release)


def _busy_is_not_executed(patch: Any) -> None:
    right: Callable[..., None] = NoVerdict.__init__

    def init(self: NoVerdict, failure: Failure, **options: Any) -> None:
        right(self, failure, **options)
        self.maybe_executed = self.maybe_executed and failure is not Failure.BUSY

    patch(NoVerdict, "__init__", init)


def _claims_are_not_conditional(patch: Any) -> None:
    right = IdempotencyRecords._put

    def put(self: Any, record: dict[str, Any], now_seconds: int) -> None:
        right(self, record, 2**40)  # whatever is there has expired

    patch(IdempotencyRecords, "_put", put)
    right_claim = IdempotencyRecords.claim
    patch(
        IdempotencyRecords,
        "claim",
        lambda self, asked, seconds: right_claim(self, replace(asked, forgets=True), seconds),
    )


def _a_held_claim_is_taken(patch: Any) -> None:
    right = IdempotencyRecords._standing

    def standing(self: Any, item: Any, asked: Any, claimed: Any, now: int, **options: Any) -> Any:
        return right(self, item, asked, claimed, now + 60_000, **options)

    patch(IdempotencyRecords, "_standing", standing)


def _answers_are_overwritten(patch: Any) -> None:
    _conditions_without(patch, "attribute_not_exists(answer) AND attribute_not_exists(outcome_unknown)")


def _conditions_without(patch: Any, what: str) -> None:
    right = IdempotencyRecords._update

    def update(self: Any, key: str, text: str, condition: str, *rest: Any, **options: Any) -> None:
        right(self, key, text, condition.replace(what, "attribute_exists(pk)"), *rest, **options)

    patch(IdempotencyRecords, "_update", update)


def _callers_are_not_told_apart(patch: Any) -> None:
    right = IdempotencyRecords.claim
    patch(IdempotencyRecords, "claim", lambda self, asked, seconds: right(self, replace(asked, caller="all"), seconds))
    read = IdempotencyRecords.read
    patch(IdempotencyRecords, "read", lambda self, asked: read(self, replace(asked, caller="all")))


def _doubt_is_forgotten_with_time(patch: Any) -> None:
    right = IdempotencyRecords.claim
    patch(IdempotencyRecords, "claim", lambda self, asked, seconds: right(self, replace(asked, forgets=True), seconds))


def _failed_lookup_is_not_executed(patch: Any) -> None:
    right = Executions._looked_up

    def looked_up(self: Any, *arguments: Any) -> Any:
        try:
            return right(self, *arguments)
        except NoVerdict:
            return NotExecuted()

    patch(Executions, "_looked_up", looked_up)


def _being_executed_is_not_executed(patch: Any) -> None:
    right = verdict.looked_up

    def looked_up(reply: Any) -> Any:
        found = right(reply)
        return Lookup.NOT_EXECUTED if found is Lookup.IN_PROGRESS else found

    patch(execution, "looked_up", looked_up)


def _accepted_is_an_answer(patch: Any) -> None:
    patch(execution, "ACCEPTED", 0)


def _first_answer_is_not_kept(patch: Any) -> None:
    right = IdempotencyRecords.store

    def store(self: Any, key: str, answer: Answer) -> Any:
        right(self, key, answer)
        return answer

    patch(IdempotencyRecords, "store", store)


def _nothing_is_lost(patch: Any) -> None:
    patch(Executions, "_doubt", lambda _, command, doubt_until: doubt_until)


def _only_keys_without_a_record_may_be_lost(patch: Any) -> None:
    right = Executions.run

    def run(self: Executions, command: Any, dispatch: Any, claimed: Claimed) -> Any:
        return right(self if claimed.begun else _never_taken_over(self), command, dispatch, claimed)

    patch(Executions, "run", run)


def _what_is_lost_has_come_to_rest(patch: Any) -> None:
    right = Executions._doubt

    def doubt(self: Executions, command: Any, doubt_until: int | None) -> int | None:
        found = right(self, command, doubt_until)
        return found if found == doubt_until else doubt_until or 0

    patch(Executions, "_doubt", doubt)


def _a_status_takes_nothing_for_lost(patch: Any) -> None:
    right = Executions.state
    patch(Executions, "state", lambda self, command, asked: right(_never_taken_over(self), command, asked))


def _never_taken_over(executions: Executions) -> Executions:
    one = copy(executions)
    one._taken_over = nobody_before
    return one


def _what_was_noted_is_in_time(patch: Any) -> None:
    right = IdempotencyRecords.begin

    def begin(self: IdempotencyRecords, claimed: Claimed, seconds: float) -> Any:
        found = right(self, claimed, seconds)
        return replace(found, until_millis=2**60) if isinstance(found, Claimed) else found

    patch(IdempotencyRecords, "begin", begin)


VARIANTS: Final = {
    "dispatch not noted before it": ("none", _dispatch_not_noted, 43),
    "lookup not asked": ("lookup", _lookup_not_asked, 3),
    "unknown is repeated": ("none", _unknown_is_repeated, 0),
    "settle time forgotten": ("lookup", _settle_time_forgotten, 32),
    "not executed, at once": ("lookup", _not_executed_at_once, 32),
    "doubt ends with the claim": ("lookup", _doubt_ends_with_the_claim, 5),
    "earlier doubt is forgotten": ("header", _earlier_doubt_is_forgotten, 82),
    "busy means not executed": ("none", _busy_is_not_executed, 30),
    "claims without a condition": ("lookup", _claims_are_not_conditional, 0),
    "a held claim is taken": ("lookup", _a_held_claim_is_taken, 263),
    "ends are overwritten": ("none", _answers_are_overwritten, 266),
    "the first answer is not given": ("none", _first_answer_is_not_kept, 519),
    "callers are not told apart": ("header", _callers_are_not_told_apart, 0),
    "doubt is forgotten with time": ("lookup", _doubt_is_forgotten_with_time, 24),
    "a failed lookup means not executed": ("lookup", _failed_lookup_is_not_executed, 5),
    "being executed means not executed": ("lookup, slow", _being_executed_is_not_executed, 0),
    "accepted is an answer": ("lookup, slow", _accepted_is_an_answer, 0),
    "what was noted is in time": ("lookup, answered within", _what_was_noted_is_in_time, 765),
    "no record is lost": ("lookup, taken over", _nothing_is_lost, 6),
    "only whole records are lost": ("lookup, taken over", _only_keys_without_a_record_may_be_lost, 122),
    "what is lost has come to rest": ("lookup, taken over", _what_is_lost_has_come_to_rest, 231),
    "a status takes nothing for lost": ("header, taken over", _a_status_takes_nothing_for_lost, 117),
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_broken_variant_is_caught(variant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some history goes wrong with it; the search begins where one was found."""
    name, plant, first = VARIANTS[variant]
    plant(monkeypatch.setattr)
    assert any(History(SETTINGS[name], seed).run() for seed in range(first, first + SEEDS_OF_A_VARIANT))


@pytest.mark.parametrize("taken_over", [False, True])
def test_a_sender_that_was_paused_looks_at_its_claim_again(taken_over: bool) -> None:
    """It must not send when a repeat may already have asked, or when the claim is somebody else's."""
    history = History(SETTINGS["lookup"], 0, faults=0.0)
    command, world = SETTINGS["lookup"].command, history.world
    records, executions = history.api._records, history.api._executions
    asked = Asked(KEY, command.name, "me", "hash", forgets=False)
    outcomes: list[Any] = []

    def paused() -> None:
        claim = records.claim(asked, executions.claim_seconds(command))
        assert isinstance(claim, Claimed)
        world.now += 10.0
        if taken_over:
            records.claim(asked, executions.claim_seconds(command))
        outcomes.append(executions.run(command, command.dispatch({}), claim))

    world.run([paused])

    assert history.monolith.sent[KEY] == (0 if taken_over else 1)
    assert isinstance(outcomes[0], InProgress) is taken_over
    until = history.table.item(KEY).get("doubt_until", {}).get("N")
    assert taken_over or until is None


def test_a_sender_that_was_paused_while_it_noted_its_dispatch_notes_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """When it sends, the record says so for as long as that may take."""
    history = History(SETTINGS["lookup"], 0, faults=0.0)
    command, world = SETTINGS["lookup"].command, history.world
    records, executions = history.api._records, history.api._executions
    begin, send = IdempotencyRecords.begin, history.monolith.send
    pauses, ahead = [20.0, 0.0], list[float]()

    def slow(self: IdempotencyRecords, claimed: Claimed, seconds: float) -> Any:
        found = begin(self, claimed, seconds)
        world.now += pauses.pop(0)
        return found

    def watched(dispatch: Any, key: str, timeout_seconds: float) -> Any:
        ahead.append(int(history.table.item(KEY)["doubt_until"]["N"]) / 1000 - world.now - timeout_seconds)
        return send(dispatch, key, timeout_seconds)

    monkeypatch.setattr(IdempotencyRecords, "begin", slow)
    monkeypatch.setattr(history.monolith, "send", watched)
    asked = Asked(KEY, command.name, "me", "hash", forgets=False)

    def paused() -> None:
        claim = records.claim(asked, executions.claim_seconds(command))
        assert isinstance(claim, Claimed)
        world.now += 10.0
        executions.run(command, command.dispatch({}), claim)

    world.run([paused])

    assert pauses == []
    assert [seconds >= 0 for seconds in ahead] == [True]
