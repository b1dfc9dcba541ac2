"""Workers are asked over HTTP; whatever answers in their place is said in a line."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from tests.worker.console.shop import exposition
from worker.console.collect import Collector, ask
from worker.supervisor.server import Server


@pytest.fixture
def served() -> Iterator[dict[str, Any]]:
    """A worker's own HTTP side; what it says can be changed."""
    says: dict[str, Any] = {"metrics": exposition(records=7), "health": {"status": "green", "problems": []}}
    server = Server("127.0.0.1", 0, lambda: says["metrics"].encode(), lambda: says["health"])
    server.start()
    says["url"] = server.url
    yield says
    server.stop()


def test_a_worker_is_asked_for_metrics_and_health(served: dict[str, Any]) -> None:
    worker = ask(served["url"])
    assert (worker.problem, worker.version, worker.totals["nearview_records_total"]) == ("", "0.1.0", 7)


def test_red_health_is_an_answer_and_its_lines_are_shown(served: dict[str, Any]) -> None:
    served["health"] = {"status": "red", "problems": ["shop.orders is parked"]}
    assert ask(served["url"]).problems == ("shop.orders is parked",)


def test_what_is_no_worker_is_said(served: dict[str, Any]) -> None:
    served["metrics"] = "up 1\n"
    assert ask(served["url"]).problem == "answers, but not as a nearview worker"
    assert ask(f"{served['url']}/nowhere").problem == "answers 404"


def test_nobody_there_is_said_in_a_line() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert ask(f"http://127.0.0.1:{port}").problem == "does not answer: Connection refused"


def test_samples_are_taken_until_it_ends(served: dict[str, Any]) -> None:
    collector = Collector([served["url"]], every_seconds=0.001)
    collector.start()
    try:
        while len(collector.report()["points"]) < 3:
            pass
    finally:
        collector.stop()
    assert collector.report()["workers"][0]["records"] == 7
