"""The stand-in's task file and its reload, as the local stack uses them."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.dms.reload import ReloadRequest
from local.dms.state import CHANGES, State, StateFolder
from local.processes import ProcessError, Processes
from local.running import Options, StackError
from local.standin import DMS, StandIn, make_task

TABLES = ("shop.orders", "shop.lines")


def test_the_task_selects_the_mapped_tables_and_partitions_them_by_key() -> None:
    rules = make_task(Options(), TABLES)["TableMappings"]["rules"]

    named = {(rule["rule-type"], rule["object-locator"]["table-name"]) for rule in rules}
    assert named == {(kind, table) for kind in ("selection", "object-mapping") for table in ("orders", "lines")}
    assert {rule["mapping-parameters"]["partition-key-type"] for rule in rules[1::2]} == {"primary-key"}


def test_switches_of_the_command_line_stand_over_the_task_file(tmp_path: Path) -> None:
    file = tmp_path / "task.json"
    file.write_text(json.dumps({"StandIn": {"LoadHoldSeconds": 1, "ShuffleLoad": True}}))

    task = make_task(Options(task=file, stand_in=("LoadHoldSeconds=2.5", "SourceShape=mysql")), TABLES)

    assert task["StandIn"] == {"LoadHoldSeconds": 2.5, "ShuffleLoad": True, "SourceShape": "mysql"}


@pytest.mark.parametrize(
    ("switch", "message"),
    [
        ("LoadBesideChange=true", "did you mean LoadBesideChanges?"),
        ("LoadBesideChanges=yes", "must be true or false"),
        ("LoadBesideChanges", "write NAME=VALUE"),
        ("=1", "write NAME=VALUE"),
    ],
)
def test_a_switch_that_does_not_exist_or_fit_is_named(switch: str, message: str) -> None:
    with pytest.raises(StackError, match=r"LoadBesideChange|=1") as caught:
        make_task(Options(stand_in=(switch,)), TABLES)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"), [("{", "not JSON"), ("[]", "must be an object"), ('{"StandIn": 1}', "must be an object")]
)
def test_a_task_file_that_cannot_be_used_is_named(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "task.json"
    file.write_text(content)
    with pytest.raises(StackError, match=message) as caught:
        make_task(Options(task=file), TABLES)
    assert str(file) in str(caught.value)


def test_a_task_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StackError, match=r"nowhere\.json: cannot be read: No such file"):
        make_task(Options(task=tmp_path / "nowhere.json"), TABLES)


@pytest.fixture
def stand_in(tmp_path: Path) -> Iterator[StandIn]:
    """A folder whose task has loaded everything, with a process that only seems to be the stand-in."""
    processes = Processes(tmp_path)
    made = StandIn(tmp_path / "dms", processes)
    made.folder.mkdir()
    StateFolder(made.folder).write(_state(*TABLES))
    processes.start(DMS, [sys.executable, "-c", "import time; time.sleep(600)"])
    yield made
    processes.stop(DMS, grace_seconds=0)


def _state(*loaded: str) -> State:
    return State(CHANGES, list(TABLES), list(loaded), dict.fromkeys(TABLES, 7))


def test_a_reload_is_done_when_the_task_has_taken_it_and_loaded_the_tables(stand_in: StandIn) -> None:
    stand_in.ask_reload(["shop.orders"])
    seen: list[str] = []

    def task() -> None:
        """As the task does it: forget the load, remove the request, load."""
        for loaded in ((), ("shop.orders",)):
            time.sleep(0.2)
            seen.append("loaded" if loaded else "taken")
            StateFolder(stand_in.folder).write(_state("shop.lines", *loaded))
            ReloadRequest(stand_in.folder).remove()

    thread = threading.Thread(target=task)
    thread.start()
    state = stand_in.wait_until_reloaded(["shop.orders"], 30, lambda _: None)
    thread.join()

    assert seen == ["taken", "loaded"]
    assert set(state.loaded_tables) == set(TABLES)


def test_a_reload_of_what_is_not_captured_or_of_nobody_is_refused(stand_in: StandIn) -> None:
    with pytest.raises(StackError, match=r"not captured by the task: shop\.order; captured are"):
        stand_in.ask_reload(["shop.order"])
    stand_in.ask_reload(["shop.orders"])
    with pytest.raises(StackError, match="a request is not taken yet"):
        stand_in.ask_reload(["shop.orders"])
    assert stand_in.stop()
    assert not stand_in.stop()
    with pytest.raises(StackError, match="does not run"):
        stand_in.ask_reload(["shop.orders"])


def test_the_wait_for_a_reload_ends_when_the_stand_in_dies(stand_in: StandIn) -> None:
    stand_in.ask_reload(["shop.orders"])
    stand_in.stop()
    with pytest.raises(ProcessError, match="dms has died"):
        stand_in.wait_until_reloaded(["shop.orders"], 30, lambda _: None)
