"""The command: what it runs, writes and says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench import __main__ as command
from bench import check as checks
from bench import results
from bench.child import ChildFailed
from bench.measured import Metric
from bench.session import Metrics, Session


def good(session: Session) -> Metrics:
    """Always the same."""
    for _ in session.rounds("good"):
        session.server.create_table("t")
    return {"cpu_per_change": Metric("us", (7.0,) * session.runs)}


def bad(_: Session) -> Metrics:
    """Never works."""
    raise ChildFailed("it ended")


@pytest.fixture
def latest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where results go that nobody sent elsewhere; the benchmarks are two of our own."""
    path = tmp_path / "latest.json"
    monkeypatch.setattr(results, "LATEST", path)
    # the names that --only takes are those of the real ones
    monkeypatch.setattr(command, "BENCHMARKS", {"flat": good, "nested": bad})
    return path


def test_one_benchmark_alone_writes_nothing_unless_told_where(latest: Path, tmp_path: Path) -> None:
    output = tmp_path / "some" / "where.json"
    done = CliRunner().invoke(command.main, ["run", "--only", "flat", "--runs", "2", "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["benchmarks"]["flat"]["metrics"]["cpu_per_change"]["values"] == [7, 7]
    assert "run 2 of 2" in done.stderr
    assert not latest.exists()
    CliRunner().invoke(command.main, ["run", "--only", "flat", "--output", str(output)])
    assert results.read(output)["runs"] == 5


def test_a_benchmark_that_fails_does_not_end_the_others(latest: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.json"
    done = CliRunner().invoke(command.main, ["run", "--output", str(output)])
    assert done.exit_code == 1
    assert "nested: it ended" in done.output
    assert list(results.read(output)["benchmarks"]) == ["flat"]
    assert CliRunner().invoke(command.main, ["run"]).exit_code == 1
    assert not latest.exists()


def test_a_whole_session_becomes_the_latest(latest: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "BENCHMARKS", {"flat": good})
    done = CliRunner().invoke(command.main, ["run", "--runs", "1"])
    assert done.exit_code == 0, done.output
    assert results.read(latest)["machine"]["cores"] >= 1


@pytest.mark.parametrize(("ratio", "code"), [(1.0, 0), (2.0, 1)])
def test_the_check_fails_for_a_stage_that_became_slower(
    ratio: float, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = tmp_path / "reference.json"
    checks.store_ratios({"decode": 1.0}, stored)
    ratios = checks.stored_ratios(stored)
    monkeypatch.setattr(checks, "stored_ratios", lambda: ratios)
    monkeypatch.setattr(checks, "measure", lambda *_: {"decode": ratio})
    done = CliRunner().invoke(command.main, ["check"])
    assert done.exit_code == code, done.output
    assert ("decode" in done.output) is (code == 1)
