"""The folder that tells a child's good end from its death."""

import subprocess
import sys
from pathlib import Path

import pytest

from worker.run_folder import RunFolder

ROOT = Path(__file__).parents[2]


def test_who_registers_is_known_until_it_leaves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folder = RunFolder.create()
    assert folder.metrics.is_dir()
    folder.register(12, "shard-0")
    folder.register(13, "shard-1")
    folder.pulse(12).write_bytes(b"x")
    folder.leave(12)
    folder.leave(99)
    assert folder.registered() == {13: "shard-1"}
    assert list(folder.pulses.iterdir()) == []


def test_folders_of_killed_supervisors_are_removed_and_those_in_use_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    program = "import os; from worker.run_folder import RunFolder; print(RunFolder.create().root); os._exit(9)"
    environment = {"TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    abandoned = Path(done.stdout.strip())
    assert abandoned.is_dir()
    first = RunFolder.create()
    second = RunFolder.create()
    assert sorted(tmp_path.iterdir()) == sorted([first.root, second.root])
