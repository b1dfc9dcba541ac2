"""Asks the workers for their metrics every two seconds, from a thread of its own."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from typing import Any, Final

from worker.console.samples import History, Worker, read_worker

EVERY_SECONDS: Final = 2.0
_TIMEOUT_SECONDS: Final = 3.0
_MOST_BYTES: Final = 8_000_000


def ask(url: str) -> Worker:
    """What one worker says now; a worker that does not answer is said so in a line."""
    try:
        _, metrics = _get(f"{url}/metrics")
        _, health = _get(f"{url}/healthz")
        problems = tuple(map(str, json.loads(health).get("problems", ())))
        return read_worker(url, metrics.decode("utf-8"), problems)
    except urllib.error.HTTPError as error:
        return Worker(url, f"answers {error.code}")
    except (OSError, urllib.error.URLError) as error:
        reason = getattr(error, "reason", error)
        return Worker(url, f"does not answer: {getattr(reason, 'strerror', None) or reason}")
    except (ValueError, KeyError, AttributeError):
        return Worker(url, "answers, but not as a nearview worker")


def _get(url: str) -> tuple[int, bytes]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # workers are near: no proxy
    try:
        with opener.open(url, timeout=_TIMEOUT_SECONDS) as reply:
            return reply.status, reply.read(_MOST_BYTES)
    except urllib.error.HTTPError as error:
        if error.code == 503:  # red health has a body like green
            return error.code, error.read(_MOST_BYTES)
        raise


class Collector:
    """Samples of the workers, taken between `start` and `stop`."""

    def __init__(
        self, urls: Sequence[str], ask_worker: Callable[[str], Worker] = ask, every_seconds: float = EVERY_SECONDS
    ) -> None:
        self._urls = tuple(urls)
        self._ask = ask_worker
        self._every_seconds = every_seconds
        self._history = History()
        self._lock = threading.Lock()
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="collector")

    def start(self) -> None:
        """Take the first sample now and go on."""
        self.sample()
        self._thread.start()

    def stop(self) -> None:
        """No further sample."""
        self._ends.set()

    def sample(self) -> None:
        """Ask every worker once."""
        found = [self._ask(url) for url in self._urls]
        with self._lock:
            self._history.add(time.time(), found)

    def report(self) -> dict[str, Any]:
        """The newest sample and what came before it."""
        with self._lock:
            return self._history.report()

    def _run(self) -> None:
        while not self._ends.wait(self._every_seconds):
            self.sample()
