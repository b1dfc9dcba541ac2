"""How one daemon follows another: back-off, dead children, clean-up, stop."""

import io
import json
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from worker.log import Log
from worker.run_folder import RunFolder
from worker.supervisor import supervise
from worker.supervisor.collector import ChildMetrics
from worker.supervisor.hang import HangWatch
from worker.supervisor.health import Health
from worker.supervisor.leases import Leader
from worker.supervisor.supervise import Supervisor, back_off_seconds


class Tables:
    """Lease tables that note what is asked of them."""

    def __init__(self) -> None:
        self.owner = "w1.dead"
        self.freed: list[str] = []
        self.successors: list[str | None] = []
        self.error: Exception | None = None

    def leader(self) -> Leader:
        if self.error:
            raise self.error
        return Leader(self.owner, "v", "t", "key")

    def free_leader(self, leader: Leader) -> bool:
        self.freed.append(leader.owner)
        return True

    def pass_on(self, is_dead: Callable[[str], bool], successor: str | None) -> int:
        assert is_dead("w1.abc")
        assert not is_dead("w1.more.abc")
        assert not is_dead("w10.abc")
        self.successors.append(successor)
        return 1


class FakeDaemon:
    """Ends by itself at once, or when it is asked to, or only when it is killed."""

    pid = 1

    def __init__(self, code: int | None = None, ends_when_asked: bool = True) -> None:
        self.code = code
        self.ends_when_asked = ends_when_asked
        self.calls: list[str] = []

    def exit_code(self) -> int | None:
        return self.code

    def terminate(self) -> None:
        self.calls.append("terminate")
        if self.ends_when_asked:
            self.code = 143

    def kill(self) -> None:
        self.calls.append("kill")
        self.code = -9

    def wait(self, seconds: float) -> bool:
        return self.code is not None


class Play:
    """A supervisor over a list of daemons; a stop is requested when the last one has started."""

    def __init__(self, folder: Path, *daemons: FakeDaemon) -> None:
        self.daemons = list(daemons)
        self.ids: list[str] = []
        self.tables = Tables()
        self.lines = io.StringIO()
        self.stop = threading.Event()
        self.folder = RunFolder(folder)
        self.folder.children.mkdir()
        self.folder.metrics.mkdir()
        log = Log("info", self.lines)
        self.health = Health(log)
        self.on_start: Callable[[], None] = lambda: None
        tables: Any = self.tables
        self.supervisor = Supervisor(
            "w1",
            self._start,
            tables,
            self.folder,
            ChildMetrics(self.folder.metrics),
            self.health,
            HangWatch(0.001),
            0.1,
            log,
            self.stop,
        )

    def _start(self, worker_id: str) -> FakeDaemon:
        self.ids.append(worker_id)
        self.on_start()
        if len(self.ids) == len(self.daemons):
            self.stop.set()
        return self.daemons[len(self.ids) - 1]

    def events(self, name: str) -> list[dict[str, Any]]:
        entries = [json.loads(line) for line in self.lines.getvalue().splitlines()]
        return [entry for entry in entries if entry["event"] == name]


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOOK_SECONDS", "FIRST_BACK_OFF_SECONDS"):
        monkeypatch.setattr(supervise, name, 0.001)
    monkeypatch.setattr(supervise, "reap", lambda: None)  # it would take pytest's own children


def test_a_stop_asks_the_daemon_and_frees_everything(tmp_path: Path) -> None:
    play = Play(tmp_path, FakeDaemon())
    play.supervisor.run()
    assert play.daemons[0].calls == ["terminate"]
    assert play.tables.successors == [play.ids[0], None]
    assert play.health.restarts == 0


def test_a_daemon_that_does_not_stop_in_time_is_killed(tmp_path: Path) -> None:
    play = Play(tmp_path, FakeDaemon(ends_when_asked=False))
    play.supervisor.run()
    assert play.daemons[0].calls == ["terminate", "kill"]


@pytest.mark.parametrize("code", [0, 1, -9, 143])
def test_any_end_that_nobody_asked_for_is_followed_by_a_new_worker_id(tmp_path: Path, code: int) -> None:
    play = Play(tmp_path, FakeDaemon(code), FakeDaemon(code), FakeDaemon())
    play.supervisor.run()
    assert len(set(play.ids)) == 3
    assert all(worker_id.startswith("w1.") for worker_id in play.ids)
    assert play.tables.successors == [*play.ids, None]
    assert play.tables.freed == ["w1.dead"] * 4
    assert play.health.restarts == 2
    assert [event["exit_code"] for event in play.events("daemon_exited")] == [code, code, 143]


def test_health_is_red_from_the_end_of_a_daemon_to_the_start_of_the_next(tmp_path: Path) -> None:
    play = Play(tmp_path, FakeDaemon(1), FakeDaemon())
    seen: list[list[str]] = []
    play.on_start = lambda: seen.append(play.health.problems())
    play.supervisor.run()
    assert seen == [["the daemon has not been started yet"], ["the daemon ended with exit code 1"]]


def test_a_dead_child_dooms_its_daemon(tmp_path: Path) -> None:
    play = Play(tmp_path, FakeDaemon(), FakeDaemon())
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    play.on_start = lambda: play.folder.register(gone.pid, "shard-7") if len(play.ids) == 1 else None
    play.supervisor.run()
    assert play.daemons[0].calls == ["kill"]
    assert play.events("child_died")[0]["shard"] == "shard-7"
    assert play.folder.registered() == {}


def test_a_child_that_hangs_is_ended_and_dooms_its_daemon(tmp_path: Path) -> None:
    play = Play(tmp_path, FakeDaemon(), FakeDaemon())
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as hung:

        def begin() -> None:
            if len(play.ids) == 1:
                play.folder.register(hung.pid, "shard-7")
                play.folder.pulse(hung.pid).parent.mkdir()
                play.folder.pulse(hung.pid).write_bytes((7).to_bytes(8, "little"))

        play.on_start = begin
        play.supervisor.run()
        assert hung.wait(30) == -9
    assert play.daemons[0].calls == ["kill"]
    assert [(event["shard"], event["pid"]) for event in play.events("child_hung")] == [("shard-7", hung.pid)]
    assert play.events("child_died") == []
    assert play.health.children_hung == 1
    assert play.folder.registered() == {}


def test_another_workers_lock_is_left_alone(tmp_path: Path) -> None:
    play = Play(tmp_path, FakeDaemon())
    play.tables.owner = "w2.alive"
    play.supervisor.run()
    assert play.tables.freed == []


@pytest.mark.parametrize(("code", "told"), [("ThrottlingException", 2), ("ResourceNotFoundException", 0)])
def test_lease_tables_that_fail_do_not_keep_the_daemon_from_starting(tmp_path: Path, code: str, told: int) -> None:
    play = Play(tmp_path, FakeDaemon())
    play.tables.error = ClientError({"Error": {"Code": code}}, "GetItem")
    play.supervisor.run()
    assert len(play.ids) == 1
    assert len(play.events("lease_table_failed")) == told


def test_one_failure_is_not_waited_for_and_the_back_off_grows_to_its_longest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(supervise, "FIRST_BACK_OFF_SECONDS", 0.5)
    monkeypatch.setattr("random.uniform", lambda _low, high: high)
    assert [back_off_seconds(failures) for failures in (1, 2, 3, 20, 9999)] == [0.0, 0.5, 1.0, 30.0, 30.0]
