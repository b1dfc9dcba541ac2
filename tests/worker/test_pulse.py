"""A process's pulse, seen from another process."""

import subprocess
import sys
from pathlib import Path

from worker import pulse

ROOT = Path(__file__).parents[2]
PROGRAM = """
import pathlib, sys, threading
from worker import pulse
pulse.begin(pathlib.Path(sys.argv[1]))
for line in sys.stdin:
    name, _, thread = line.strip().partition(" ")
    if thread:
        beside = threading.Thread(target=getattr(pulse, name))
        beside.start()
        beside.join()
    else:
        getattr(pulse, name)()
    print(flush=True)
"""


def after(path: Path, *actions: str) -> list[int]:
    """The pulse of another process after each of its actions."""
    seen = []
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        assert process.stdin
        assert process.stdout
        for action in actions:
            process.stdin.write(f"{action}\n")
            process.stdin.flush()
            process.stdout.readline()
            seen.append(pulse.read(path))
        process.stdin.close()
    return seen


def test_what_another_thread_does_is_no_progress(tmp_path: Path) -> None:
    seen = after(tmp_path / "7", "beat", "beat beside", "rest beside", "beat")
    assert seen[0] == seen[1] == seen[2] != seen[3]


def test_it_changes_with_everything_and_is_below_zero_at_rest(tmp_path: Path) -> None:
    path = tmp_path / "pulses" / "7"
    assert pulse.read(path) == pulse.AT_REST
    seen = after(path, "rest", "beat", "beat", "rest", "beat")
    assert [number > pulse.AT_REST for number in seen] == [False, True, True, False, True]
    assert len({*seen, pulse.AT_REST}) == 6


def test_a_file_that_is_cut_or_gone_is_rest(tmp_path: Path) -> None:
    (tmp_path / "7").write_bytes(b"123")
    assert pulse.read(tmp_path / "7") == pulse.AT_REST


def test_a_process_without_one_goes_on() -> None:
    pulse.beat()
    pulse.rest()
    pulse.sleep(0.0)
