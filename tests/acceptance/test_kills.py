"""Nothing is lost and nothing goes back, however often the worker is killed in the middle of its work."""

import random
import time
from collections.abc import Callable
from dataclasses import replace

from local.kills import kill_child, kill_worker
from local.running import Options
from tests.acceptance.conftest import SMALL_SHOP
from tests.acceptance.live import Live, wait_for, workload

KILLS = 10
CHILD_KILLS = 2
SEED = 20
LONGEST_PAUSE_SECONDS = 1.5


def test_every_document_is_right_after_the_worker_was_killed_ten_times_under_load(
    start_stack: Callable[[Options], Live],
) -> None:
    live = start_stack(Options(orders=SMALL_SHOP))
    # small batches: what has piled up while no worker ran takes several, so that kills fall into and between them
    hasty = replace(live.running, environment={**live.running.environment, "NEARVIEW_BATCH_RECORDS": "100"})
    chance = random.Random(SEED)
    child_dies_before = set(chance.sample(range(KILLS), CHILD_KILLS))
    done_twice = 0.0
    with workload(live, rate=35, seed=SEED):
        for kill in range(KILLS):
            work_some_time(live, 0, chance)
            if kill in child_dies_before:
                records = live.counted("nearview_records_total")
                kill_child(live.stack)
                work_some_time(live, records, chance)
            done_twice += live.counted("nearview_changes_stale_total")
            kill_worker(live.stack)
            live.stack.start_worker(hasty if kill + 1 < KILLS else live.running)
        work_some_time(live, 0, chance)
    live.wait_until_quiet()
    done_twice += live.counted("nearview_changes_stale_total")
    live.assert_right()
    assert done_twice > 0, "no kill came between a write and its checkpoint, so nothing was shown"


def work_some_time(live: Live, records: float, chance: random.Random) -> None:
    """Return at a random moment after the worker has counted more records than those: it is at work."""
    wait_for("a record processed since the kill", lambda: live.counted("nearview_records_total") > records)
    time.sleep(chance.uniform(0.0, LONGEST_PAUSE_SECONDS))
