"""The metrics of a child, read back as the supervisor reads them: from the files that a process leaves."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any

from prometheus_client.core import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector

from tests.worker.child.counts import Counts
from worker import metrics

ROOT = Path(__file__).parents[2]
PROGRAM = """
import os, sys
from collections import Counter
from tests.worker.child.counts import Counts
from worker import metrics
metrics.shard_held("shard-0", 1000.0)
counts = Counts(5, folded=1, stale=2, unchanged=1, documents_written=3, newest_commit_micros=1_001_500_000,
                changes=Counter({("shop.orders", "update"): 3}), parked=Counter({"not_json": 1}),
                read_units={"rows": 2.5, "documents": 1.0}, write_units={"rows": 4.0})
metrics.observe_batch("shard-0", counts, 0.2, 1002.0)
metrics.observe_batch("shard-0", Counts(1), 0.2, 1003.0)
metrics.observe_delivery("shard-0", 250)
metrics.observe_delivery("shard-0", None)
metrics.observe_covered("shard-0", 1003.0)
print(os.getpid())
"""


def run_process(folder: Path, program: str = "") -> int:
    """A process that counts and ends; its id."""
    done = subprocess.run(
        [sys.executable, "-c", program or PROGRAM],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PROMETHEUS_MULTIPROC_DIR": str(folder)},
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout)


def value(folder: Path, name: str, **labels: str) -> float | None:
    """A sample over all processes' files."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry, str(folder))  # type: ignore[no-untyped-call]
    return registry.get_sample_value(name, labels)


def test_counts_add_up_over_processes(tmp_path: Path) -> None:
    run_process(tmp_path)
    run_process(tmp_path)
    assert value(tmp_path, "nearview_records_total") == 12
    assert value(tmp_path, "nearview_changes_total", table="shop.orders", operation="update") == 6
    assert value(tmp_path, "nearview_parked_total", reason="not_json") == 2
    assert value(tmp_path, "nearview_changes_stale_total") == 4
    assert value(tmp_path, "nearview_document_writes_total") == 6
    assert value(tmp_path, "nearview_read_units_total", table="rows") == 5
    assert value(tmp_path, "nearview_read_units_total", table="documents") == 2
    assert value(tmp_path, "nearview_write_units_total", table="rows") == 8
    assert value(tmp_path, "nearview_batch_seconds_count") == 4
    assert value(tmp_path, "nearview_commit_to_document_seconds_count") == 2
    assert value(tmp_path, "nearview_commit_to_document_seconds_sum") == 1.0


def test_gauges_of_a_shard_vanish_with_its_process_and_counts_stay(tmp_path: Path) -> None:
    pid = run_process(tmp_path)
    assert value(tmp_path, "nearview_leases") == 1
    assert value(tmp_path, "nearview_millis_behind_latest", shard="shard-0") == 250
    assert value(tmp_path, "nearview_newest_commit_timestamp_seconds", shard="shard-0") == 1001.5
    assert value(tmp_path, "nearview_checkpoint_timestamp_seconds", shard="shard-0") == 1003
    metrics.process_ended(pid, tmp_path)
    assert value(tmp_path, "nearview_leases") is None
    assert value(tmp_path, "nearview_millis_behind_latest", shard="shard-0") is None
    assert value(tmp_path, "nearview_records_total") == 6


def test_the_largest_document_is_that_of_all_processes(tmp_path: Path) -> None:
    program = """
import os, sys
from tests.worker.child.counts import Counts
from worker import metrics
metrics.observe_document_limit(4_000_000)
for size in SIZES:
    metrics.observe_batch("shard-0", Counts(1, documents_written=2, documents_in_parts=1, largest_document=size), 1, 1)
print(os.getpid())
"""
    for sizes in ("(500_000, 0)", "(3_000_000, 400_001)"):
        pid = run_process(tmp_path, program.replace("SIZES", sizes))
        metrics.process_ended(pid, tmp_path)

    assert value(tmp_path, "nearview_largest_document_bytes") == 3_000_000
    assert value(tmp_path, "nearview_documents_in_parts_total") == 4
    run_process(tmp_path, program.replace("SIZES", "()"))
    assert value(tmp_path, "nearview_document_limit_bytes") == 4_000_000


def calls_of(batch: Counts) -> int:
    """Functions called to count a batch whose labels are known."""
    calls = 0

    def note(_frame: FrameType, event: str, _argument: Any) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    metrics.observe_batch("shard-0", batch, 0.2, 1002.0)
    before = sys.getprofile()
    sys.setprofile(note)
    try:
        metrics.observe_batch("shard-0", batch, 0.2, 1002.0)
    finally:
        sys.setprofile(before)
    return calls


def batch_of(records: int, tables: int = 10) -> Counts:
    """Records of three operations on so many tables."""
    changes = {
        (f"shop.t{number}", operation): records for number in range(tables) for operation in ("insert", "update")
    }
    return Counts(records, unchanged=records, changes=Counter(changes), write_units={"rows": records})


def test_counting_costs_by_batch_and_never_by_record() -> None:
    assert calls_of(batch_of(10)) == calls_of(batch_of(10_000))
    assert calls_of(batch_of(10_000, tables=0)) < calls_of(batch_of(10_000))


def test_what_is_zero_is_not_counted() -> None:
    assert calls_of(Counts(1)) < calls_of(Counts(1, ignored=1)) < calls_of(Counts(1, ignored=1, stale=1))
