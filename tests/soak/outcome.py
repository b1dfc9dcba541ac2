"""What a seed led to, and the faults that are in its records."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from tests.soak.rows import Scenario
from tests.soak.shards import Shard


@dataclass
class Outcome:
    """What a seed led to. Without findings nothing was lost, went backward or is different."""

    seed: int
    rows: tuple[int, ...]
    lost: list[str] = field(default_factory=list)
    backward: list[str] = field(default_factory=list)
    different: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    """Promises of the process: it ended unasked, checkpointed what it must not, never came to an end."""
    faults: Counter[str] = field(default_factory=Counter)
    recoveries: list[tuple[str, float]] = field(default_factory=list)
    records: int = 0
    requests: int = 0
    children: int = 0
    documents: int = 0

    @property
    def findings(self) -> list[str]:
        """All that is wrong."""
        named = {"lost": self.lost, "backward": self.backward, "different": self.different, "broken": self.broken}
        return [f"{name}: {line}" for name, lines in named.items() for line in lines]


def of_records(shards: list[Shard], scenario: Scenario) -> Counter[str]:
    """Faults that are in the stream itself."""
    found = Counter[str]()
    for shard in shards:
        seen: set[bytes] = set()
        gone: set[tuple[str, tuple[str, ...]]] = set()
        highest = 0
        for record in shard.records:
            change = record.change
            number = max((row[2] for row in change.rows), default=0)
            found["poison"] += bool(change.poison)
            found["duplicates"] += bool(change.rows) and change.data in seen
            found["reordered"] += bool(number) and number < highest and change.data not in seen
            found["key changed"] += len(change.rows) > 1
            for table, key, _, there in change.rows:
                found["key used again"] += there and (table, key) in gone
                (gone.discard if there else gone.add)((table, key))
            highest = max(highest, number)
            seen.add(change.data)
    found["resharded"] = int(scenario.disorder.resharded)
    found["schema changed"] = scenario.controls
    return Counter({name: count for name, count in found.items() if count})
