"""The time from which on tombstones are all there."""

from __future__ import annotations

import pytest

from tests.worker.conftest import Tables
from worker.errors import FatalError
from worker.horizon import check_horizon, horizon_millis


def put(tables: Tables, text: str) -> None:
    item = {"pk": {"S": "#horizon"}, "sk": {"S": "#"}, "from": {"S": text}}
    tables.client.put_item(TableName=tables.rows, Item=item)


def test_there_is_none_until_somebody_says_so(tables: Tables) -> None:
    assert horizon_millis(tables.client, tables.rows) is None
    check_horizon(None, 0, "the replay")

    put(tables, "2026-01-31T12:00:00Z")

    assert horizon_millis(tables.client, tables.rows) == 1_769_860_800_000


@pytest.mark.parametrize("text", ["", "soon", "2026-01-31T12:00:00"])
def test_what_is_no_time_is_said(tables: Tables, text: str) -> None:
    put(tables, text)

    with pytest.raises(FatalError, match=f"{tables.rows}: the item #horizon has no time"):
        horizon_millis(tables.client, tables.rows)


def test_only_what_begins_before_it_is_refused() -> None:
    check_horizon(1000, 1000, "the replay")
    check_horizon(1000, None, "the replay")
    with pytest.raises(FatalError, match=r"^the replay begins at 1970-01-01T00:00:00Z, but tombstones from before"):
        check_horizon(1000, 999, "the replay")


def test_a_table_that_is_not_there_is_one_line(tables: Tables) -> None:
    with pytest.raises(FatalError, match="ResourceNotFoundException"):
        horizon_millis(tables.client, "nowhere")
