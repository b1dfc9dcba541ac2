"""Nothing is lost and nothing goes back, however often the worker is killed in the middle of its work."""

import random
import time
from dataclasses import replace

import pytest

from local.kills import kill_child, kill_worker
from tests.acceptance.live import Live, wait_for, workload

MOST_KILLS = 12
LONGEST_PAUSE_SECONDS = 1.5
SEED = 20


@pytest.mark.parametrize(
    ("kills", "children"),
    [
        pytest.param(3, {1}, id="three times"),
        pytest.param(10, {1, 6}, id="ten times", marks=pytest.mark.long),
    ],
)
def test_every_document_is_right_after_the_worker_was_killed_under_load(
    shop: Live, kills: int, children: set[int]
) -> None:
    """So often, and further until a kill came between a write and its checkpoint: else nothing is shown."""
    parked = shop.parked()
    # small batches: what has piled up while no worker ran takes several, so that kills fall into and between them
    hasty = replace(shop.running, environment={**shop.running.environment, "NEARVIEW_BATCH_RECORDS": "100"})
    chance = random.Random(SEED)
    done_twice, kill = 0.0, 0
    with workload(shop, rate=35, seed=SEED):
        while kill < kills or (not done_twice and kill < MOST_KILLS):
            work_some_time(shop, 0, chance)
            if kill in children:
                records = shop.counted("nearview_records_total")
                kill_child(shop.stack)
                work_some_time(shop, records, chance)
            done_twice += shop.counted("nearview_changes_stale_total")
            kill_worker(shop.stack)
            shop.stack.start_worker(hasty)
            kill += 1
        work_some_time(shop, 0, chance)
    shop.wait_until_quiet()
    done_twice += shop.counted("nearview_changes_stale_total")
    shop.assert_right(parked)
    assert done_twice > 0, "no kill came between a write and its checkpoint, so nothing was shown"


def work_some_time(live: Live, records: float, chance: random.Random) -> None:
    """Return at a random moment after the worker has counted more records than those: it is at work."""
    wait_for("a record processed since the kill", lambda: live.counted("nearview_records_total") > records)
    time.sleep(chance.uniform(0.0, LONGEST_PAUSE_SECONDS))
