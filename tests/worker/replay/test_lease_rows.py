"""Resets of leases that somebody holds, on a stand-in that checks conditions, in both layouts; and broken variants.

The holder here does what KCL's does: it renews and checkpoints on condition that the counter is its own, and takes a
counter that is one too high, with its own name, for a renewal whose answer was lost.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from local.ministack import MiniStack
from tests.worker.supervisor.real_worker import create_lease_tables, create_table
from worker.errors import FatalError
from worker.replay import lease_rows
from worker.replay.lease_rows import LeaseRows
from worker.replay.plan import BEGINNING, ENDED, Change, Position
from worker.replay.shards import Shard
from worker.replay.updates import Update, reset

_numbers = itertools.count(1)
ME = "worker.1"
START = Position("150", -1)


@dataclass
class Table:
    """Leases of one layout."""

    client: Any
    name: str
    typed: bool

    def leases(self) -> LeaseRows:
        return LeaseRows(self.client, self.name, sleep=lambda seconds: None)

    def put(self, key: str, checkpoint: str = "200", **texts: str) -> None:
        row = {
            "leaseKey": {"S": key},
            "leaseCounter": {"N": "7"},
            "checkpoint": {"S": checkpoint},
            "checkpointSubSequenceNumber": {"N": "0"},
            "ownerSwitchesSinceCheckpoint": {"N": "3"},
            "pendingCheckpoint": {"S": "201"},
            "pendingCheckpointSubSequenceNumber": {"N": "0"},
            "pendingCheckpointState": {"B": b"state"},
            "throughputKBps": {"N": "1.5"},
        }
        kind = {"entityType": {"S": "LEASE"}} if self.typed else {}
        self.client.put_item(TableName=self.name, Item=row | kind | {name: {"S": text} for name, text in texts.items()})

    def row(self, key: str) -> dict[str, Any]:
        item = self.client.get_item(TableName=self.name, Key={"leaseKey": {"S": key}}, ConsistentRead=True).get("Item")
        return {name: next(iter(value.values())) for name, value in (item or {}).items()}


class Lost(Exception):
    """The lease is somebody else's."""


@dataclass
class Holder:
    """KCL, as far as one lease sees it."""

    table: Table
    key: str
    counter: int = 7

    def renew(self) -> None:
        try:
            self._write("SET leaseCounter = :new", {})
        except Lost:
            row = self.table.row(self.key)
            if row.get("leaseOwner") != ME or int(row["leaseCounter"]) != self.counter + 1:
                raise
            self.counter += 1  # "spurious": the renewal came through, its answer did not

    def checkpoint(self, number: str) -> None:
        self._write("SET leaseCounter = :new, checkpoint = :number", {":number": {"S": number}})

    def _write(self, change: str, values: dict[str, Any]) -> None:
        numbers = {":new": {"N": str(self.counter + 1)}, ":mine": {"N": str(self.counter)}}
        try:
            self.table.client.update_item(
                TableName=self.table.name,
                Key={"leaseKey": {"S": self.key}},
                UpdateExpression=change,
                ConditionExpression="leaseCounter = :mine",
                ExpressionAttributeValues=numbers | values,
            )
        except self.table.client.exceptions.ConditionalCheckFailedException:
            raise Lost from None
        self.counter += 1


@pytest.fixture(params=[False, True], ids=["three tables", "one table"])
def table(request: pytest.FixtureRequest, ministack: MiniStack) -> Table:
    client, name = ministack.client("dynamodb"), f"replay{next(_numbers)}"
    if request.param:
        create_table(client, name, "leaseKey")
        client.put_item(TableName=name, Item={"leaseKey": {"S": "Leader"}, "entityType": {"S": "LEADER"}})
    else:
        create_lease_tables(client, name)
    return Table(client, name, request.param)


def change(name: str, position: Position = START, before: Position | None = None, *parents: str) -> Change:
    return Change(Shard(name, parents, "0", "99", "1", None), position, before, parents, ("c1", "c2"))


def check_that_a_holder_loses_it(table: Table, renews_first: bool) -> None:
    """Reset a held lease; whatever its holder does then, the reset stands and the holder stops."""
    table.put("s", leaseOwner=ME)
    holder = Holder(table, "s")
    holder.checkpoint("210")
    table.leases().apply(change("s"), table.typed)
    for deed in (holder.renew, lambda: holder.checkpoint("220"))[:: 1 if renews_first else -1]:
        with pytest.raises(Lost):
            deed()
    row = table.row("s")
    assert (row["checkpoint"], row["checkpointSubSequenceNumber"]) == ("150", "-1")
    assert "leaseOwner" not in row


@pytest.mark.parametrize("renews_first", [True, False])
def test_whoever_holds_a_lease_loses_it_and_its_late_checkpoint_is_refused(table: Table, renews_first: bool) -> None:
    check_that_a_holder_loses_it(table, renews_first)


def only_the_checkpoint(position: Position, parents: tuple[str, ...] = ()) -> Update:
    real = reset(position, parents)
    values = {name: real.values[name] for name in (":checkpoint", ":sub", ":lease")}
    return Update("SET checkpoint = :checkpoint, checkpointSubSequenceNumber = :sub", real.condition, values)


def owner_kept(position: Position, parents: tuple[str, ...] = ()) -> Update:
    real = reset(position, parents)
    values = {**real.values, ":two": {"N": "1"}}
    return Update(real.expression.replace("REMOVE leaseOwner, ", "REMOVE "), real.condition, values)


def counter_kept(position: Position, parents: tuple[str, ...] = ()) -> Update:
    real = reset(position, parents)
    values = {name: value for name, value in real.values.items() if name != ":two"}
    return Update(real.expression.replace(" ADD leaseCounter :two", ""), real.condition, values)


@pytest.mark.parametrize("broken", [only_the_checkpoint, owner_kept, counter_kept])
def test_a_reset_that_leaves_the_holder_its_lease_is_noticed(
    table: Table, broken: Callable[..., Update], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease_rows, "reset", broken)

    with pytest.raises((AssertionError, pytest.fail.Exception)):
        check_that_a_holder_loses_it(table, renews_first=True)


def test_a_reset_takes_what_is_pending_and_a_handover_along(table: Table) -> None:
    table.put("s", leaseOwner="new.1", checkpointOwner=ME)

    old = table.leases().apply(change("s", START, None, "p"), table.typed)

    row = table.row("s")
    assert old is not None
    assert old["checkpoint"] == {"S": "200"}
    assert {name for name in row if name.startswith("pending") or name.endswith("Owner")} == set()
    assert (row["leaseCounter"], row["ownerSwitchesSinceCheckpoint"], row["throughputKBps"]) == ("9", "0", "1.5")
    assert row["parentShardId"] == {"p"} or row["parentShardId"] == ["p"]


def test_a_lease_that_is_gone_is_made_with_its_descent_and_its_hash_range(table: Table) -> None:
    assert table.leases().apply(change("s", START, None, "p"), table.typed) is None

    row = table.row("s")
    assert (row["checkpoint"], row["checkpointSubSequenceNumber"], row["leaseCounter"]) == ("150", "-1", "0")
    assert (row["startingHashKey"], row["endingHashKey"]) == ("0", "99")
    assert (set(row["parentShardId"]), set(row["childShardIds"])) == ({"p"}, {"c1", "c2"})
    assert row.get("entityType") == ("LEASE" if table.typed else None)


def test_only_leases_are_read_and_changed(table: Table) -> None:
    table.put("s")
    leases = table.leases()

    assert leases.rows().keys() == {"s"}
    if table.typed:
        with pytest.raises(FatalError, match="made and deleted again and again"):
            leases.apply(change("Leader"), table.typed)
        assert table.row("Leader") == {"leaseKey": "Leader", "entityType": "LEADER"}


def test_a_checkpoint_is_put_back_unless_it_has_come_so_far_again(table: Table) -> None:
    leases = table.leases()
    for name, checkpoint in (("behind", "150"), ("there", "200"), ("ahead", "201"), ("end", "SHARD_END")):
        table.put(name, checkpoint, leaseOwner=ME)

    done = {name: leases.put_back(name, Position("200")) for name in ("behind", "there", "ahead", "end", "gone")}

    assert done == {"behind": True, "there": False, "ahead": False, "end": False, "gone": False}
    assert table.row("behind")["checkpoint"] == "200"
    assert "leaseOwner" not in table.row("behind")
    assert table.row("ahead")["leaseOwner"] == ME


def test_a_parent_that_was_made_goes_back_to_its_end(table: Table) -> None:
    leases = table.leases()
    leases.apply(change("p", BEGINNING), table.typed)

    assert leases.put_back("p", ENDED)
    assert table.row("p")["checkpoint"] == "SHARD_END"
    assert not leases.put_back("p", ENDED)


def test_a_table_that_is_not_there_is_one_line(ministack: MiniStack) -> None:
    with pytest.raises(FatalError, match="the lease table nowhere: ResourceNotFoundException"):
        LeaseRows(ministack.client("dynamodb"), "nowhere").rows()
