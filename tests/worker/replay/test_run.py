"""Applying a plan while KCL changes the table: what it deletes is made again, and the backup says what really was."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from local.ministack import MiniStack
from tests.worker.supervisor.real_worker import create_table
from worker.errors import FatalError
from worker.replay import backup
from worker.replay.lease_rows import LeaseRows
from worker.replay.plan import SHARD_END, First, Position, make_plan
from worker.replay.request import Kind, Request
from worker.replay.run import Outlook, Replay, undo
from worker.replay.shards import Shard, Shards
from worker.replay.stream import Stream
from worker.replay.updates import position_of

_numbers = itertools.count(1)
SHARDS = Shards([Shard("p", (), "0", "9", "1", "50"), *(Shard(c, ("p",), "0", "9", "51", None) for c in ("c1", "c2"))])
REQUEST = Request(Kind.SEQUENCE, sequences={"p": "41"})


class Timeless(Stream):
    """Knows no times."""

    def __init__(self) -> None:
        super().__init__(None, "changes")

    def arrival(self, shard: str, number: str) -> int | None:
        return None


class Family:
    """A lease table with two children of a shard whose lease is gone, or at its end."""

    def __init__(self, client: Any, parent: str | None) -> None:
        self.client, self.name = client, f"family{next(_numbers)}"
        create_table(client, self.name, "leaseKey")
        for key, checkpoint in (("p", parent), ("c1", "70"), ("c2", "71")):
            if checkpoint:
                self.put(key, checkpoint)
        self.leases = LeaseRows(client, self.name)

    def put(self, key: str, checkpoint: str) -> None:
        row = {"leaseKey": key, "leaseOwner": "w", "checkpoint": checkpoint}
        numbers = {"leaseCounter": {"N": "1"}, "checkpointSubSequenceNumber": {"N": "0"}}
        self.client.put_item(TableName=self.name, Item={name: {"S": text} for name, text in row.items()} | numbers)

    def delete(self, key: str) -> None:
        self.client.delete_item(TableName=self.name, Key={"leaseKey": {"S": key}})

    def positions(self) -> dict[str, str]:
        return {shard: row["checkpoint"]["S"] for shard, row in self.leases.rows().items()}

    def apply(self, path: Path, sleep: Callable[[float], None], before: Callable[[], None] = lambda: None) -> Any:
        """Look, save and apply; `before` happens between the look and the first change."""
        rows = self.leases.rows()
        positions = {shard: position_of(row) for shard, row in rows.items()}
        plan = make_plan(SHARDS, positions, REQUEST, {"p": First("41", 41)})
        run = Replay(Timeless(), self.leases, lambda: 1000, lambda line: None, sleep)
        outlook = Outlook(plan, SHARDS, rows, {}, {}, 1000)
        saved = run.save(path, REQUEST, outlook, "eu-west-1")
        before()
        return run.apply(path, saved, outlook)


def test_a_parent_that_kcl_deletes_behind_the_reset_is_made_again_and_its_children_begin_anew(
    ministack: MiniStack, tmp_path: Path
) -> None:
    family = Family(ministack.client("dynamodb"), SHARD_END)
    pauses = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 1:  # it had read before the reset that the children have checkpoints
            family.delete("p")
            family.put("c1", "52")  # without a parent it had begun

    saved = family.apply(tmp_path / "b", sleep)

    assert len(pauses) == 2
    assert family.positions() == {"p": "41", "c1": "TRIM_HORIZON", "c2": "TRIM_HORIZON"}
    assert {lease.shard: lease.undo for lease in saved.leases} == {
        "p": Position(SHARD_END),
        "c1": Position("70"),
        "c2": Position("71"),
    }
    assert backup.read(tmp_path / "b") == saved


def test_if_it_is_deleted_for_ever_that_is_said(ministack: MiniStack, tmp_path: Path) -> None:
    family = Family(ministack.client("dynamodb"), None)

    with pytest.raises(FatalError, match="are deleted as fast as they are made; run it again"):
        family.apply(tmp_path / "b", lambda seconds: family.delete("p"))


def test_the_backup_has_the_checkpoint_that_was_replaced_not_the_one_that_was_looked_at(
    ministack: MiniStack, tmp_path: Path
) -> None:
    family = Family(ministack.client("dynamodb"), None)

    saved = family.apply(tmp_path / "b", lambda seconds: None, before=lambda: family.put("c1", "75"))

    (lease,) = (lease for lease in saved.leases if lease.shard == "c1")
    assert (lease.undo, lease.goal, lease.applied) == (Position("75"), Position("75"), True)


def test_undone_children_stand_where_they_stood_and_the_parent_at_its_end(ministack: MiniStack, tmp_path: Path) -> None:
    family = Family(ministack.client("dynamodb"), None)
    saved = family.apply(tmp_path / "b", lambda seconds: None)
    family.put("c2", "90")  # came further by itself

    assert undo(family.leases, saved) == {"c2": False, "c1": True, "p": True}
    assert family.positions() == {"p": SHARD_END, "c1": "70", "c2": "90"}


class Died(Exception):
    """The command is no more."""


def _die() -> None:
    raise Died


def test_of_a_command_that_died_what_was_reset_is_undone_and_nothing_else(
    ministack: MiniStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    family = Family(ministack.client("dynamodb"), None)
    with pytest.raises(Died):
        family.apply(tmp_path / "b", lambda seconds: None, before=_die)
    assert not any(undo(family.leases, backup.read(tmp_path / "b")).values())

    # dead behind the change of a lease and before the backup says so
    monkeypatch.setattr("worker.replay.run._applied", lambda saved, change, old: _die())
    with pytest.raises(Died):
        family.apply(tmp_path / "c", lambda seconds: None)
    assert family.positions() == {"p": "41", "c1": "70", "c2": "71"}
    assert undo(family.leases, backup.read(tmp_path / "c")) == {"c2": False, "c1": False, "p": True}
    assert family.positions() == {"p": SHARD_END, "c1": "70", "c2": "71"}
