"""The check for regressions: a planted slowdown is found, noise and another machine are not taken for one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench import check
from bench.check import TOLERANCE, Stage, ratio_to_reference, regressions
from bench.table_server import table_server


class Machine:
    """Processor time that passes only when work is done; `speed` is that of the whole machine."""

    def __init__(self, speed: float = 1.0) -> None:
        self.seconds = 0.0
        self.speed = speed
        self.disturbed = 0

    def work(self, amount: float) -> None:
        """Take as long as this amount takes here, and three times that in the first disturbed calls."""
        self.disturbed -= 1
        self.seconds += amount / self.speed * (3 if self.disturbed >= 0 else 1)

    def now(self) -> float:
        """The clock."""
        return self.seconds


def _ratio(monkeypatch: pytest.MonkeyPatch, machine: Machine, cost: float) -> float:
    monkeypatch.setattr(check, "reference_work", lambda: machine.work(0.05))
    stage = Stage("decode", lambda: lambda: machine.work(cost))
    return ratio_to_reference(stage, clock=machine.now)


def test_a_planted_slowdown_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = {"decode": _ratio(monkeypatch, Machine(), 0.1)}
    slower = {"decode": _ratio(monkeypatch, Machine(), 0.1 * TOLERANCE * 1.02)}
    (problem,) = regressions(stored, slower)
    assert problem.startswith("decode: ")


def test_a_slower_machine_is_no_regression(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = {"decode": _ratio(monkeypatch, Machine(), 0.1)}
    assert regressions(stored, {"decode": _ratio(monkeypatch, Machine(speed=0.2), 0.1)}) == []


def test_one_disturbed_pair_is_no_regression(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine()
    machine.disturbed = 2
    assert _ratio(monkeypatch, machine, 0.1) == pytest.approx(2.0)


def test_a_disturbed_reference_makes_no_stage_cheaper(monkeypatch: pytest.MonkeyPatch) -> None:
    """The least of the pairs would be stored then, and every later run be slower."""
    machine = Machine()
    machine.disturbed = 1
    assert _ratio(monkeypatch, machine, 0.1) == pytest.approx(2.0)


def test_a_stage_without_a_stored_ratio_is_a_problem() -> None:
    (problem,) = regressions({}, {"decode": 1.0})
    assert "--update" in problem


def test_what_became_faster_is_fine() -> None:
    assert regressions({"decode": 1.0}, {"decode": 0.1}) == []


def test_ratios_are_stored_and_read(tmp_path: Path) -> None:
    path = tmp_path / "reference.json"
    check.store_ratios({"decode": 0.25}, path)
    assert check.stored_ratios(path) == {"decode": 0.25}
    assert "check --update" in json.loads(path.read_text("utf-8"))["about"]


def test_every_stage_has_a_stored_ratio_and_runs() -> None:
    with table_server() as server, check.credentials():
        found = check.stages(server)
        assert {stage.name for stage in found} == check.stored_ratios().keys()
        for stage in found:
            stage.prepare()()
