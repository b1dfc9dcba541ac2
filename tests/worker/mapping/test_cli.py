"""`nearview lint` and `nearview schema`: what is printed, and the exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.worker.mapping.reading import BASE
from worker.cli import main
from worker.mapping import reference, schema


def run(*words: str) -> Result:
    return CliRunner().invoke(main, list(words))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One aggregate with one warning."""
    (tmp_path / "a.yaml").write_text(BASE)
    return tmp_path


def test_warnings_are_shown_and_let_pass(folder: Path) -> None:
    result = run("lint", str(folder))

    assert result.exit_code == 0
    assert result.stdout == f"{folder}/a.yaml:1:12: warning: order has no examples [no-examples]\n"
    assert result.stderr == "1 aggregate: 0 problems, 1 warning\n"


def test_strict_does_not_let_them_pass_and_ignore_leaves_them_out(folder: Path) -> None:
    assert run("lint", str(folder), "--strict").exit_code == 1
    result = run("lint", str(folder), "--strict", "--ignore", "no-examples")

    assert (result.exit_code, result.stdout) == (0, "")
    assert run("lint", str(folder), "--ignore", "no-exmaples").exit_code == 2


def test_problems_are_shown_with_the_warnings(folder: Path) -> None:
    (folder / "b.yaml").write_text("aggregate: b\nsource: s.b\nkey: id\nfileds: [id]\n")
    result = run("lint", str(folder), "--json")

    assert result.exit_code == 1
    assert [(Path(e["path"]).name, e["line"], e["level"], e.get("code")) for e in json.loads(result.stdout)] == [
        ("a.yaml", 1, "warning", "no-examples"),
        ("b.yaml", 1, "problem", None),
        ("b.yaml", 4, "problem", None),
    ]


def test_a_folder_that_is_not_there_is_wrong_usage(tmp_path: Path) -> None:
    result = run("lint", str(tmp_path / "nowhere"))

    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"nearview lint: {tmp_path}/nowhere is no folder\n"


def test_the_schema_and_the_reference_are_printed() -> None:
    assert run("schema").stdout == schema.text()
    assert run("schema", "--markdown").stdout == reference.markdown()
