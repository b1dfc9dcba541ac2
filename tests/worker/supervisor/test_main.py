"""What keeps a worker from starting is told in full, one line each."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.worker.supervisor.real_worker import Stage
from tests.worker.test_settings import GOOD

ROOT = Path(__file__).parents[3]


def refused(**environ: str) -> list[str]:
    """The lines of a supervisor that does not start."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.worker.supervisor.noting_supervisor"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **environ},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    entries: list[dict[str, Any]] = [json.loads(line) for line in done.stderr.splitlines()]
    assert {entry["event"] for entry in entries} == {"start_refused"}
    return [entry["message"] for entry in entries]


def test_every_wrong_setting_is_a_line() -> None:
    lines = refused(**GOOD | {"NEARVIEW_STREAM": "", "NEARVIEW_HTTP_PORT": "x"})
    assert [line.split()[0] for line in lines] == ["NEARVIEW_STREAM", "NEARVIEW_HTTP_PORT"]


def test_a_java_that_is_not_there_is_a_line() -> None:
    assert refused(**GOOD, NEARVIEW_JAVA="/no/java") == ["NEARVIEW_JAVA: /no/java is not a program that can be run"]


def test_mappings_tables_and_stream_are_checked_together(stage: Stage) -> None:
    lines = refused(
        **stage.ministack.environment(),
        **stage.settings()
        | {
            "NEARVIEW_ROWS_TABLE": "no-rows",
            "NEARVIEW_STREAM": "no-stream",
            "MAPPING_PROBLEM": "order.yaml:3:1: unknown table",
        },
    )
    where = f"does not exist in eu-west-1 at {stage.ministack.url}; deploy it first, or correct the setting"
    assert lines == [
        "order.yaml:3:1: unknown table",
        f"NEARVIEW_ROWS_TABLE: table no-rows {where}",
        f"NEARVIEW_STREAM: stream no-stream {where}",
    ]
