"""A confirmation counts for as long as it was given, for its epoch, and ends with a denial."""

from __future__ import annotations

from dataclasses import replace

import pytest

from contract.confirmation import Confirmations, Instant, to_be_asked
from contract.regions import NO_END, Facts, Health, Override, Primary, State

A, B, C = "eu-west-1", "us-east-1", "ap-south-1"
PRIMARY = Primary(A, 3, "https://a")
SICK = Health(State.FAILOVER, 1, "", 1)
FENCE = Override(State.FENCED, 3, NO_END, "", "")


def test_a_confirmation_counts_from_when_it_was_asked_for_and_must_outlast_the_command() -> None:
    known = Confirmations()
    known.granted(B, 3, Instant(100, 1000))

    assert known.hold(3, [B], Instant(120, 1020), fence_seconds=30, needed_seconds=10)
    assert not known.hold(3, [B], Instant(121, 1021), fence_seconds=30, needed_seconds=10)


def test_all_peers_must_have_confirmed_this_epoch() -> None:
    known = Confirmations()
    now = Instant(100, 1000)
    known.granted(B, 3, now)

    assert not known.hold(3, [B, C], now, 30, 10)
    assert not known.hold(4, [B], now, 30, 10)
    known.granted(C, 4, now)
    assert not known.hold(4, [B, C], now, 30, 10), "what was said of an older epoch counts no longer"


def test_a_denial_ends_what_was_confirmed_before() -> None:
    known = Confirmations()
    known.granted(B, 3, Instant(100, 1000))

    known.denied(B)

    assert not known.hold(3, [B], Instant(100, 1000), 30, 10)


@pytest.mark.parametrize("later", [Instant(100, 1050), Instant(150, 1000), Instant(99, 1001), Instant(101, 999)])
def test_the_clock_that_says_more_counts_and_one_that_went_back_counts_as_too_much(later: Instant) -> None:
    """A function that was frozen, and a time that was corrected."""
    known = Confirmations()
    known.granted(B, 3, Instant(100, 1000))

    assert not known.hold(3, [B], later, 30, 10)


def test_a_peer_that_a_person_has_closed_is_not_asked() -> None:
    facts = Facts(PRIMARY, {C: SICK}, {B: FENCE})

    assert to_be_asked(A, [A, B, C], facts, 1) == (C,)


def test_a_peer_that_was_closed_for_a_later_epoch_is_asked() -> None:
    """It may have become the primary of an epoch that nobody here has heard of yet, and still be at work."""
    facts = Facts(PRIMARY, overrides={B: replace(FENCE, epoch=5)})

    assert to_be_asked(A, [B], facts, 1) == (B,)
