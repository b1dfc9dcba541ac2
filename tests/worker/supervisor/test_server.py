"""The HTTP side, with the health and the metrics that it shows."""

import io
import json
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.worker.test_metrics import run_process
from worker.errors import FatalError
from worker.log import Log
from worker.supervisor.collector import ChildMetrics, WorkerCollector
from worker.supervisor.health import Health
from worker.supervisor.server import Server

_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@pytest.fixture
def health() -> Health:
    """Health of a worker whose daemon runs."""
    health = Health(Log("info", io.StringIO()))
    health.set_daemon("")
    return health


@pytest.fixture
def server(health: Health, tmp_path: Path) -> Iterator[Server]:
    """A server on a free port."""
    collector = WorkerCollector(ChildMetrics(tmp_path), health, lambda: 1010.0)
    server = Server("127.0.0.1", 0, collector.text, health.report)
    server.start()
    yield server
    server.stop()


def get(server: Server, path: str) -> tuple[int, str]:
    """Status and body."""
    try:
        with _direct.open(server.url + path, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_health_is_green_while_the_daemon_runs_and_nothing_is_parked(server: Server) -> None:
    status, body = get(server, "/healthz?x=1")
    assert status == 200
    assert json.loads(body)["status"] == "green"


def test_health_is_red_with_a_line_for_each_problem_and_the_process_still_lives(server: Server, health: Health) -> None:
    health.set_daemon("the daemon ended with exit code 1")
    health.set_parked(["shop.orders: set BeforeImageSettings"])
    health.count_restart()
    status, body = get(server, "/healthz")
    assert status == 503
    assert json.loads(body) == {
        "status": "red",
        "problems": ["the daemon ended with exit code 1", "shop.orders: set BeforeImageSettings"],
        "daemon_running": False,
        "daemon_restarts": 1,
        "parked_tables": 1,
        "stalled_shards": 0,
    }
    assert get(server, "/livez")[0] == 200


def test_metrics_join_children_and_supervisor(server: Server, tmp_path: Path, health: Health) -> None:
    run_process(tmp_path)
    health.count_restart()
    health.count_lease_taken()
    text = get(server, "/metrics")[1]
    for line in (
        "nearview_records_total 6.0",
        'nearview_newest_commit_age_seconds{shard="shard-0"} 8.5',
        'nearview_checkpoint_age_seconds{shard="shard-0"} 7.0',
        'nearview_millis_behind_latest{shard="shard-0"} 250.0',
        "nearview_daemon_restarts_total 1.0",
        "nearview_leases_taken_over_total 1.0",
        "nearview_daemon_up 1.0",
        "nearview_healthy 1.0",
    ):
        assert line in text.splitlines()
    assert 'amazon_kclpy="3.1.3"' in text


def test_a_shard_that_does_not_advance_for_a_minute_is_named(tmp_path: Path, health: Health) -> None:
    run_process(tmp_path)
    times = iter([1062.0, 1064.0])
    collector = WorkerCollector(ChildMetrics(tmp_path), health, times.__next__)
    assert collector.stalled_shards() == []
    assert collector.stalled_shards() == [
        "shard-0 has not advanced for 61 seconds: see its retries and its log",
    ]


def test_a_swept_process_leaves_its_counts_and_no_file_of_its_own(server: Server, tmp_path: Path) -> None:
    first, second = run_process(tmp_path), run_process(tmp_path)
    children = ChildMetrics(tmp_path)
    for gone in (first, second):
        children.sweep(lambda pid, gone=gone: pid == gone)  # type: ignore[misc]
    text = get(server, "/metrics")[1]
    assert "nearview_records_total 12.0" in text
    assert 'nearview_commit_to_document_seconds_bucket{le="+Inf"} 2.0' in text
    assert "shard=" not in text
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "counter_merged.db",
        "gauge_max_merged.db",
        "histogram_merged.db",
    ]


def test_other_paths_are_not_found(server: Server) -> None:
    assert get(server, "/")[0] == 404


def test_a_port_in_use_is_told_with_the_settings_to_change(health: Health) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(FatalError, match=f"NEARVIEW_HTTP_PORT: 127.0.0.1:{port} cannot be served: Address"):
            Server("127.0.0.1", port, bytes, health.report)
