"""The fuzz targets hold for their seeds and for some inputs made from them; the long runs are `make fuzz`."""

from __future__ import annotations

from random import Random

import pytest

from tests.fuzz.mutate import mutated
from tests.fuzz.parts import Target
from tests.fuzz.targets import HEADS, TARGETS

COUNTS = {"mappings": 15}
MANY = 80

_EACH = pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)


@_EACH
def test_a_target_takes_its_seeds(target: Target) -> None:
    for seed in target.seeds():
        target.check(seed)


@_EACH
def test_a_target_takes_whatever_is_made_of_its_seeds(target: Target) -> None:
    """The same inputs every time."""
    seeds = tuple(target.seeds())
    for number in range(COUNTS.get(target.name, MANY)):
        rng = Random(number)
        target.check(mutated(rng.choice(seeds), rng, HEADS[target.name], seeds))


@_EACH
def test_a_target_takes_bytes_that_are_nothing(target: Target) -> None:
    for data in (b"", b"\x00", b"\xff" * 40, bytes(range(256)), b"\x1e" * 20, b"[" * 5000, b"{" * 5000):
        target.check(data)
