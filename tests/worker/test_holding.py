"""What is said of a shard that holds: in the log, in its metric, on the health page."""

from __future__ import annotations

import io
import json
from pathlib import Path

from tests.worker.test_metrics import run_process
from worker.holding import Holding
from worker.log import Log
from worker.parked.limit import Held
from worker.supervisor.collector import ChildMetrics, WorkerCollector
from worker.supervisor.health import Health


def test_the_log_says_it_again_and_the_end_once() -> None:
    log = io.StringIO()
    holding = Holding("shard-1", Log("info", log))

    holding.goes_on(Held.PARKING_LIMIT)
    for _ in range(2):
        holding.holds(Held.PARKING_LIMIT, "too much")
    for _ in range(2):
        holding.goes_on(Held.PARKING_LIMIT)

    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    assert [(line["level"], line["event"], line["reason"]) for line in lines] == [
        ("error", "shard_held", "parking_limit"),
        ("error", "shard_held", "parking_limit"),
        ("info", "shard_went_on", "parking_limit"),
    ]


def test_health_is_red_while_a_child_holds_and_green_again(tmp_path: Path) -> None:
    """The child writes it at once: while it holds it does nothing else."""
    holds = "observe_held('shard-1', 'parking_limit', held=True); observe_held('shard-1', 'parking_store', held=True)"
    run_process(tmp_path, f"import os; from worker.metrics import observe_held; {holds}; print(os.getpid())")
    collector = WorkerCollector(ChildMetrics(tmp_path), Health(Log("error", io.StringIO())), lambda: 1010.0)

    first, second = collector.stalled_shards()

    assert first.startswith("shard-1 holds: more was parked than NEARVIEW_PARKED_LIMIT")
    assert second.startswith("shard-1 holds: the parking table")
    assert b'nearview_shard_held{reason="parking_limit",shard="shard-1"} 1.0' in collector.text()

    free = "observe_held('shard-1', 'parking_limit', held=False); observe_held('shard-1', 'parking_store', held=False)"
    run_process(tmp_path, f"import os; from worker.metrics import observe_held; {free}; print(os.getpid())")
    assert collector.stalled_shards() == []
