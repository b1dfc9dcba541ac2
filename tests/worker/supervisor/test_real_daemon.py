"""The supervisor with the real daemon on MiniStack, from the first record through every way a process can die."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import psutil

from tests.worker.supervisor.real_worker import Stage, Worker, wait_for
from worker.supervisor.leases import LeaseTables

FIRST = tuple(f"first{number}" for number in range(20))
SECOND = tuple(f"second{number}" for number in range(20))
THIRD = tuple(f"third{number}" for number in range(20))


def test_a_worker_lives_through_the_death_of_a_child_and_stops_gracefully(
    stage: Stage, start_worker: Callable[..., Worker]
) -> None:
    last = stage.put(*FIRST)
    worker = start_worker()
    worker.wait_noted(*FIRST)
    assert worker.events("leases_seeded")[0]["leases"] == 2
    assert worker.get("/healthz")[0] == 200
    wait_for("20 records counted", lambda: "nearview_records_total 20.0" in worker.get("/metrics")[1])
    wait_for("both shards", lambda: "nearview_leases 2.0" in worker.get("/metrics")[1])

    # Records under way when a family dies are processed again, rightly: none may be, so that a repeat is a fault.
    stage.wait_checkpointed(last)
    victim = next(iter(worker.child_pids().values()))
    os.kill(victim, signal.SIGKILL)
    wait_for("the daemon's end", lambda: worker.events("daemon_exited"))
    assert worker.events("child_died")[0]["pid"] == victim
    stage.put(*SECOND)
    worker.wait_noted(*SECOND)
    wait_for("both shards", lambda: "nearview_leases 2.0" in worker.get("/metrics")[1])
    assert "nearview_daemon_restarts_total 1.0" in worker.get("/metrics")[1]

    (worker.folder / "parked").write_text("shop.orders: set IncludeTransactionDetails\n", encoding="utf-8")
    wait_for("red health", lambda: worker.get("/healthz")[0] == 503)
    assert json.loads(worker.get("/healthz")[1])["problems"] == ["shop.orders: set IncludeTransactionDetails"]

    assert worker.stop() == 0
    assert worker.events("daemon_killed")[1:] == []
    assert stage.leader() is None
    assert not [row for row in stage.leases() if "leaseOwner" in row]
    assert len(worker.noted()) == len(set(worker.noted()))
    assert list((worker.folder / "tmp").iterdir()) == []


def test_a_killed_supervisor_leaves_no_process_and_the_next_one_goes_on(
    stage: Stage, start_worker: Callable[..., Worker], tmp_path: Path
) -> None:
    stage.put(*FIRST)
    killed = start_worker()
    killed.wait_noted(*FIRST)
    family = killed.descendants()
    assert len(family) >= 3
    killed.process.kill()
    wait_for("the end of daemon and children", lambda: not any(map(psutil.Process.is_running, family)) or None)

    stage.put(*THIRD)
    start_worker().wait_noted(*THIRD)


def test_a_worker_takes_what_it_was_to_hand_over_to_a_dead_one_and_begins_anew_with_what_it_has(
    stage: Stage, start_worker: Callable[..., Worker]
) -> None:
    """KCL's leader takes the first for its own daemon's affair, which the daemon takes for the dead one's."""
    stage.put(*FIRST)
    worker = start_worker(PATIENCE_SECONDS="3")
    (started,) = wait_for("a daemon", lambda: worker.events("daemon_started"))
    stage.hand_over(holder=started["worker"], to="gone.1")  # long before Java has read the table
    worker.wait_noted(*FIRST)

    before = worker.child_pids()
    tables = LeaseTables(stage.dynamodb, f"{stage.name}-worker")
    for shard in before:
        take_over_for_the_same(tables, shard)

    def all_by_new_children() -> bool:
        stage.put(*SECOND)
        return not set(before.values()) & set(worker.child_pids().values())

    wait_for("children that begin anew", all_by_new_children)


def take_over_for_the_same(tables: LeaseTables, shard: str) -> None:
    """Take a lease from its owner for the same owner, between two of its renewals."""

    def taken() -> bool:
        (lease,) = (lease for lease in tables.leases() if lease.shard == shard)
        return tables.take_over(lease, lease.owner)

    wait_for("a moment without renewal", taken)
