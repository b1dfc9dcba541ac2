"""A child hangs when it is busy and its pulse stands still for long enough while we look."""

import os
import subprocess
import sys
from pathlib import Path

from tests.worker.supervisor.real_worker import wait_for
from worker.pulse import AT_REST
from worker.supervisor.hang import HangWatch, Sign, has_unread_input, sign_of, starved_seconds

CHILD = 7


def looks(*pulses: int, every: float = 1.0, patience: float = 3.0) -> list[bool]:
    """Whether the child hangs after each look."""
    watch = HangWatch(patience)
    return [watch.hung({CHILD: Sign(pulse)}, every) == [CHILD] for pulse in pulses]


def test_a_pulse_that_stands_still_is_a_hang() -> None:
    assert looks(5, 5, 5, 5) == [False, False, False, True]


def test_progress_begins_the_time_anew() -> None:
    assert not any(looks(5, 5, 5, 6, 6, 6))


def test_a_child_at_rest_never_hangs() -> None:
    assert not any(looks(*[AT_REST] * 10))
    assert not any(looks(5, 5, 5, AT_REST, 5, 5, 5))


def test_a_machine_that_was_paused_has_shown_nothing() -> None:
    assert looks(5, 5, 5, 5, every=500.0) == looks(5, 5, 5, 5)


def test_a_child_without_a_processor_has_shown_nothing() -> None:
    watch = HangWatch(3.0)
    assert not any(watch.hung({CHILD: Sign(5, float(number))}, 1.0) for number in range(20))
    later = [watch.hung({CHILD: Sign(5, 19.0)}, 1.0) for _ in range(3)]
    assert later == [[], [], [CHILD]]


def test_another_process_of_the_same_number_is_another_child() -> None:
    watch = HangWatch(2.0)
    watch.hung({CHILD: Sign(5)}, 1.0)
    watch.hung({CHILD: Sign(5)}, 1.0)
    assert watch.hung({}, 1.0) == []
    assert watch.hung({CHILD: Sign(5)}, 1.0) == []
    assert watch.hung({CHILD: Sign(5)}, 1.0) == []


def test_each_child_is_watched_alone() -> None:
    watch = HangWatch(2.0)
    for number in range(2):
        assert watch.hung({1: Sign(5), 2: Sign(number + 1)}, 1.0) == []
    assert watch.hung({1: Sign(5), 2: Sign(9)}, 1.0) == [1]


def test_a_child_at_rest_that_does_not_read_what_it_is_sent_has_a_pulse_that_stands_still(tmp_path: Path) -> None:
    file = tmp_path / "pulse"
    file.write_bytes((-7).to_bytes(8, "little", signed=True))
    reader = "import sys, time; sys.stdin.readline(); print('read', flush=True); time.sleep(600)"
    with subprocess.Popen([sys.executable, "-c", reader], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin
        assert child.stdout
        assert sign_of(child.pid, file).pulse == AT_REST
        child.stdin.write(b"first\n")
        child.stdin.flush()
        child.stdout.readline()
        assert not has_unread_input(child.pid)
        child.stdin.write(b"second\n")
        child.stdin.flush()
        assert sign_of(child.pid, file).pulse == -7
        child.kill()
        wait_for("its end", lambda: child.poll() is not None)
        assert sign_of(child.pid, file).pulse == AT_REST


def test_who_waits_for_a_processor_is_known() -> None:
    loop = "while True: pass"
    crowd = [subprocess.Popen([sys.executable, "-c", loop]) for _ in range(len(os.sched_getaffinity(0)) + 1)]
    try:
        wait_for("one that has waited", lambda: max(starved_seconds(process.pid) for process in crowd) > 0.05)
    finally:
        for process in crowd:
            process.kill()
            process.wait()
    assert starved_seconds(crowd[0].pid) == 0.0
