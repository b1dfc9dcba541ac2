"""A child hangs when it is busy and its pulse stands still for long enough while we look."""

import subprocess
import sys
from pathlib import Path

from tests.worker.supervisor.real_worker import wait_for
from worker.pulse import AT_REST
from worker.supervisor.hang import HangWatch, has_unread_input, pulse_of

CHILD = 7


def looks(*pulses: int, every: float = 1.0, patience: float = 3.0) -> list[bool]:
    """Whether the child hangs after each look."""
    watch = HangWatch(patience)
    return [watch.hung({CHILD: pulse}, every) == [CHILD] for pulse in pulses]


def test_a_pulse_that_stands_still_is_a_hang() -> None:
    assert looks(5, 5, 5, 5) == [False, False, False, True]


def test_progress_begins_the_time_anew() -> None:
    assert not any(looks(5, 5, 5, 6, 6, 6))


def test_a_child_at_rest_never_hangs() -> None:
    assert not any(looks(*[AT_REST] * 10))
    assert not any(looks(5, 5, 5, AT_REST, 5, 5, 5))


def test_a_machine_that_was_paused_has_shown_nothing() -> None:
    assert looks(5, 5, 5, 5, every=500.0) == looks(5, 5, 5, 5)


def test_another_process_of_the_same_number_is_another_child() -> None:
    watch = HangWatch(2.0)
    watch.hung({CHILD: 5}, 1.0)
    watch.hung({CHILD: 5}, 1.0)
    assert watch.hung({}, 1.0) == []
    assert watch.hung({CHILD: 5}, 1.0) == []
    assert watch.hung({CHILD: 5}, 1.0) == []


def test_each_child_is_watched_alone() -> None:
    watch = HangWatch(2.0)
    for number in range(2):
        assert watch.hung({1: 5, 2: number + 1}, 1.0) == []
    assert watch.hung({1: 5, 2: 9}, 1.0) == [1]


def test_a_child_at_rest_that_does_not_read_what_it_is_sent_has_a_pulse_that_stands_still(tmp_path: Path) -> None:
    file = tmp_path / "pulse"
    file.write_bytes((-7).to_bytes(8, "little", signed=True))
    reader = "import sys, time; sys.stdin.readline(); print('read', flush=True); time.sleep(600)"
    with subprocess.Popen([sys.executable, "-c", reader], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin
        assert child.stdout
        assert pulse_of(child.pid, file) == AT_REST
        child.stdin.write(b"first\n")
        child.stdin.flush()
        child.stdout.readline()
        assert not has_unread_input(child.pid)
        child.stdin.write(b"second\n")
        child.stdin.flush()
        assert pulse_of(child.pid, file) == -7
        child.kill()
        wait_for("its end", lambda: child.poll() is not None)
        assert pulse_of(child.pid, file) == AT_REST
