"""`nearview test` on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.worker.examples.conftest import MAPPING
from tests.worker.examples.test_run import GOOD
from worker.cli import main


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "order.yaml").write_text(MAPPING + GOOD)
    return tmp_path


def _run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["test", *map(str, arguments)])


def test_all_pass(folder: Path) -> None:
    """Names, the coverage, and one line at the end."""
    result = _run(folder)

    assert result.exit_code == 0
    assert "  ok    lines come, move and go" in result.output
    assert "not exercised  order  (root)  where status in: fails" in result.output
    assert result.output.endswith("\n1 example, none failed\n")


def test_one_fails(folder: Path) -> None:
    """With its place, and exit code 1; the coverage may be left out."""
    (folder / "order.yaml").write_text(MAPPING + GOOD.replace("name: Ada}, lines", "name: Eve}, lines"))
    result = _run(folder, "--no-coverage")

    assert result.exit_code == 1
    assert 'document 1: customer.name: expected "Eve", is "Ada"' in result.output
    assert "not exercised" not in result.output
    assert result.output.endswith("\n1 example, 1 failed\n")


def test_programs_get_json(folder: Path) -> None:
    """Outcomes and the whole coverage."""
    result = json.loads(_run(folder, "--json").output)

    assert result["failed"] == 0
    assert result["examples"][0]["name"] == "lines come, move and go"
    assert {"place": "lines", "case": "empty", "taken": 1} in result["coverage"][0]["branches"]


def test_examples_are_chosen_by_a_part_of_their_name(folder: Path) -> None:
    """Upper and lower case alike; a part that no name has is a mistake."""
    assert "1 example, none" in _run(folder, "-k", "ORDER: lines").output
    nothing = _run(folder, "-k", "nothing")
    assert (nothing.exit_code, nothing.stderr) == (2, "nearview test: no example has nothing in its name\n")


def test_no_examples_are_no_failure(folder: Path) -> None:
    """But are said so."""
    (folder / "order.yaml").write_text(MAPPING)
    result = _run(folder)

    assert result.exit_code == 0
    assert "has no examples" in result.output


@pytest.mark.parametrize("text", [MAPPING + "examples: 7\n", MAPPING + "colour: red\n"])
def test_problems_of_mappings_and_examples_are_listed(folder: Path, text: str) -> None:
    """On stderr, with exit code 2."""
    (folder / "order.yaml").write_text(text)
    result = _run(folder)

    assert result.exit_code == 2
    assert result.stderr.startswith(f"nearview test: {folder}/order.yaml:")


@pytest.mark.parametrize("folder", ["mappings", "docs/examples/library/mappings"])
def test_our_own_examples_pass_and_miss_few_branches(folder: str) -> None:
    """They stand there for readers; what they show must be true."""
    result = json.loads(_run(Path(__file__).parents[3] / folder, "--json").output)

    assert result["failed"] == 0
    assert len(result["examples"]) >= 4
    taken = [branch["taken"] > 0 for coverage in result["coverage"] for branch in coverage["branches"]]
    assert sum(taken) / len(taken) > 0.8


def test_the_example_in_the_documents_passes(tmp_path: Path) -> None:
    """Whoever copies it sees it pass."""
    text = (Path(__file__).parents[3] / "docs/developing.md").read_text("utf-8")
    (tmp_path / "order.yaml").write_text(text.split("```yaml\n")[1].split("```")[0])

    assert _run(tmp_path).output.endswith("1 example, none failed\n")
