"""What an expected and a stored document say about each other. Pure."""

from __future__ import annotations

from enum import StrEnum

from contract.mapping import Aggregate
from worker.verify.compare import digest, first_difference
from worker.verify.expected import Expected
from worker.verify.report import Finding, Kind
from worker.verify.sql import Statement
from worker.verify.target import State, Stored, key_of


class Outcome(StrEnum):
    """No difference: they are equal, or the stored one says itself that it is behind, or there is neither."""

    EQUAL = "equal"
    PARKED = "parked"
    NEITHER = "neither"


def judge(pk: str, of: Statement | None, expected: Expected | None, stored: Stored | None) -> Outcome | Finding:
    """`of` is None for an aggregate that the mapping does not declare; then nothing can be expected."""
    name, key = pk.partition("#")[0], key_of(pk)
    if of is None or expected is None:
        if stored is not None and stored.has_body:
            return Finding(Kind.SURPLUS, name, key, note="" if stored.state is State.LIVE else "parked")
        return Outcome.PARKED if stored is not None and stored.state is State.PARKED else Outcome.NEITHER
    if stored is None or stored.state is State.DELETED:
        return Finding(Kind.MISSING, name, key)
    if stored.state is State.PARKED:
        return Outcome.PARKED
    found = first_difference(expected.body, stored.body, of.shape)
    if found is None:
        found = first_difference(index_of(of.aggregate, stored), stored.index, None)
    if found is None:
        return Outcome.EQUAL
    return Finding(Kind.DIFFERENT, name, key, found.path, found.note, found.expected, found.stored)


def index_of(aggregate: Aggregate, stored: Stored) -> dict[str, str]:
    """The index attributes that belong to a stored body, which is itself compared elsewhere."""
    return aggregate.index_attributes(stored.key, stored.body)


def digest_of(expected: Expected | None, of: Statement | None) -> bytes | None:
    """What tells two expectations of one document apart; None where nothing is expected."""
    return None if expected is None or of is None else digest(expected.body, of.shape)
