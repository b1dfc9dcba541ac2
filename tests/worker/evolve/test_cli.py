"""`nearview plan` on the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.worker.evolve.test_needs import ORDER
from tests.worker.verify.business import run_sql
from worker.cli import main

CHANGED = ORDER.replace("sku, quantity]", "sku, quantity, price]")


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    for name, text in (("old", ORDER), ("new", CHANGED)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "order.yaml").write_text(text)
    return tmp_path / "old", tmp_path / "new"


def _run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["plan", *map(str, arguments)])


def test_nothing_to_do(folders: tuple[Path, Path]) -> None:
    """Exit code 0."""
    result = _run(folders[0], folders[0])

    assert (result.exit_code, result.output) == (0, "order: nothing to do\nnothing to do\n")


def test_something_to_do_with_its_cost(folders: tuple[Path, Path]) -> None:
    """Exit code 1; what differs, what to reload, what it writes."""
    result = _run(*folders, "--count", "order=120000", "--bytes", "order=3000", "--regions", 2, "--price", 1)

    assert result.exit_code == 1
    assert result.output.splitlines() == [
        "order: reload s.lines, then rebuild its documents (nearview rebuild order)",
        (
            "    generation: raise the generation to 2: else a worker with the old mapping undoes what a new one has"
            " written while both run"
        ),
        "    lines: new attribute price: column price",
        "reload s.lines: not kept before: price",
        "writes: documents of order: about 120,000 items, 720,000 units in each region",
        (
            "cost: about 0.72 USD a region for documents, 0.00 USD for rows, 1.44 USD in 2 regions"
            " (at 1.0 USD a million units, an example: look up your own price)"
        ),
        "not counted: s.lines (--count NAME=N, or --source)",
    ]


def test_programs_get_json(folders: tuple[Path, Path]) -> None:
    """Needs, reasons, writes."""
    found = json.loads(_run(*folders, "--json", "--count", "s.lines=7").output)

    assert found["something_to_do"] is True
    assert found["aggregates"][0]["need"] == "reload, then rebuild"
    assert found["reloads"] == [{"table": "s.lines", "reasons": ["not kept before: price"]}]
    assert found["writes"] == [{"what": "rows of s.lines", "items": 7, "units": 7, "in_each_region": False}]
    assert found["not_counted"] == ["order"]


def test_counts_come_from_the_source_if_asked(folders: tuple[Path, Path], new_database: Callable[..., str]) -> None:
    """As the planner's statistics have them; one that is given goes before."""
    url = new_database()
    run_sql(url, "CREATE SCHEMA s; CREATE TABLE s.orders AS SELECT generate_series(1, 50) id")
    run_sql(url, "CREATE TABLE s.lines AS SELECT generate_series(1, 80) id")
    run_sql(url, "ANALYZE s.orders")
    run_sql(url, "ANALYZE s.lines")
    found = json.loads(_run(*folders, "--json", "--source", url, "--count", "s.lines=9").output)

    assert {entry["what"]: entry["items"] for entry in found["writes"]} == {
        "documents of order": 50,
        "rows of s.lines": 9,
    }


def test_what_the_statistics_do_not_have_is_said(folders: tuple[Path, Path], new_database: Callable[..., str]) -> None:
    """A table that was never analyzed."""
    url = new_database()
    run_sql(url, "CREATE SCHEMA s; CREATE TABLE s.orders (id int); CREATE TABLE s.lines (id int)")

    last = _run(*folders, "--source", url).output.splitlines()[-1]

    assert last == "not counted: order, s.lines (no statistics: ANALYZE in the source, or --count NAME=N)"


def test_an_aggregate_that_is_the_same_file_as_before_has_a_reason(folders: tuple[Path, Path]) -> None:
    """A policy that was changed elsewhere."""
    (folders[1] / "order.yaml").write_text(ORDER)
    (folders[1] / "tables.yaml").write_text("tables: {s.customers: {sensitive: {name: token}}}")

    lines = _run(*folders).output.splitlines()

    reason = "name was kept as it is, is token: stored values are the old ones"
    assert lines[0] == "order: reload s.customers, then rebuild its documents (nearview rebuild order)"
    assert f"    because of s.customers: {reason}" in lines


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--count", "order"], "--count: expected NAME=N, not order"),
        (["--bytes", "ordr=1"], "--bytes: no aggregate and no table ordr in either mapping"),
        (["--source", "what"], "nearview plan: the source is no PostgreSQL URL"),
    ],
)
def test_wrong_options_are_said_in_a_line(folders: tuple[Path, Path], arguments: list[str], line: str) -> None:
    """Exit code 2."""
    result = _run(*folders, *arguments)

    assert result.exit_code == 2
    assert line in result.stderr


def test_a_folder_that_cannot_be_read(folders: tuple[Path, Path]) -> None:
    """All its problems."""
    (folders[1] / "order.yaml").write_text("aggregate: Order\ncolour: red\n")
    result = _run(*folders)

    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) > 1
