"""MiniStack starts on 127.0.0.1 only, is reached by explicit settings, and leaves nothing behind."""

import uuid
from pathlib import Path

import psutil
import pytest

from local import ministack as stand_in
from local.ministack import MiniStack
from local.processes import ProcessError, Processes


def test_it_answers_and_holds_what_it_is_given(ministack: MiniStack) -> None:
    kinesis = ministack.client("kinesis")
    name = f"stream-{uuid.uuid4().hex}"
    kinesis.create_stream(StreamName=name, ShardCount=2)
    summary = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
    assert summary["OpenShardCount"] == 2
    assert ":eu-west-1:000000000000:" in summary["StreamARN"]


def test_the_machines_own_aws_settings_and_proxies_play_no_part(
    ministack: MiniStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://192.0.2.1")
    monkeypatch.setenv("HTTP_PROXY", "http://192.0.2.1:8080")
    stand_in._client.cache_clear()
    stand_in._session.cache_clear()
    assert ministack.client("sts").get_caller_identity()["Account"] == "000000000000"
    environment = ministack.environment()
    assert environment["AWS_ENDPOINT_URL"] == ministack.url
    assert "127.0.0.1" in environment["NO_PROXY"]


def test_it_listens_on_the_loopback_only_and_stops_without_a_trace(tmp_path: Path) -> None:
    processes = Processes(tmp_path)
    started = stand_in.start(processes)
    pid = processes.pid(stand_in.NAME)
    try:
        sockets = [c.laddr for c in psutil.Process(pid).net_connections() if c.status == psutil.CONN_LISTEN]
        assert [(address.ip, address.port) for address in sockets] == [("127.0.0.1", started.port)]
    finally:
        assert stand_in.stop(processes)
    assert not psutil.pid_exists(pid or 0)
    assert [path.name for path in tmp_path.iterdir() if path.name not in ("logs", "run")] == []
    assert not stand_in.stop(processes)


def test_a_port_in_use_is_refused(ministack: MiniStack, tmp_path: Path) -> None:
    processes = Processes(tmp_path)
    try:
        with pytest.raises(ProcessError, match=rf"port {ministack.port} of 127\.0\.0\.1 is in use"):
            stand_in.start(processes, port=ministack.port)
    finally:
        stand_in.stop(processes)


def test_another_version_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("local.ministack.metadata.version", lambda _name: "1.4.0")
    with pytest.raises(ProcessError, match=r"ministack 1\.4\.0 is installed, 1\.5\.33 is needed"):
        stand_in.start(Processes(tmp_path))
