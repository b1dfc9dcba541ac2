"""The commands for the local DMS task say in one line why they cannot; what they do is in the acceptance tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from worker.cli import main


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder of the test's own."""
    monkeypatch.setenv("NEARVIEW_LOCAL_DIR", str(tmp_path))
    return tmp_path


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["local", *arguments])


@pytest.mark.parametrize(
    "command", [("stop-task",), ("start-task",), ("start-task", "--reload-target"), ("reload", "a.b")]
)
def test_without_a_stack_there_is_no_task(folder: Path, command: tuple[str, ...]) -> None:
    refused = _run(*command)
    assert refused.exit_code == 1
    assert refused.stderr == "Error: no local stack runs; start one with `nearview local up`\n"


def test_a_reload_needs_tables() -> None:
    assert _run("reload").exit_code == 2


def test_a_switch_that_does_not_exist_is_refused_before_anything_starts(folder: Path) -> None:
    refused = _run("up", "--stand-in", "ShuffleLoads=true")
    assert refused.exit_code == 1
    assert "StandIn.ShuffleLoads: unknown setting, did you mean ShuffleLoad?" in refused.stderr
    assert list(folder.iterdir()) == []
