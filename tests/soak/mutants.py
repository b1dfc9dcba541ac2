"""Planted defects of checkpoints, of the store and of parking: the soak is worth something only if it shows each.

A defect is patched into a child after its fork. `rows` and `seed` name a run that it fails; the same run is right
without it (test_mutants.py).
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from msgspec import structs

from worker import intake
from worker.child.checkpoints import Checkpoints, Outcome
from worker.child.processor import ShardProcessor, stream_record
from worker.child.protocol import ShardProcess
from worker.errors import NearviewError
from worker.parked.parking import Parking
from worker.patience import Patience
from worker.projection.operations import APPLIED, Insert, Replace, TableName, Update
from worker.store import dynamodb
from worker.store.dynamodb import DynamoStore


@dataclass(frozen=True, slots=True)
class Mutant:
    """What is broken, how, and a run that shows it."""

    broken: str
    plant: Callable[[], None]
    rows: tuple[int, ...]
    seed: int = 0


def _checkpoint_before_durable() -> None:
    right = ShardProcessor.process_records

    def process_records(self: Any, action: Any) -> None:
        if action.records and not self._lease_lost:
            self._durable = _position(self._shard, action.records[-1])
            self._checkpoint(action.checkpointer)
        right(self, action)

    _patch(ShardProcessor, process_records)


def _position(shard: str, record: Any) -> tuple[str, int]:
    found = stream_record(shard, record)
    return found.sequence_number, found.sub_sequence_number


def _partial_batch_checkpointed() -> None:
    _take_for_durable(lambda delivered, _: delivered[-1])


def _whole_sequence_checkpointed() -> None:
    _take_for_durable(
        lambda delivered, durable: max((at for at in delivered if at[0] == durable[0]), key=lambda at: at[1])
    )


def _take_for_durable(chosen: Callable[[list[tuple[str, int]], tuple[str, int]], tuple[str, int]]) -> None:
    """After every batch another position, chosen of the delivery's and of the one that is durable."""
    right = ShardProcessor.process_records

    def process_records(self: Any, action: Any) -> None:
        self._delivered = [_position(self._shard, record) for record in action.records]
        right(self, action)

    make_durable = ShardProcessor._make_durable

    def _make_durable(self: Any, batch: Any) -> None:
        make_durable(self, batch)
        self._durable = chosen(self._delivered, self._durable)

    _patch(ShardProcessor, process_records, _make_durable)


def _exception_swallowed() -> None:
    def _perform_action(self: Any, action: Any) -> None:
        with contextlib.suppress(NearviewError, LookupError, MemoryError, RecursionError):  # as amazon_kclpy does
            action.dispatch(self.checkpointer, self.processor)

    _patch(ShardProcess, _perform_action)


def _failed_batch_checkpointed() -> None:
    def _make_durable(self: Any, batch: Any) -> None:
        with contextlib.suppress(NearviewError, LookupError, MemoryError, RecursionError):
            self._pipeline.process(batch)
        self._durable = batch[-1].sequence_number, batch[-1].sub_sequence_number

    _patch(ShardProcessor, _make_durable)


def _checkpoint_after_lease_lost() -> None:
    right = ShardProcessor.process_records

    def process_records(self: Any, action: Any) -> None:
        self._last = action.checkpointer
        right(self, action)

    def lease_lost(self: Any, _: Any) -> None:
        if self._durable:
            self._checkpoints.at(self._last, *self._durable, 1)

    _patch(ShardProcessor, process_records, lease_lost)


def _refusal_taken_for_done() -> None:
    def _ask(_: Any, request: Callable[[], None], attempts: int) -> Outcome:
        with contextlib.suppress(Exception):
            request()
        return Outcome.DONE

    _patch(Checkpoints, _ask)


def _shard_end_with_a_sequence_number() -> None:
    def shard_ended(self: Any, action: Any) -> None:
        self._checkpoints.at(action.checkpointer, *(self._durable or ("1", 0)), 1)

    _patch(ShardProcessor, shard_ended)


def _shard_end_before_durable() -> None:
    right = ShardProcessor.process_records

    def process_records(self: Any, action: Any) -> None:
        """The last record of a delivery waits for the next one."""
        held, action.record_list = getattr(self, "_held", []), None
        records = [*held, *action.records]
        self._held = records[-1:]
        action.records[:] = records[:-1]
        right(self, action)

    _patch(ShardProcessor, process_records)


def _unprocessed_is_absent() -> None:
    right = DynamoStore._take_items

    def _take_items(self: Any, table: Any, asked: Any, places: Any, replies: Any, answer: Any) -> None:
        right(self, table, asked, places, replies, {**answer, "UnprocessedKeys": {}})

    _patch(DynamoStore, _take_items)


def _throttled_statement_is_done() -> None:
    right = dynamodb._outcome

    def _outcome(error: Any, answer: Any) -> Any:
        found = right(error, answer)
        return APPLIED if isinstance(found, Exception) else found

    vars(dynamodb)["_outcome"] = _outcome


def _lost_reply_is_done() -> None:
    right = DynamoStore._received

    def _received(self: Any, call: Any, exchange: Any, replies: Any) -> Any:
        further = right(self, call, exchange, replies)
        if call.name == "BatchExecuteStatement":
            for at in call.take.args[0]:
                if replies[at] is dynamodb._MISSING:
                    replies[at] = APPLIED
        return further

    _patch(DynamoStore, _received)


def _without_conditions(applies: Callable[[Any], bool]) -> None:
    right = DynamoStore.run

    def run(self: Any, group: Any) -> Any:
        return right(self, [structs.replace(one, when=()) if applies(one) else one for one in group])

    _patch(DynamoStore, run)


def _document_not_conditioned() -> None:
    _without_conditions(lambda one: isinstance(one, (Replace, Update)) and one.table is TableName.DOCUMENTS)


def _due_forgotten() -> None:
    right = DynamoStore.run

    def run(self: Any, group: Any) -> Any:
        kept = [one for one in group if not (isinstance(one, Insert) and one.pk == "#due")]
        replies = iter(right(self, kept))
        return [next(replies) if one in kept else APPLIED for one in group]

    _patch(DynamoStore, run)


def _parking_gives_up() -> None:
    def all_(self: Any, call: Any, arguments: Any) -> None:
        for argument in arguments:
            self._problem(call, argument)

    Patience.all = all_  # type: ignore[method-assign]


def _poison_dropped() -> None:
    def park(self: Any, entries: Any, *more: Any) -> None:
        """Nothing is kept."""

    _patch(Parking, park)


def _order_of_arrival_is_the_version() -> None:
    numbers = itertools.count(1)
    right = vars(intake)["change_version"]
    vars(intake)["change_version"] = lambda incarnation, *_: right(incarnation, next(numbers), 1)


def _patch(where: type, *functions: Callable[..., Any]) -> None:
    for function in functions:
        setattr(where, function.__name__, function)


MUTANTS: Final[dict[str, Mutant]] = {
    "checkpoint_before_durable": Mutant("a delivery is checkpointed, then written", _checkpoint_before_durable, (11,)),
    "partial_batch_checkpointed": Mutant(
        "behind the first batch of a delivery its last record is checkpointed", _partial_batch_checkpointed, (11,), 2
    ),
    "whole_sequence_checkpointed": Mutant(
        "a record of which a part is durable is checkpointed to its last sub-sequence",
        _whole_sequence_checkpointed,
        (11,),
        2,
    ),
    "exception_swallowed": Mutant("an action that raised is reported as done", _exception_swallowed, (20,), 2),
    "failed_batch_checkpointed": Mutant("a batch that raised counts as durable", _failed_batch_checkpointed, (20,), 3),
    "checkpoint_after_lease_lost": Mutant("leaseLost brings a checkpoint", _checkpoint_after_lease_lost, (4,)),
    "refusal_taken_for_done": Mutant("a refused checkpoint counts as stored", _refusal_taken_for_done, (21,)),
    "shard_end_with_a_sequence_number": Mutant(
        "the end of a shard is checkpointed with a sequence number", _shard_end_with_a_sequence_number, (16,)
    ),
    "shard_end_before_durable": Mutant(
        "the end of a shard is checkpointed while a record waits for more",
        _shard_end_before_durable,
        (16,),
    ),
    "unprocessed_is_absent": Mutant("an unprocessed key counts as an absent item", _unprocessed_is_absent, (5,)),
    "throttled_statement_is_done": Mutant(
        "a statement that was throttled counts as done", _throttled_statement_is_done, (5,)
    ),
    "lost_reply_is_done": Mutant("a write without an answer counts as done", _lost_reply_is_done, (8,), 3),
    "document_not_conditioned": Mutant("documents are written without a condition", _document_not_conditioned, (3,), 1),
    "due_forgotten": Mutant("what is due is not stored", _due_forgotten, (12,), 13),
    "parking_gives_up": Mutant("a record that cannot be parked at once is forgotten", _parking_gives_up, (10,)),
    "poison_dropped": Mutant("a poison record is skipped", _poison_dropped, (9,)),
    "order_of_arrival_is_the_version": Mutant(
        "the order of arrival stands in for the source's", _order_of_arrival_is_the_version, (12,), 2
    ),
}
