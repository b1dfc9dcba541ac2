"""What may befall a worker or its host, with the real daemon under load: records flow again, and none is lost."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.fleet.load import Load, noted
from tests.fleet.stand_in import READS
from tests.worker.supervisor.real_worker import FAST, Stage, Worker, wait_for

Start = Callable[..., Worker]

# an empty setting has its default, which is what stands in production
PRODUCTION = {**dict.fromkeys(FAST, ""), "NEARVIEW_REBALANCE_MILLIS": "5000"}


def daemon_of(worker: Worker) -> psutil.Process:
    """The Java process."""
    return next(process for process in worker.descendants() if "java" in process.name())


@pytest.mark.long
def test_a_child_that_hangs_is_ended_and_its_shard_goes_on(start_worker: Start, load: Load) -> None:
    """Stopped at whatever it is at: in the midst of a batch, or while it waits for the next one."""
    worker = start_worker("w1", NEARVIEW_HANG_SECONDS="5")
    load.passed([worker])
    hung = []
    for _ in range(2):
        hung.append(next(iter(worker.child_pids().values())))
        os.kill(hung[-1], signal.SIGSTOP)
        wait_for("its end", lambda: [event["pid"] for event in worker.events("child_hung")] == hung)
        load.passed([worker])
    assert "nearview_children_hung_total 2.0" in worker.get("/metrics")[1]
    assert worker.events("child_died") == []
    load.assert_all_processed([worker])


@pytest.mark.long
def test_a_daemon_that_dies_is_followed_by_another(start_worker: Start, load: Load) -> None:
    worker = start_worker("w1")
    load.passed([worker])
    daemon_of(worker).kill()
    wait_for("another daemon", lambda: len(worker.events("daemon_started")) == 2)
    load.passed([worker])
    assert [event["exit_code"] for event in worker.events("daemon_exited")] == [-9]
    load.assert_all_processed([worker])


@pytest.mark.long
def test_a_leader_that_is_lost_with_its_host_is_followed_with_production_settings(
    stage: Stage, start_worker: Start, load: Load
) -> None:
    """Nobody starts it again. Its lock is freed long before KCL's two minutes are over."""
    workers = [start_worker(name, **PRODUCTION) for name in ("w1", "w2")]

    def all_lead() -> bool:
        row = stage.leader()
        held = {lease.get("leaseOwner", {}).get("S", "").partition(".")[0] for lease in stage.leases()}
        return row is not None and held == {"w1", "w2"}

    wait_for("leases with both", all_lead)
    load.passed(workers)
    row = stage.leader()
    assert row
    leader = row["ownerName"]["S"]
    lost = next(worker for worker in workers if leader.startswith(f"{worker.folder.name}."))
    (survivor,) = (worker for worker in workers if worker is not lost)
    lost.end()
    since = time.monotonic()
    load.passed([survivor])
    print(f"records flow again after {time.monotonic() - since:.1f} seconds")  # noqa: T201 - shown with -s
    (told,) = survivor.events("leader_stale")
    assert (told["worker"], told["status"]) == (leader, "freed")
    load.assert_all_processed(workers)


def refused(throttled: Path, name: str) -> int:
    """How many requests the stand-in has refused for that word."""
    counted = throttled.with_suffix(".count")
    return counted.read_text("utf-8").split().count(name) if counted.exists() else 0


@pytest.mark.long
def test_reads_of_the_stream_that_fail_for_a_while_cost_no_record_and_no_order(
    start_worker: Start, load: Load, throttled: Path
) -> None:
    """Each kind of refusal until it has struck a dozen times; what came meanwhile is read afterwards, once."""
    worker = start_worker("w1")
    load.passed([worker])
    for name in READS:
        throttled.write_text(name, "utf-8")
        wait_for(f"a dozen times {name}", lambda: refused(throttled, name) >= 12, lambda: refused(throttled, name))  # noqa: B023
        assert worker.get("/livez")[0] == 200
        throttled.unlink()
        load.passed([worker])
    counts = load.assert_all_processed([worker])
    print({name: refused(throttled, name) for name in READS})  # noqa: T201 - shown with -s
    assert set(counts.values()) == {1}
    assert worker.events("child_died") == []
    assert len(worker.events("daemon_started")) == 1


@pytest.mark.long
def test_lease_tables_that_are_throttled_for_a_while_cost_no_record(
    stage: Stage, start_worker: Start, load: Load, throttled: Path
) -> None:
    worker = start_worker("w1")
    load.passed([worker])
    throttled.write_text(
        "\n".join(f"{stage.name}-worker{suffix}" for suffix in ("", "-CoordinatorState", "-WorkerMetricStats")), "utf-8"
    )
    wait_for("a round that fails", lambda: worker.events("lease_table_failed"))
    wait_for("a checkpoint put off", lambda: worker.events("checkpoint_delayed"))
    assert worker.get("/livez")[0] == 200
    throttled.unlink()
    load.passed([worker])
    load.assert_all_processed([worker])
    assert worker.process.poll() is None
    assert set(noted([worker])) == set(load.sent)
