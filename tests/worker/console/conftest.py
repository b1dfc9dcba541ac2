"""A console that is served, over a shop in memory and a worker's own HTTP side."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.worker.console.shop import Shop, exposition
from worker.console.collect import Collector
from worker.console.guard import Door
from worker.console.server import Server
from worker.supervisor.server import Server as WorkerServer


@dataclass
class Served:
    """What is behind it, and its door."""

    shop: Shop
    collector: Collector
    door: Door
    health: list[str]
    counted: dict[str, float]

    def sample(self, **counted: float) -> None:
        """The worker has counted on; the console asks it."""
        self.counted.update(counted)
        self.collector.sample()


@pytest.fixture
def console() -> Iterator[Served]:
    shop, health = Shop().fill(), list[str]()
    counted: dict[str, float] = {"records": 100}
    worker = WorkerServer(
        "127.0.0.1",
        0,
        lambda: exposition(**counted).replace("healthy 1.0", f"healthy {float(not health)}").encode(),
        lambda: {"status": "red" if health else "green", "problems": health},
    )
    worker.start()
    collector = Collector([worker.url])
    collector.sample()
    server = Server(0, shop, collector.report)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    yield Served(shop, collector, server.door, health, counted)
    server.stop()
    worker.stop()
    thread.join(timeout=30)
