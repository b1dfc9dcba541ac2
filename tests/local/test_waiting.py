"""The wait for quiet: slowness passes, a parked table does not."""

from __future__ import annotations

from typing import Any

import pytest

from local.running import StackError
from local.waiting import wait_green

GREEN: dict[str, Any] = {"problems": [], "parked_tables": 0}
SLOW: dict[str, Any] = {"problems": ["shard-1 has not advanced for 112 seconds"], "parked_tables": 0}
PARKED: dict[str, Any] = {"problems": ["shop.a is parked", *SLOW["problems"]], "parked_tables": 1}


def test_a_worker_that_is_only_slow_is_waited_for() -> None:
    reports = [SLOW, SLOW, GREEN]
    wait_green(lambda: reports.pop(0), 60)
    assert reports == []


def test_a_parked_table_ends_the_wait_and_is_named() -> None:
    reports = [SLOW, PARKED]
    with pytest.raises(StackError, match=r"not everything is in documents:\nshop\.a is parked\nshard-1"):
        wait_green(lambda: reports.pop(0), 60)


def test_one_that_stays_slow_is_told_as_that_when_the_time_is_over() -> None:
    with pytest.raises(StackError, match=r"^all records are read, but the worker is still red:\nshard-1") as caught:
        wait_green(lambda: SLOW, 0)
    assert "documents" not in str(caught.value)
