"""The commands of the local stack say in one line why they cannot; what they do is in the acceptance tests."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

from local import task_cli
from local.dms.state import State
from worker.cli import main


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder of the test's own."""
    monkeypatch.setenv("NEARVIEW_LOCAL_DIR", str(tmp_path))
    return tmp_path


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["local", *arguments])


@pytest.mark.parametrize(
    "command", [("deploy",), ("stop-task",), ("start-task",), ("start-task", "--reload-target"), ("reload", "a.b")]
)
def test_without_a_stack_there_is_no_task(folder: Path, command: tuple[str, ...]) -> None:
    refused = _run(*command)
    assert refused.exit_code == 1
    assert refused.stderr == "Error: no local stack runs; start one with `nearview local up`\n"


def test_a_reload_needs_tables() -> None:
    assert _run("reload").exit_code == 2


@pytest.mark.parametrize("parked", [False, True])
def test_a_reload_names_the_records_that_were_parked_meanwhile(monkeypatch: pytest.MonkeyPatch, parked: bool) -> None:
    earlier, later = ("shop.a", "pk", "1"), ("shop.a", "pk", "2")
    looks = [{earlier}, {earlier, later} if parked else {earlier}]
    state = State(rows_loaded={"shop.a": 4})
    stand_in = SimpleNamespace(ask_reload=lambda _: None, wait_until_reloaded=lambda *_: state)
    processes = SimpleNamespace(wait_until=lambda *_: True)
    stack: Any = SimpleNamespace(stand_in=stand_in, processes=processes)
    monkeypatch.setattr(task_cli, "this_stack", lambda _: stack)
    monkeypatch.setattr(task_cli, "running_of", lambda _: None)
    monkeypatch.setattr(task_cli, "parked_records", lambda *_: looks.pop(0))

    done = _run("reload", "shop.a", "--json")

    assert done.exit_code == parked
    assert json.loads(done.stdout)["parked"] == ({"shop.a": 1} if parked else {})
    assert ("shop.a: 1 record parked meanwhile, documents lack them" in done.stderr) is parked


def test_a_switch_that_does_not_exist_is_refused_before_anything_starts(folder: Path) -> None:
    refused = _run("up", "--stand-in", "ShuffleLoads=true")
    assert refused.exit_code == 1
    assert "StandIn.ShuffleLoads: unknown setting, did you mean ShuffleLoad?" in refused.stderr
    assert list(folder.iterdir()) == []


def test_a_missing_token_key_is_said_before_anything_starts(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NEARVIEW_TOKEN_KEY", raising=False)
    monkeypatch.delenv("NEARVIEW_TOKEN_KEY_FILE", raising=False)
    mappings = tmp_path_factory.mktemp("mappings")
    (mappings / "a.yaml").write_text("aggregate: a\nsource: s.a\nkey: id\nfields: [id, name]\n")
    (mappings / "tables.yaml").write_text("tables: {s.a: {sensitive: {name: token}}}\n")

    refused = _run("up", "--mappings", str(mappings))

    assert refused.exit_code == 1
    assert refused.stderr.startswith("Error: NEARVIEW_TOKEN_KEY is not set")
    assert list(folder.iterdir()) == []
