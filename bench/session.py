"""What every benchmark is given, and how large it may be."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bench.measured import Metric
from bench.table_server import Server

Metrics = dict[str, Metric]


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much each benchmark does in a run."""

    flat_rows: int = 10_000
    naive_rows: int = 3_000
    conditional_rows: int = 600
    parse_rows: int = 20_000
    orders: int = 1_800
    backlog_orders: int = 60
    backlog_rounds: int = 160
    referrers: int = 10_000
    hot_orders: int = 800
    shard_orders: int = 1_600
    fan_outs: tuple[int, ...] = (10, 100, 1_000, 10_000)
    children: tuple[int, ...] = (10, 100, 1_000)
    latency_seconds: int = 30
    latency_windows: int = 5


QUICK = Sizes(
    flat_rows=1_000,
    naive_rows=400,
    conditional_rows=100,
    parse_rows=2_000,
    orders=200,
    backlog_orders=50,
    backlog_rounds=10,
    referrers=1_000,
    hot_orders=200,
    shard_orders=160,
    fan_outs=(10, 100),
    children=(10, 100),
    latency_seconds=10,
    latency_windows=1,
)
"""To see that all of it runs; its figures mean little."""

USUAL = Sizes()

FULL = Sizes(
    flat_rows=50_000,
    naive_rows=10_000,
    conditional_rows=2_000,
    parse_rows=50_000,
    orders=9_000,
    backlog_orders=200,
    backlog_rounds=50,
    hot_orders=2_400,
    shard_orders=6_400,
    fan_outs=(10, 100, 1_000, 10_000, 30_000),
    children=(10, 100, 1_000, 3_000),
    latency_seconds=60,
    latency_windows=10,
)


@dataclass(frozen=True, slots=True)
class Session:
    """One session of benchmarks on one table server. `say` shows progress."""

    server: Server
    runs: int
    sizes: Sizes
    say: Callable[[str], None]

    def rounds(self, what: str) -> Iterator[int]:
        """Counts the runs and shows how far they are."""
        for at in range(self.runs):
            self.say(f"{what}: run {at + 1} of {self.runs}")
            yield at
