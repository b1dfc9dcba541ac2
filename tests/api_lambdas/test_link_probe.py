"""A link that is up is a 1 with its time, everything else a 0; the probe itself never fails."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest

from api_lambdas import link_probe
from local.processes import free_port


def told(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, **settings: str) -> dict[str, Any]:
    for name, value in settings.items():
        monkeypatch.setenv(f"PROBE_{name}", value)
    answer = link_probe.handler({}, None)
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert answer == {"up": found["LinkUp"] == 1}
    return found


def test_a_service_that_listens_is_up(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        found = told(capsys, monkeypatch, HOST="127.0.0.1", PORT=port, NAME="shop-prod")
    assert found["Project"] == "shop-prod"
    assert found["LinkUp"] == 1
    assert found["LinkMillis"] >= 0
    (directive,) = found["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "nearview"
    assert directive["Dimensions"] == [["Project"]]
    assert {metric["Name"] for metric in directive["Metrics"]} == {"LinkUp", "LinkMillis"}
    assert found["_aws"]["Timestamp"] > 1_600_000_000_000


@pytest.mark.parametrize(
    ("host", "port"),
    [("127.0.0.1", "free"), ("no.such.host.invalid", "443"), ("x" * 300, "443"), ("h", ""), ("", "1")],
)
def test_everything_else_is_down(
    host: str, port: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # chosen here, so that every process of a run collects the same cases
    found = told(capsys, monkeypatch, HOST=host, PORT=str(free_port()) if port == "free" else port)
    assert found["LinkUp"] == 0
    assert "LinkMillis" not in found, "a time of nothing would pull the average down"


def test_a_service_that_does_not_answer_in_time_is_down() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        host, port = full.getsockname()
        waiting: list[socket.socket] = []
        while len(waiting) < 8:  # the queue of a server that accepts nobody
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex((host, port))
            waiting.append(one)
        assert link_probe.connect_millis(host, port, timeout_seconds=0.2) is None
        for one in waiting:
            one.close()
