"""The drill as an operator runs it: nothing is lost, nothing is done twice, and the old primary stays fenced."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

RUN = "from local.drill_cli import drill; drill()"


@pytest.mark.long
def test_a_region_is_lost_and_nothing_else(tmp_path: Path) -> None:
    """All of it on real parts. Its times are the machine's; what must hold does not depend on them."""
    report = tmp_path / "drill.json"
    environment = {**os.environ, "NEARVIEW_LOCAL_DIR": str(tmp_path / "stack")}
    command = [sys.executable, "-c", RUN, "region-loss", "--orders", "100", "--report", str(report)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(report.read_text())
    assert found["documents_lost"] == found["commands_lost"] == found["commands_twice"] == 0
    assert found["commands_without_answer"] == 0
    assert found["documents_compared"] > 200
    assert found["commands_acknowledged"] == found["commands"] > 0
    assert found["refused_reasons"]
    assert "fenced" in found["old_worker_when_back"]
    assert "us-east-1" in found["old_primary_when_back"] or "refused" in found["old_primary_when_back"]
    names = [step["step"].split(" ")[0] for step in found["steps"]]
    assert names == ["close", "rotate", "reconcile", "open"] * 2
    assert all(step["evidence"] for step in found["steps"])
    slow = found["automatic_seconds_with_delays"]
    assert slow["middle"] <= slow["longest"]
