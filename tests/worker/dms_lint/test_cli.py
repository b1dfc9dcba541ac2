"""`nearview dms lint` as a user calls it, and what nearview itself ships."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from local.dms.settings import DEFAULT_TASK
from tests.worker.dms_lint.samples import described
from worker.cli import main

MAPPINGS = Path(__file__).parents[3] / "mappings"


def _lint(*arguments: object) -> Result:
    return CliRunner(env={"COLUMNS": "100"}).invoke(main, ["dms", "lint", *map(str, arguments)])


def _files(folder: Path, **changes: Any) -> list[Path]:
    found = []
    for name, document in described(**changes).items():
        found.append(folder / name)
        found[-1].write_text(json.dumps(document))
    return found


def test_clean_settings_end_with_zero(tmp_path: Path) -> None:
    done = _lint(*_files(tmp_path))
    assert (done.exit_code, done.output) == (0, "0 errors, 0 warnings, 0 infos\n")


def test_findings_end_with_one_and_say_where_and_what_to_set(tmp_path: Path) -> None:
    done = _lint(*_files(tmp_path, target={"IncludeNullAndEmpty": False}))
    assert done.exit_code == 1
    assert "endpoints.json: $.Endpoints[1].KinesisSettings\n" in done.output
    assert "error     IncludeNullAndEmpty  NULL and empty columns" in done.output
    assert "-> set IncludeNullAndEmpty to true" in done.output
    assert done.output.endswith("1 error, 0 warnings, 0 infos\n")


def test_infos_alone_end_with_zero(tmp_path: Path) -> None:
    assert _lint(*_files(tmp_path, target={"MessageFormat": "json"})).exit_code == 0


def test_findings_as_json(tmp_path: Path) -> None:
    done = _lint("--json", *_files(tmp_path, target={"UseLargeIntegerValue": False}))
    [finding] = json.loads(done.output)["findings"]
    assert done.exit_code == 1
    assert set(finding) == {"severity", "file", "path", "message", "change"}
    assert (finding["severity"], finding["change"]) == ("warning", "set UseLargeIntegerValue to true")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("{", "is no JSON text in UTF-8"),
        ('{"MessageFormat\\ud800": 1}', "is no JSON text in UTF-8"),
        ("[]", "holds neither task settings"),
        (None, "cannot be read: No such file"),
    ],
)
def test_a_file_that_cannot_be_used_ends_with_two(tmp_path: Path, text: str | None, line: str) -> None:
    path = tmp_path / "task.json"
    if text is not None:
        path.write_text(text)
    done = _lint(path)
    assert done.exit_code == 2
    assert done.output.startswith("nearview dms lint: ")
    assert line in done.output
    assert done.output.count("\n") == 1


def test_mappings_with_problems_end_with_two(tmp_path: Path) -> None:
    done = _lint(DEFAULT_TASK, "--mappings", tmp_path)
    assert (done.exit_code, "the folder has no *.yaml file" in done.output) == (2, True)


def test_the_stand_in_s_task_sends_what_the_demo_s_mappings_use() -> None:
    done = _lint(DEFAULT_TASK, "--mappings", MAPPINGS)
    assert done.exit_code == 0, done.output
