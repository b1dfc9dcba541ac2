"""What is made of the moments at which documents changed, and what the table and the file say."""

from typing import Any

import pytest
from click.testing import CliRunner

from bench.__main__ import main
from bench.recovery import command
from bench.recovery.faults import FAULTS, ONE_WORKER, TWO_WORKERS, Outcome
from bench.recovery.plain import properties
from bench.recovery.stage import Traffic


def traffic(**arrivals: list[tuple[float, float]]) -> Traffic:
    """Traffic with these pairs of a change's sending and its appearance."""
    nowhere: Any = None
    return Traffic(nowhere, arrivals=arrivals)


def test_a_shard_has_recovered_with_the_first_change_that_was_sent_after_the_fault() -> None:
    seen = traffic(first=[(9.0, 9.2), (9.9, 14.0), (10.1, 14.5), (12.0, 15.0)], second=[(9.0, 9.5)])
    assert seen.recovered(10.0) == {"first": 4.5}


def test_a_change_that_was_under_way_is_no_recovery() -> None:
    assert traffic(first=[(9.9, 10.3)]).recovered(10.0) == {}


def test_the_longest_pause_is_that_of_any_shard_from_the_beginning_on() -> None:
    seen = traffic(first=[(0.0, 11.0), (0.0, 12.0), (0.0, 15.5)], second=[(0.0, 9.0), (0.0, 13.0)])
    assert seen.longest_pause(10.0) == 3.5
    assert traffic(first=[(0.0, 9.0), (0.0, 17.0)]).longest_pause(10.0) == 7.0


def test_every_fault_has_its_words_and_belongs_to_a_fleet() -> None:
    assert set(command.WORDS) == set(FAULTS) == {*ONE_WORKER, *TWO_WORKERS}


def test_the_result_names_what_did_not_end_and_the_load() -> None:
    found: command.Found = {
        "child_killed": {
            "nearview": [Outcome("child_killed", 4.567, 180, 1.04)],
            "kcl": [Outcome("child_killed", None, 180, 0.5)],
        },
        "scale_in": {},
    }
    result = command._result(found, {"cores": 2})
    entry = result["faults"]["child_killed"]
    assert entry["nearview"] == {"seconds": [4.57], "load_average": [1.0], "waited": 180}
    assert entry["kcl"]["seconds"] == [None]
    assert result["settings"]["NEARVIEW_FAILOVER_MILLIS"] == 10_000
    assert [command._cell(entry.get(system)) for system in ("nearview", "kcl")] == ["4.6", "> 180"]
    assert command._cell(result["faults"]["scale_in"].get("kcl")) == ""


def test_plain_kcl_has_the_settings_of_the_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NEARVIEW_STREAM", "NEARVIEW_APPLICATION", "AWS_REGION", "AWS_ENDPOINT_URL"):
        monkeypatch.setenv(name, f"value-of-{name}")
    keys = {line.partition(" ")[0] for line in properties("kcl-1").splitlines()}
    assert not keys & {"failoverTimeMillis", "shutdownGraceMillis", "leaseAssignmentIntervalMillis", "timeoutInSeconds"}
    assert {"streamName", "applicationName", "executableName", "initialPositionInStream"} <= keys


def test_a_fault_that_there_is_not_is_refused() -> None:
    done = CliRunner().invoke(main, ["recovery", "--only", "flood"])
    assert done.exit_code == 2
    assert "child_killed" in done.output
