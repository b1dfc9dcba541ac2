"""A fleet under load with the real daemon: shards are split and merged, workers come, go and are replaced."""

from collections.abc import Callable

import pytest

from tests.fleet.load import Load
from tests.worker.supervisor.real_worker import SHARDS, Stage, Worker, wait_for

Start = Callable[..., Worker]
REBALANCE = {"NEARVIEW_REBALANCE_MILLIS": "3000"}


def owners(stage: Stage) -> set[str]:
    """Names of the workers that have leases; "" for a lease without one."""
    leases = [row for row in stage.leases() if row["checkpoint"]["S"] != "SHARD_END"]
    return {row.get("leaseOwner", {}).get("S", "").partition(".")[0] for row in leases}


def ended(stage: Stage) -> set[str]:
    """Shards that were read to their end, or whose leases are gone because of it."""
    rows = {row["leaseKey"]["S"]: row["checkpoint"]["S"] for row in stage.leases()}
    return {shard for shard, checkpoint in rows.items() if checkpoint == "SHARD_END"}


@pytest.mark.long
def test_shards_split_and_merge_under_load_and_nothing_is_lost_or_out_of_order(
    stage: Stage, start_worker: Start, load: Load
) -> None:
    stream = f"{stage.name}-changes"
    worker = start_worker("w1")
    load.passed([worker])

    first, second = stage.kinesis.list_shards(StreamName=stream)["Shards"]
    _, upper = stage.split(first)
    wait_for("the end of the split shard", lambda: first["ShardId"] in ended(stage))
    load.passed([worker])

    stage.kinesis.merge_shards(StreamName=stream, ShardToMerge=upper["ShardId"], AdjacentShardToMerge=second["ShardId"])
    wait_for("the end of the merged shards", lambda: {upper["ShardId"], second["ShardId"]} <= ended(stage))
    load.passed([worker])

    counts = load.assert_all_processed([worker])
    assert set(counts.values()) == {1}, "a worker that lives processes nothing twice"
    assert len(worker.events("shard_ended")) == 3
    assert len(worker.child_pids()) == SHARDS + 3
    assert worker.stop() == 0


@pytest.mark.long
def test_a_shard_whose_children_are_split_before_its_end_is_seen_loses_nothing(
    stage: Stage, start_worker: Start, load: Load
) -> None:
    """Nobody has asked for their leases yet: they are made parent by parent."""
    worker = start_worker("w1")
    load.passed([worker])

    first, second = stage.kinesis.list_shards(StreamName=f"{stage.name}-changes")["Shards"]
    lower, upper = stage.split(first)
    lowest, middle = stage.split(lower)
    leaves = {shard["ShardId"] for shard in (lowest, *stage.split(middle), upper, second)}
    wait_for("the end of all that were split", lambda: ended(stage) >= {first["ShardId"], middle["ShardId"]})
    wait_for("leases of what is left", lambda: leaves <= {row["leaseKey"]["S"] for row in stage.leases()})
    load.passed([worker])

    assert set(load.assert_all_processed([worker]).values()) == {1}
    assert worker.stop() == 0


@pytest.mark.long
def test_workers_come_and_go_and_all_are_replaced_while_records_flow(
    stage: Stage, start_worker: Start, load: Load
) -> None:
    workers = [start_worker("w1", **REBALANCE)]
    load.passed(workers)

    workers.append(start_worker("w2", **REBALANCE))
    wait_for("leases with both", lambda: owners(stage) == {"w1", "w2"})
    load.passed(workers)

    for old, new in (("w1", "w3"), ("w2", "w4")):
        workers.append(start_worker(new, **REBALANCE))
        assert next(worker for worker in workers if worker.folder.name == old).stop() == 0
    wait_for("leases with the new ones", lambda: owners(stage) <= {"w3", "w4"})
    load.passed(workers)
    load.assert_all_processed(workers)
    for worker in workers[:2]:
        assert worker.events("daemon_killed") == []
        assert worker.events("shutdown_requested")


@pytest.mark.long
def test_a_worker_that_is_stopped_hands_its_shards_over_and_nothing_is_done_twice(
    stage: Stage, start_worker: Start, load: Load
) -> None:
    workers = [start_worker(name, **REBALANCE) for name in ("w1", "w2")]
    wait_for("leases with both", lambda: owners(stage) == {"w1", "w2"})
    load.passed(workers)

    stays, goes = workers
    before = len(stays.noted())
    assert goes.stop() == 0
    load.passed([stays])
    load.assert_all_processed(workers)
    assert not set(goes.noted()) & set(stays.noted()[before:])
