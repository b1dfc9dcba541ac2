"""What a dispatcher may do with a command, from what is known of the regions."""

from __future__ import annotations

import pytest

from api_lambdas.regions.state import (
    Closed,
    Execute,
    Forward,
    Reason,
    Way,
    way_of,
)
from contract.regions import NO_END, Facts, Health, Override, Primary, State

A, B, C = "eu-west-1", "us-east-1", "ap-south-1"
PRIMARY = Primary(A, 3, "https://a")
SICK = Health(State.FAILOVER, 1, "", 1)
FENCE = Override(State.FENCED, 3, NO_END, "", "")
OPEN = Override(State.ACTIVE, 3, 100, "", "")


def closed(reason: Reason) -> Closed:
    return Closed(reason)


@pytest.mark.parametrize(
    ("region", "facts", "way"),
    [
        (A, Facts(PRIMARY), Execute(3)),
        (B, Facts(PRIMARY), Forward(PRIMARY)),
        (A, None, closed(Reason.STATE_UNKNOWN)),
        (A, Facts(), closed(Reason.NO_PRIMARY)),
        (A, Facts(PRIMARY, overrides={A: FENCE}), closed(Reason.FENCED)),
        (B, Facts(PRIMARY, overrides={A: FENCE}), closed(Reason.PRIMARY_FENCED)),
        (B, Facts(PRIMARY, overrides={B: FENCE}), closed(Reason.FENCED)),
        (A, Facts(PRIMARY, {A: SICK}), closed(Reason.FAILOVER)),
        (B, Facts(PRIMARY, {A: SICK}), closed(Reason.PRIMARY_FAILOVER)),
        (C, Facts(PRIMARY, {B: SICK}, {B: FENCE}), Forward(PRIMARY)),
        (B, Facts(PRIMARY, {A: SICK}, {A: OPEN}), Forward(PRIMARY)),
    ],
)
def test_a_command_goes_where_the_facts_say(region: str, facts: Facts | None, way: Way) -> None:
    assert way_of(region, facts, 50) == way


def test_an_override_counts_until_it_expires() -> None:
    facts = Facts(PRIMARY, {A: SICK}, {A: OPEN})

    assert way_of(A, facts, 99) == Execute(3)
    assert way_of(A, facts, 100) == closed(Reason.FAILOVER)


@pytest.mark.parametrize(
    ("region", "epoch", "way"),
    [
        (A, 3, Execute(3)),
        (A, 2, closed(Reason.OLD_EPOCH)),
        (A, 4, closed(Reason.OLD_EPOCH)),
        (B, 3, closed(Reason.NOT_PRIMARY)),
        (B, 2, closed(Reason.OLD_EPOCH)),
    ],
)
def test_what_was_sent_on_once_goes_no_further_and_counts_for_its_epoch_only(region: str, epoch: int, way: Way) -> None:
    assert way_of(region, Facts(PRIMARY), 1, forwarded_epoch=epoch) == way
