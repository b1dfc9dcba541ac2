"""How far a replay has come, from the lease table."""

from __future__ import annotations

from contract.values import Item
from worker.replay.backup import Backup, Saved
from worker.replay.plan import BEGINNING, ENDED, Position
from worker.replay.status import Progress, State, progress

MADE = 100_000
SAVED = Backup(
    "worker",
    "changes",
    "eu-west-1",
    "from 1970-01-01T00:00:00Z",
    MADE,
    (
        Saved("p", Position("10", -1), ENDED, None, 10_000, None, 300, True, applied=True),
        Saved("c", BEGINNING, Position("90"), Position("90"), 50_000, 90_000, 100, True, applied=True),
    ),
)


def row(checkpoint: str, sub: int = 0) -> Item:
    return {"checkpoint": {"S": checkpoint}, "checkpointSubSequenceNumber": {"N": str(sub)}, "leaseOwner": {"S": "w"}}


def look(now: int = MADE + 30_000, **rows: Item) -> Progress:
    """A record's number is its arrival in seconds."""
    return progress(SAVED, rows, now, lambda shard, position: int(position.checkpoint) * 1000)


def test_a_replay_that_has_just_begun() -> None:
    found = look(p=row("10", -1), c=row("TRIM_HORIZON"))

    assert [shard.state for shard in found.shards] == [State.WAITING, State.WAITING]
    assert (found.part, found.eta_seconds, found.done) == (0, None, False)


def test_the_pace_so_far_says_how_long_it_takes() -> None:
    found = look(p=row("55"), c=row("TRIM_HORIZON"))

    # a closed shard without a time of its end: up to the moment of the reset
    assert [(shard.state, shard.part) for shard in found.shards] == [(State.READING, 0.5), (State.WAITING, 0.0)]
    assert found.part == 0.5 * 300 / 400
    assert found.eta_seconds == 30 * (1 - found.part) / found.part


def test_a_shard_is_done_where_it_stood_or_behind_or_at_its_end_or_when_its_lease_is_deleted() -> None:
    assert [shard.state for shard in look(p=row("SHARD_END"), c=row("90")).shards] == [State.DONE, State.DONE]
    assert look(c=row("91")).done
    assert look(c=row("90")).eta_seconds == 0
    assert not look(c=row("89")).done


def test_a_lease_that_was_not_reset_is_not_done() -> None:
    saved = Backup("w", "c", "r", "", MADE, (Saved("s", BEGINNING, Position("9"), Position("9")),))

    found = progress(saved, {"s": row("9")}, MADE, lambda shard, position: None)

    assert (found.shards[0].state, found.done) == (State.NOT_RESET, False)


def test_an_unread_shard_is_done_when_it_has_come_to_the_time_of_the_reset() -> None:
    saved = Backup("w", "c", "r", "", MADE, (Saved("s", BEGINNING, None, None, 50_000, applied=True),))

    def state(number: str) -> State:
        return progress(saved, {"s": row(number)}, MADE, lambda shard, at: int(at.checkpoint) * 1000).shards[0].state

    assert (state("99"), state("100")) == (State.READING, State.DONE)
