"""`nearview console` on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.worker.console.shop import MAPPING
from worker.cli import main

SETTINGS = {
    "AWS_REGION": "eu-west-1",
    "NEARVIEW_ROWS_TABLE": "rows",
    "NEARVIEW_DOCUMENTS_TABLE": "documents",
    "NEARVIEW_PARKED_TABLE": "parked",
}


def run(*arguments: str, **environment: str) -> Result:
    return CliRunner(env=environment).invoke(main, ["console", *arguments])


def test_missing_settings_are_said_in_lines_each() -> None:
    result = run(**dict.fromkeys(SETTINGS, ""))
    assert result.exit_code == 2
    assert sorted(line.split(" ")[2] for line in result.stderr.splitlines()) == sorted(SETTINGS)


@pytest.mark.parametrize("url", ["10.0.0.7:9464", "ftp://10.0.0.7", "http://", "http://a:99999"])
def test_an_address_that_is_none_is_refused(url: str, tmp_path: Path) -> None:
    (tmp_path / "order.yaml").write_text(MAPPING)
    result = run("--worker", url, "--mappings", str(tmp_path), **SETTINGS)
    assert result.exit_code == 2
    assert "--worker takes an address like" in result.stderr


def test_mappings_with_problems_are_said_in_lines(tmp_path: Path) -> None:
    (tmp_path / "order.yaml").write_text("aggregate: order\n")
    result = run("--mappings", str(tmp_path), **SETTINGS)
    assert result.exit_code == 2
    assert all(line.startswith("nearview console: ") for line in result.stderr.splitlines())
    assert "Traceback" not in result.output
