"""The rows of the fault matrix as parts of a run: a seed takes three of them, each says what it adds. Pure.

Numbers are the matrix's (docs/testing.md). What strikes at the so-manieth request or delivery is chosen here, so a seed
always strikes at the same places.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from tests.faults.weather import Fault, Spell
from tests.soak.shards import Disorder

Change = Callable[["Scenario", random.Random], None]

FATAL_REFUSALS: Final = ("InvalidStateException", "IllegalArgumentException")
PASSING_REFUSALS: Final = ("ThrottlingException", "KinesisClientLibDependencyException")


@dataclass
class Scenario:
    """Everything that a seed decides before it begins."""

    seed: int
    rows: tuple[int, ...] = ()
    changes: int = 24
    keys: int = 4
    moves: float = 0.03
    deletes: float = 0.15
    shards: int = 2
    poison: int = 0
    controls: int = 0
    disorder: Disorder = field(default_factory=Disorder)
    spells: list[Spell] = field(default_factory=list)
    strikes: dict[int, str] = field(default_factory=dict)
    """At this request: `kill before`, `kill after`, `kill within`, `stop before`, `stop after`, `steal`."""
    events: dict[int, str] = field(default_factory=dict)
    """At this delivery: `kill`, `daemon`, `handoff`, `rewind`, `trim`."""
    refusals: dict[int, str] = field(default_factory=dict)
    """At this checkpoint: an error, `stored, then` an error, `kill before`, `kill after`."""
    raises: dict[int, tuple[int, str]] = field(default_factory=dict)
    """The so-manieth child: at which group of operations it raises what."""
    skew_seconds: float = 0.0
    read_seconds: float = 0.0
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def span(self) -> int:
        """About how many requests there will be."""
        return 6 * self.changes


def _at(rng: random.Random, span: int, count: int) -> list[int]:
    return rng.sample(range(1, max(span, count + 2)), count)


def _kills(scenario: Scenario, rng: random.Random) -> None:
    kinds = ("kill before", "kill after", "kill within")
    scenario.strikes |= {at: rng.choice(kinds) for at in _at(rng, scenario.span, rng.randint(1, 5))}
    scenario.events |= dict.fromkeys(_at(rng, scenario.changes // 5, rng.randint(0, 2)), "kill")
    scenario.refusals |= {at: rng.choice(("kill before", "kill after")) for at in _at(rng, 10, rng.randint(0, 2))}


def _daemon_kills(scenario: Scenario, rng: random.Random) -> None:
    scenario.events |= dict.fromkeys(_at(rng, scenario.changes // 5, rng.randint(1, 2)), "daemon")


def _zombies(scenario: Scenario, rng: random.Random) -> None:
    kinds = ("stop before", "stop after", "steal")
    scenario.strikes |= {at: rng.choice(kinds) for at in _at(rng, scenario.span, rng.randint(1, 4))}


def _handoffs(scenario: Scenario, rng: random.Random) -> None:
    scenario.events |= dict.fromkeys(_at(rng, scenario.changes // 5, rng.randint(1, 3)), "handoff")


def _spell(*faults: Fault, chance: tuple[float, float] = (0.05, 0.4), **more: Any) -> Change:
    def add(scenario: Scenario, rng: random.Random) -> None:
        first = rng.randrange(scenario.span)
        for fault in faults:
            spell = Spell(
                fault,
                rng.uniform(*chance),
                first=rng.choice((0, first)),
                last=first + rng.randint(20, scenario.span),
                **{name: value(rng) if callable(value) else value for name, value in more.items()},
            )
            scenario.spells.append(spell)
        if {Fault.HALF_OPEN, Fault.SLOW_BODY} & set(faults):
            scenario.read_seconds = 0.3

    return add


def _unprocessed(scenario: Scenario, rng: random.Random) -> None:
    _spell(Fault.UNPROCESSED, chance=(0.2, 1.0))(scenario, rng)
    scenario.spells[-1] = dataclasses.replace(scenario.spells[-1], most=150)


def _throttles(scenario: Scenario, rng: random.Random) -> None:
    """A table, or the items of some partitions, refused altogether for a time."""
    tables = frozenset(rng.choice((("rows",), ("documents",), ("rows", "documents"))))
    first = rng.randrange(scenario.span)
    scenario.spells.append(
        Spell(Fault.THROTTLED_TABLE, 1.0, first, first + rng.randint(5, 80), most=80, tables=tables)
        if rng.random() < 0.5
        else Spell(
            Fault.THROTTLED_ITEMS, 1.0, first, first + rng.randint(20, 200), most=80, part=rng.randrange(3), of=3
        )
    )


def _bad_network(scenario: Scenario, rng: random.Random) -> None:
    passing = (Fault.RESET, Fault.SERVER_ERROR, Fault.CUT_BODY, Fault.GARBLED_BODY, Fault.WRONG_CHECKSUM)
    _spell(*rng.sample((*passing, Fault.PROXY_PAGE, Fault.LOST_REQUEST, Fault.ERROR_AFTERWARDS), 4))(scenario, rng)
    if rng.random() < 0.3:
        _spell(rng.choice((Fault.HALF_OPEN, Fault.SLOW_BODY)), most=2)(scenario, rng)


def _poison(scenario: Scenario, rng: random.Random) -> None:
    scenario.poison = rng.randint(1, 6)


def _park_store_down(scenario: Scenario, rng: random.Random) -> None:
    scenario.poison = max(scenario.poison, rng.randint(1, 4))
    faults = (Fault.SERVER_ERROR, Fault.THROTTLED_TABLE, Fault.RESET, Fault.LOST_REPLY)
    scenario.spells.append(
        Spell(
            rng.choice(faults),
            1.0,
            rng.choice((0, rng.randrange(scenario.span))),
            most=60,
            tables=frozenset({"parked"}),
        )
    )


def _duplicates(scenario: Scenario, rng: random.Random) -> None:
    scenario.disorder = _disorder(scenario, repeated=rng.uniform(0.1, 0.6))


def _reorder(scenario: Scenario, rng: random.Random) -> None:
    scenario.disorder = _disorder(scenario, swapped=rng.uniform(0.1, 0.5))


def _disorder(scenario: Scenario, **more: Any) -> Disorder:
    return dataclasses.replace(scenario.disorder, **more)


def _rewinds(scenario: Scenario, rng: random.Random) -> None:
    scenario.events |= {
        at: rng.choice(("rewind", "rewind", "trim")) for at in _at(rng, scenario.changes // 5, rng.randint(1, 2))
    }


def _deletes(scenario: Scenario, rng: random.Random) -> None:
    scenario.deletes, scenario.keys = rng.uniform(0.3, 0.5), 2


def _key_changes(scenario: Scenario, rng: random.Random) -> None:
    scenario.moves = rng.uniform(0.2, 0.5)


def _reshard(scenario: Scenario, _: random.Random) -> None:
    scenario.disorder = _disorder(scenario, resharded=True)


def _credentials(scenario: Scenario, rng: random.Random) -> None:
    first = rng.randrange(scenario.span)
    scenario.spells.append(Spell(Fault.EXPIRED_TOKEN, 1.0, first, first + rng.randint(3, 60), most=60))
    if rng.random() < 0.3:
        scenario.spells.append(Spell(Fault.REVOKED, 1.0, rng.randrange(scenario.span), most=1))


def _skew(scenario: Scenario, rng: random.Random) -> None:
    scenario.skew_seconds = rng.choice((-1, 1)) * rng.uniform(400, 900)


def _raises(scenario: Scenario, rng: random.Random) -> None:
    for child in _at(rng, 5, rng.randint(1, 2)):
        scenario.raises[child] = (rng.randint(1, 30), rng.choice(("MemoryError", "RecursionError", "KeyError")))


def _refused(scenario: Scenario, rng: random.Random) -> None:
    for at in _at(rng, 20, rng.randint(2, 10)):
        error = rng.choice((*PASSING_REFUSALS, *PASSING_REFUSALS, "ShutdownException", rng.choice(FATAL_REFUSALS)))
        scenario.refusals[at] = f"stored, then {error}" if error in PASSING_REFUSALS and rng.random() < 0.3 else error


def _schema(scenario: Scenario, rng: random.Random) -> None:
    scenario.controls = rng.randint(1, 3)


ROWS: Final[dict[int, tuple[str, Change]]] = {
    1: ("child killed", _kills),
    2: ("daemon killed", _daemon_kills),
    3: ("zombie", _zombies),
    4: ("lease handed over", _handoffs),
    5: ("unprocessed", _unprocessed),
    6: ("throttled", _throttles),
    7: ("reply lost", _spell(Fault.LOST_REPLY, chance=(0.05, 0.4))),
    8: ("bad network", _bad_network),
    9: ("poison", _poison),
    10: ("parking store down", _park_store_down),
    11: ("duplicates", _duplicates),
    12: ("reordered", _reorder),
    13: ("rewound", _rewinds),
    14: ("deleted, key used again", _deletes),
    15: ("key changed", _key_changes),
    16: ("resharded", _reshard),
    17: ("credentials", _credentials),
    18: ("clock skewed", _skew),
    20: ("exception in a batch", _raises),
    21: ("checkpoint refused", _refused),
    22: ("schema changed", _schema),
}
AT_ONCE: Final = 3


def scenario(seed: int, rows: tuple[int, ...] = ()) -> Scenario:
    """What a seed means; with `rows`, of these instead of three that it draws."""
    rng = random.Random(f"scenario {seed}")
    drawn = tuple(sorted(rng.sample(list(ROWS), AT_ONCE)))
    made = Scenario(
        seed,
        rows or drawn,
        changes=rng.randint(14, 34),
        keys=rng.randint(2, 5),
        shards=rng.randint(1, 3),
        settings={
            "NEARVIEW_BATCH_RECORDS": str(rng.choice((1, 3, 8, 500))),
            "NEARVIEW_LARGE_FAN_OUT": str(rng.choice((1, 2, 200))),
            "NEARVIEW_CONDITIONAL_WRITES": rng.choice(("batched", "batched", "batched", "single")),
        },
    )
    made.disorder = Disorder(aggregated=rng.choice((0.0, 0.0, 0.4)))
    for row in made.rows:
        ROWS[row][1](made, rng)
    return made
