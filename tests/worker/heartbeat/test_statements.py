"""SQL of the heartbeat table, and rows that reach every shard."""

from __future__ import annotations

import hashlib
import json

import pytest
from click.testing import CliRunner

from worker.cli import main
from worker.heartbeat.statements import rows_needed, statements
from worker.records.positions import Engine


def _shard(partition_key: str, shards: int) -> int:
    digest = hashlib.md5(partition_key.encode(), usedforsecurity=False).hexdigest()
    return int(digest, 16) // (2**128 // shards)


@pytest.mark.parametrize("shards", [1, 2, 8, 50])
@pytest.mark.parametrize("form", ["{}", "shop.beat.{}"])
@pytest.mark.parametrize("splits", [1, 2])
def test_the_rows_reach_every_shard_and_every_half_of_one(shards: int, form: str, splits: int) -> None:
    keys = [form.format(number) for number in range(1, rows_needed("shop.beat", shards) + 1)]

    assert {_shard(key, shards * splits) for key in keys} == set(range(shards * splits))


def test_one_row_less_would_leave_a_shard_out() -> None:
    fewer = range(1, rows_needed("shop.beat", 4))

    assert any(len({_shard(form.format(n), 8) for n in fewer}) < 8 for form in ("{}", "shop.beat.{}"))


@pytest.mark.parametrize("engine", list(Engine))
def test_every_engine_has_its_statements(engine: Engine) -> None:
    found = statements(engine, "shop.beat", 17)

    assert all("shop.beat" in text for text in (found.make, found.fill, found.beat, found.schedule))
    assert "17" in found.fill


def test_the_command_prints_them() -> None:
    shown = CliRunner().invoke(main, ["heartbeat", "sql", "shop.beat", "--shards", "2"])
    found = CliRunner().invoke(main, ["heartbeat", "sql", "shop.beat", "--shards", "2", "--json"])

    assert shown.exit_code == 0
    assert "UPDATE shop.beat SET beat = now();" in shown.stdout
    assert json.loads(found.stdout)["rows"] == rows_needed("shop.beat", 2)


@pytest.mark.parametrize("table", ["beat", "shop.beat; DROP TABLE x", "shop.beat.x", "shop."])
def test_a_name_that_is_none_is_refused(table: str) -> None:
    assert CliRunner().invoke(main, ["heartbeat", "sql", table]).exit_code == 2
