"""Background processes are found again, stopped with all they started, never mistaken for another."""

import json
import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from local.processes import ProcessError, Processes, free_port, wait_until

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]
IGNORES_TERM = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(60)
"""
# A parent whose child lives in a session of its own, as daemons do.
PARENT = """
import subprocess, sys, time
sleep = [sys.executable, "-c", "import time; time.sleep(60)"]
print(subprocess.Popen(sleep, start_new_session=True).pid, flush=True)
time.sleep(60)
"""


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    started = Processes(tmp_path)
    yield started
    started.stop_all(grace_seconds=0)


def child_of(processes: Processes, name: str) -> int:
    return int(processes.wait_until(lambda: processes.tail(name), 10, "the child's pid", watch=[name]))


def gone(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def test_a_started_process_is_alive_for_every_reader_of_the_folder(processes: Processes, tmp_path: Path) -> None:
    record = processes.start("sleeper", SLEEP)
    later = Processes(tmp_path)
    assert later.alive("sleeper")
    assert later.pid("sleeper") == record.pid
    assert later.names() == ["sleeper"]


def test_output_goes_to_the_log_and_a_restart_keeps_it(processes: Processes) -> None:
    for text in ("first", "second"):
        processes.start("writer", [sys.executable, "-c", f"print({text!r})"])
        wait_until(lambda: not processes.alive("writer"), 10, "the writer's end")
    assert processes.log_path("writer").read_text().split() == ["first", "second"]
    assert processes.tail("writer").split() == ["second"], "an error must not be explained by an earlier run"


def test_the_environment_is_added_to_ours(processes: Processes) -> None:
    show = "import os; print(os.environ['NEARVIEW_TEST'], 'PATH' in os.environ)"
    processes.start("env", [sys.executable, "-c", show], env={"NEARVIEW_TEST": "here"})
    wait_until(lambda: not processes.alive("env"), 10, "the end")
    assert processes.tail("env") == "here True"


def test_a_name_that_runs_cannot_be_started_twice(processes: Processes) -> None:
    processes.start("sleeper", SLEEP)
    with pytest.raises(ProcessError, match="sleeper runs already"):
        processes.start("sleeper", SLEEP)


def test_a_missing_program_is_one_clear_line(processes: Processes) -> None:
    with pytest.raises(ProcessError, match=r"nothing could not be started .*no-such-program"):
        processes.start("nothing", ["no-such-program"])
    assert processes.names() == []


def test_stop_ends_the_whole_tree_and_forgets_the_name(processes: Processes) -> None:
    record = processes.start("parent", [sys.executable, "-c", PARENT])
    child = child_of(processes, "parent")
    assert processes.stop("parent")
    assert gone(record.pid)
    assert gone(child)
    assert processes.names() == []
    assert not processes.stop("parent")


def test_orphans_of_a_crashed_process_are_found_and_killed(processes: Processes) -> None:
    record = processes.start("parent", [sys.executable, "-c", PARENT])
    child = child_of(processes, "parent")
    os.kill(record.pid, signal.SIGKILL)
    wait_until(lambda: not processes.alive("parent"), 10, "the parent's death")
    assert not gone(child)
    processes.start("parent", SLEEP)
    assert gone(child)
    assert processes.alive("parent")


def test_who_ignores_sigterm_is_killed_after_the_grace(processes: Processes) -> None:
    record = processes.start("stubborn", [sys.executable, "-c", IGNORES_TERM])
    processes.wait_until(lambda: "ready" in processes.tail("stubborn"), 10, "ready", watch=["stubborn"])
    assert processes.stop("stubborn", grace_seconds=0.2)
    assert gone(record.pid)


def test_a_reused_pid_is_neither_alive_nor_killed(processes: Processes, tmp_path: Path) -> None:
    """The record of a dead process names a pid that another process has now."""
    other = processes.start("other", SLEEP)
    record = json.loads((tmp_path / "run" / "other.json").read_text())
    stale = {**record, "name": "stale", "started": record["started"] - 100, "mark": "of an earlier run"}
    (tmp_path / "run" / "stale.json").write_text(json.dumps(stale))
    assert not processes.alive("stale")
    assert not processes.stop("stale")
    assert not gone(other.pid)


def test_waiting_on_a_process_that_died_shows_the_end_of_its_log(processes: Processes) -> None:
    processes.start("broken", [sys.executable, "-c", "raise SystemExit('no such table')"])
    with pytest.raises(ProcessError, match=r"(?s)answer: broken has died.*no such table"):
        processes.wait_until(lambda: False, 30, "answer", watch=["broken"])


def test_waiting_too_long_names_what_was_waited_for(processes: Processes) -> None:
    processes.start("idle", [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"])
    processes.wait_until(lambda: processes.tail("idle"), 10, "its first line", watch=["idle"])
    with pytest.raises(ProcessError, match=r"(?s)the answer: not so after 0.1 s.*up"):
        processes.wait_until(lambda: False, 0.1, "the answer", watch=["idle"])


def test_a_free_port_can_be_bound() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", free_port()))
