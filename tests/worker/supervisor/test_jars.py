"""Jars are exactly those whose sums are committed."""

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from worker.supervisor import jars


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two jars as they should be."""
    for name in ("a.jar", "b.jar"):
        (tmp_path / name).write_text(name, encoding="utf-8")
    return tmp_path


@pytest.fixture
def sums(folder: Path) -> Path:
    """Their sums."""
    lines = [f"{hashlib.sha256(name.encode()).hexdigest()}  {name}" for name in ("a.jar", "b.jar")]
    path = folder / "sums"
    path.write_text("\n".join(["# a comment", *lines]) + "\n", encoding="utf-8")
    return path


def test_expected_jars_are_no_problem(folder: Path, sums: Path) -> None:
    assert jars.problem(folder, sums) is None


def test_missing_changed_and_surplus_jars_are_named_in_one_line(folder: Path, sums: Path) -> None:
    (folder / "a.jar").write_text("tampered", encoding="utf-8")
    (folder / "b.jar").rename(folder / "c.jar")
    line = jars.problem(folder, sums)
    assert line
    assert "1 missing (b.jar), 1 with a wrong SHA-256 sum (a.jar), 1 not expected (c.jar); reinstall" in line
    assert "\n" not in line


def test_an_empty_folder_as_pip_may_leave_it_is_a_problem(tmp_path: Path) -> None:
    line = jars.problem(tmp_path)
    assert line
    assert "79 missing" in line


def test_a_missing_package_is_a_problem() -> None:
    assert jars.problem(None) == "amazon_kclpy is not installed"


def test_the_installed_jars_pass_and_the_program_says_so() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "worker.supervisor.jars"],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "amazon_kclpy's 79 jars are complete and have their SHA-256 sums\n"
