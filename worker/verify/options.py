"""How a run goes, apart from what it reads."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

from worker.dms.documents import Settings
from worker.pace import Pace, Sleep
from worker.verify.marks import Tokens


@dataclass(frozen=True, slots=True)
class Settle:
    """Wait `seconds` before each of at most `rounds` looks."""

    seconds: float = 5.0
    rounds: int = 3
    sleep: Sleep = time.sleep


@dataclass(frozen=True, slots=True)
class Options:
    """How a run goes: when and how often differences are looked at again, how fast it reads, where its state is kept.

    `tokens` makes the token of a sensitive value; without it tokens are not compared. `dms`: the settings that change
    records come by; without them every value is expected as it is.
    """

    settle: Settle = field(default_factory=Settle)
    pace: Pace = field(default_factory=Pace)
    state: Path | None = None
    tokens: Tokens | None = None
    dms: Settings | None = None
