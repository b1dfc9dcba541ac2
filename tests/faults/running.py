"""A faulty store on a socket beside a test: `with faulty_store(weather) as server: ... server.url`."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.faults.hub import Hub
from tests.faults.store import Backend, FaultyStore, Memory, Upstream
from tests.faults.strict import StrictTables
from tests.faults.weather import Weather

_PATIENCE_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Server:
    """Where it is, and what is behind it. `tables` is empty in front of another endpoint."""

    url: str
    store: FaultyStore
    tables: StrictTables
    weather: Weather


@contextmanager
def faulty_store(
    weather: Weather,
    *,
    upstream: str = "",
    clock: Callable[[], float] | None = None,
    tables: StrictTables | None = None,
) -> Iterator[Server]:
    """Strict tables in memory under faults; with `upstream`, a proxy in front of that endpoint."""
    tables = tables or StrictTables()
    backend: Backend = Upstream(upstream) if upstream else Memory(tables)
    store = FaultyStore(backend, weather, clock) if clock else FaultyStore(backend, weather)
    hub, stop = Hub(), threading.Event()

    def serve() -> None:
        while not stop.is_set():
            for asked in hub.poll(_PATIENCE_SECONDS):
                hub.send(asked, store.reply(asked.head, asked.body))

    wake, woken = socket.socketpair()
    hub.watch(woken, lambda: None)
    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield Server(hub.url, store, tables, weather)
    finally:
        stop.set()
        wake.close()
        thread.join()
        hub.unwatch(woken)
        woken.close()
        hub.close()
