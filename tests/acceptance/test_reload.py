"""Tables loaded again beside live changes; and what vanished behind the log's back, made right by reload and sweep."""

import datetime
import json
from collections.abc import Callable
from typing import Any

import pytest

from local.progress import sent
from local.running import Options
from tests.acceptance.live import Live, wait_for, workload

ORDERS = 80

UNPLEASANT = ("LoadBesideChanges=true", "LoadHoldSeconds=0.5", "ShuffleLoad=true", "PutRecordsFailureRate=0.1")

BEHIND_THE_LOG = (
    # rows that no record will ever mention again
    "DELETE FROM shop.payments WHERE order_id % 10 = 3",
    "DELETE FROM shop.order_lines WHERE order_id % 10 = 3 OR line_no = 2",
    "DELETE FROM shop.orders WHERE order_id % 10 = 3",
    # keys that change are rows that vanish, too
    "UPDATE shop.orders SET order_id = order_id + 100000 WHERE order_id % 10 = 4",
    # rows that stay, with other values and foreign keys
    "UPDATE shop.orders SET note = 'behind the log' WHERE order_id % 10 = 5",
    "UPDATE shop.customers SET name = name || '!', country_code = NULL WHERE customer_id % 3 = 1",
)

SWEPT = ("shop.orders", "shop.order_lines", "shop.payments")


@pytest.mark.long  # each part of it runs in process in tests/proof/test_loads.py and tests/worker/rebuild/test_sweep.py
def test_lost_changes_are_made_good_by_a_raised_incarnation_a_reload_and_a_sweep(
    start_stack: Callable[[Options], Live],
) -> None:
    live = start_stack(Options(orders=ORDERS, stand_in=UNPLEASANT))

    # in mid-stream nothing has to be stopped or raised, and nothing goes back
    with workload(live, rate=4, seed=5):
        told = json.loads(live.nearview("local", "reload", "--json", *SWEPT))
    assert told["tables"].keys() == set(SWEPT)
    assert all(rows > ORDERS / 2 for rows in told["tables"].values())
    live.wait_until_quiet()
    live.assert_right()

    assert "stopped" in live.nearview("local", "stop-task")
    before = {table: keys(live, table) for table in SWEPT}
    live.sql(*BEHIND_THE_LOG)
    vanished = sum(len(before[table] - keys(live, table)) for table in SWEPT)
    raised = json.loads(live.nearview("incarnation", "raise", "--reason", "changes were lost", "--yes", "--json"))
    resume_after = datetime.datetime.fromisoformat(raised["resume_after"])
    wait_for("workers that know the incarnation", lambda: datetime.datetime.now(datetime.UTC) > resume_after)
    live.nearview("local", "start-task", "--reload-target")
    with workload(live, rate=4, seed=6):
        wait_for("the end of all loads", lambda: not sent(live.stack.folder).loading)
    live.wait_until_quiet()
    assert live.verify()["differences"] > 0

    counted = json.loads(live.nearview("sweep", "--json", *SWEPT, exit_code=1))
    with workload(live, rate=4, seed=7):
        swept = json.loads(live.nearview("sweep", "--yes", "--json", *SWEPT))
    # the shop may have used a key again meanwhile
    gone = sum(rows["gone"] for rows in counted["tables"].values())
    assert vanished / 2 < swept["swept"]["gone"] <= gone <= vanished
    live.wait_until_quiet()
    live.assert_right()


def keys(live: Live, table: str) -> set[tuple[Any, ...]]:
    """The primary keys of a table."""
    columns = {"shop.orders": "order_id", "shop.order_lines": "order_id, line_no", "shop.payments": "payment_id"}
    return set(live.rows(f"SELECT {columns[table]} FROM {table}"))  # noqa: S608  names of our own
