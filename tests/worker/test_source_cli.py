"""`nearview incarnation` and `nearview drift`: what they show, do and refuse, and their exit codes."""

from __future__ import annotations

import datetime
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from local.ministack import MiniStack
from tests.worker.conftest import Tables
from worker.cli import main
from worker.log import Log
from worker.patience import Patience
from worker.records.drift import Drift, What
from worker.source_notes import SourceNotes

MAPPING = "aggregate: order\nsource: shop.orders\nkey: order_id\nfields: [order_id, note]\n"

Run = Callable[..., Result]


@pytest.fixture
def run(tables: Tables, ministack: MiniStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the program as in a shell with the settings of the tables."""
    (tmp_path / "order.yaml").write_text(MAPPING)
    for name, value in {**ministack.environment(), **tables.environment(), "NEARVIEW_MAPPINGS": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    return lambda *arguments: CliRunner().invoke(main, arguments)


@pytest.fixture
def notes(tables: Tables) -> SourceNotes:
    """What the commands look at."""
    return SourceNotes(tables.client, tables.parked, Patience("the parking table", Log("error", io.StringIO())))


def test_raising_tells_what_it_would_do_and_does_it_with_yes(run: Run, notes: SourceNotes) -> None:
    asked = run("incarnation", "raise", "--from", "2026-05-03T10:00:00Z", "--reason", "a restore")
    assert asked.exit_code == 1
    assert "incarnation 2 would hold for records built from 2026-05-03T10:00:00.000000Z on" in asked.output
    assert notes.raised() == []

    done = run("incarnation", "raise", "--from", "2026-05-03T12:00:00+02:00", "--reason", "a restore", "--yes")
    assert done.exit_code == 0
    assert "the DMS task may be resumed from " in done.output
    listed = run("incarnation", "list")
    assert (listed.exit_code, listed.output.splitlines()[0]) == (0, "incarnation 1 holds from the beginning")
    assert "incarnation 2 holds for records built from 2026-05-03T10:00:00.000000Z on (raised " in listed.output
    assert "a restore)" in listed.output
    assert json.loads(run("incarnation", "list", "--json").output)[0]["number"] == 2


def test_it_holds_from_now_on_and_the_task_waits_until_workers_know(run: Run) -> None:
    before = datetime.datetime.now(datetime.UTC)

    told = json.loads(run("incarnation", "raise", "--yes", "--json").output)

    start, resume = (datetime.datetime.fromisoformat(told[name]) for name in ("from", "resume_after"))
    assert before <= start <= datetime.datetime.now(datetime.UTC)
    assert resume - start >= datetime.timedelta(seconds=15)
    assert (told["number"], told["raised"]) == (2, True)


@pytest.mark.parametrize(
    ("start", "problem"),
    [
        ("2026-05-03T09:59:59Z", "--from must be later than 2026-05-03T10:00:00.000000Z, where the newest one begins"),
        ("2026-05-03T10:00:00Z", "--from must be later than"),
        ("yesterday", "--from yesterday is not a time like 2026-01-31T12:00:00Z"),
        ("2026-05-04T10:00:00", "--from 2026-05-04T10:00:00 names no time zone: add Z for UTC"),
        ("1969-05-04T10:00:00Z", "is before 1970"),
    ],
)
def test_a_time_that_cannot_be_is_refused_in_one_line(run: Run, notes: SourceNotes, start: str, problem: str) -> None:
    assert run("incarnation", "raise", "--from", "2026-05-03T10:00:00Z", "--yes").exit_code == 0

    refused = run("incarnation", "raise", "--from", start, "--yes")

    assert refused.exit_code == 2
    assert refused.output.startswith("nearview incarnation: ")
    assert problem in refused.output
    assert refused.output.count("\n") == 1
    assert len(notes.raised()) == 1


def test_no_drift_is_said_so(run: Run) -> None:
    result = run("drift")

    assert (result.exit_code, result.output) == (0, "no drift\n")
    assert json.loads(run("drift", "--json").output) == []


def test_drift_names_the_mappings_that_use_a_column(run: Run, notes: SourceNotes) -> None:
    notes.note("shop.orders", [Drift(What.APPEARED, name, 1, "", "text") for name in ("order_id", "note", "other")])
    notes.note("shop.orders", [Drift(What.VANISHED, "other", 2_000_000, "1/2")])
    harmless = run("drift")
    notes.note("shop.orders", [Drift(What.RETYPED, "note", 3_000_000, "1/3", "text -> number")])
    notes.note("shop.lines", [Drift(What.APPEARED, "id", 1, "", "number")])

    result = run("drift")

    assert (harmless.exit_code, result.exit_code) == (0, 1)
    assert result.output.splitlines() == [
        "1970-01-01T00:00:02Z  shop.orders  column other vanished at 1/2",
        "1970-01-01T00:00:03Z  shop.orders  column note changed its type (text -> number) at 1/3",
        "    used by order.note",
    ]
    assert run("drift", "--table", "shop.lines").output == "no drift\n"
    (_, entry) = json.loads(run("drift", "--json").output)
    assert (entry["what"], entry["name"], entry["used_by"], entry["open"]) == ("retyped", "note", ["order.note"], True)


def test_wrong_mappings_and_missing_settings_are_lines(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "order.yaml").write_text("aggregate: 1")
    assert run("drift").exit_code == 2

    monkeypatch.delenv("NEARVIEW_PARKED_TABLE")
    result = run("incarnation", "list")
    assert result.exit_code == 2
    assert result.output.startswith("nearview incarnation: NEARVIEW_PARKED_TABLE is not set")
