"""Two workers share a stream; when the host of one is lost, the other takes over and nothing is lost."""

import sys
from collections.abc import Iterator

import pytest

from local.processes import free_port
from local.progress import checkpoints
from local.stack import WORKER
from tests.acceptance.live import Live, wait_for, workload
from worker.supervisor.leases import LeaseTables

NAMES = {"first", "second"}


@pytest.fixture
def without_worker(shop: Live) -> Iterator[Live]:
    """The shop without its worker, which is there again afterwards."""
    shop.stack.processes.stop(WORKER)
    yield shop
    for name in NAMES:
        shop.stack.processes.stop(name)
    shop.stack.start_worker(shop.running)


@pytest.mark.parametrize(
    "lost",
    [
        "follower",
        # a leader is given up only after a missed heartbeat, which takes more than half a minute
        pytest.param("leader", marks=pytest.mark.long),
    ],
)
def test_the_leases_of_a_lost_worker_move_and_every_document_is_right(without_worker: Live, lost: str) -> None:
    live = without_worker
    parked = live.parked()
    with workload(live, rate=20, seed=4):
        for name in NAMES:
            start(live, name)
        wait_for("leases with both", lambda: set(owners(live).values()) == NAMES and leader(live) in NAMES)
        (victim,) = (name for name in NAMES if (name == leader(live)) is (lost == "leader"))
        shards = [shard for shard, owner in owners(live).items() if owner == victim]
        wait_for_progress(live, shards)
        live.stack.processes.stop(victim, grace_seconds=0)
        wait_for("all leases with the other", lambda: set(owners(live).values()) == NAMES - {victim})
        wait_for_progress(live, shards)
    (survivor,) = NAMES - {victim}
    live.wait_until_quiet(survivor)
    live.assert_right(parked)


def start(live: Live, name: str) -> None:
    """Start a worker of that name beside others, which soon moves leases to a worker that has none."""
    settings = {
        "NEARVIEW_WORKER_NAME": name,
        "NEARVIEW_HTTP_PORT": str(free_port()),
        "NEARVIEW_REBALANCE_MILLIS": "3000",
        "NEARVIEW_BATCH_RECORDS": "500",  # progress shows in checkpoints, also on a slow machine
    }
    environment = {**live.running.environment, **settings}
    live.stack.processes.start(name, [sys.executable, "-m", "worker.supervisor"], env=environment)


def owners(live: Live) -> dict[str, str]:
    """The name of the worker that has each shard's lease, empty for none."""
    answer = live.running.ministack.client("dynamodb").scan(
        TableName=live.running.storage.application, ConsistentRead=True
    )
    owned = {item["leaseKey"]["S"]: item.get("leaseOwner", {}).get("S", "") for item in answer["Items"]}
    assert len(owned) >= len(NAMES)
    return {shard: owner.partition(".")[0] for shard, owner in owned.items()}


def leader(live: Live) -> str:
    """The name of the worker that gives out leases, empty for none."""
    found = LeaseTables(live.running.ministack.client("dynamodb"), live.running.storage.application).leader()
    return found.owner.partition(".")[0] if found else ""


def wait_for_progress(live: Live, shards: list[str]) -> None:
    """Return when the checkpoints of these shards have moved on from where they are now."""
    before = checkpoints(live.running)

    def have_moved() -> bool:
        now = checkpoints(live.running)
        return all(now[shard] > before[shard] for shard in shards)

    wait_for("progress of the shards", have_moved)
