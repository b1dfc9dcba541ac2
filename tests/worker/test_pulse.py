"""A process's pulse, seen from another process."""

import subprocess
import sys
from pathlib import Path

from worker import pulse

ROOT = Path(__file__).parents[2]
PROGRAM = """
import pathlib, sys
from worker import pulse
pulse.begin(pathlib.Path(sys.argv[1]))
for line in sys.stdin:
    getattr(pulse, line.strip())()
    print(flush=True)
"""


def test_it_changes_with_everything_and_is_below_zero_at_rest(tmp_path: Path) -> None:
    path = tmp_path / "pulses" / "7"
    assert pulse.read(path) == pulse.AT_REST
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        seen = []
        assert process.stdin
        assert process.stdout
        for action in ("rest", "beat", "beat", "rest", "beat"):
            process.stdin.write(f"{action}\n")
            process.stdin.flush()
            process.stdout.readline()
            seen.append(pulse.read(path))
        process.stdin.close()
    assert [number > pulse.AT_REST for number in seen] == [False, True, True, False, True]
    assert len({*seen, pulse.AT_REST}) == 6


def test_a_file_that_is_cut_or_gone_is_rest(tmp_path: Path) -> None:
    (tmp_path / "7").write_bytes(b"123")
    assert pulse.read(tmp_path / "7") == pulse.AT_REST


def test_a_process_without_one_goes_on() -> None:
    pulse.beat()
    pulse.rest()
    pulse.sleep(0.0)
