"""KCL's lease and coordinator tables, as far as a supervisor must touch them.

KCL gives a dead leader's lock away after two minutes only, so a restart would stand still for as long. A supervisor
knows the worker ids that it and its predecessors of the same name have used and that they are dead. Every change is
conditional on the row still being as it was read. Both layouts are handled: three tables (KCL 3.0 to 3.4) and one
table whose rows carry an `entityType` (3.5 and later).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

LEADER = {"S": "Leader"}
SEEDS_AT_ONCE = 100

IsDead = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Leader:
    """The lock of the worker that gives out leases; `version` changes with each of its heartbeats."""

    owner: str
    version: str
    table: str
    key_name: str


class LeaseTables:
    """Tables of one application. Errors of the SDK pass through; the caller decides whether they matter."""

    def __init__(self, dynamodb: Any, application: str) -> None:
        self._dynamodb = dynamodb
        self._table = application
        self._coordinator = f"{application}-CoordinatorState"

    def leader(self) -> Leader | None:
        """Who holds the lock, if anybody."""
        for table, key_name in ((self._coordinator, "key"), (self._table, "leaseKey")):
            try:
                answer = self._dynamodb.get_item(TableName=table, Key={key_name: LEADER}, ConsistentRead=True)
            except self._dynamodb.exceptions.ResourceNotFoundException:
                continue
            if item := answer.get("Item"):
                owner = item.get("ownerName", {}).get("S", "")
                return Leader(owner, item.get("recordVersionNumber", {}).get("S", ""), table, key_name)
        return None

    def free_leader(self, leader: Leader) -> bool:
        """Delete the lock as it was read; False if it has changed since."""
        try:
            self._dynamodb.delete_item(
                TableName=leader.table,
                Key={leader.key_name: LEADER},
                ConditionExpression="ownerName = :owner AND recordVersionNumber = :version",
                ExpressionAttributeValues={":owner": {"S": leader.owner}, ":version": {"S": leader.version}},
            )
        except self._dynamodb.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def pass_on(self, is_dead: IsDead, successor: str | None) -> int:
        """Give the leases of dead workers to `successor`, or to nobody, and return how many.

        A worker renews at its start what the table says it owns, so a successor goes on without waiting for the leader.
        """
        changed = 0
        for row in self._rows():
            owner, handing_over = _text(row, "leaseOwner"), _text(row, "checkpointOwner")
            if owner and is_dead(owner):
                changed += self._update(row["leaseKey"], *_new_owner(owner, successor))
            elif handing_over and is_dead(handing_over):
                # the new owner would wait for a last checkpoint that never comes
                changed += self._update(
                    row["leaseKey"], "REMOVE checkpointOwner", "checkpointOwner = :dead", {":dead": handing_over}
                )
        return changed

    def seed(self, shards: Callable[[], Sequence[dict[str, Any]]], position: str) -> int:
        """Write a row for each shard if the table has none at all, and return how many.

        KCL would first wait for up to half a minute, then sync, then sleep. Without a table nothing is done: KCL makes
        it. Two workers may do this at the same time: a transaction writes all of up to 100 rows or none of them.
        """
        try:
            if next(self._rows(), None):
                return 0
        except self._dynamodb.exceptions.ResourceNotFoundException:
            return 0
        rows = [_seed_row(shard, position) for shard in shards()]
        try:
            for start in range(0, len(rows), SEEDS_AT_ONCE):
                self._insert(rows[start : start + SEEDS_AT_ONCE])
        except self._dynamodb.exceptions.TransactionCanceledException:
            return 0
        return len(rows)

    def _insert(self, rows: Sequence[dict[str, Any]]) -> None:
        puts = [
            {"Put": {"TableName": self._table, "Item": row, "ConditionExpression": "attribute_not_exists(leaseKey)"}}
            for row in rows
        ]
        self._dynamodb.transact_write_items(TransactItems=puts)

    def _rows(self) -> Iterator[dict[str, Any]]:
        pages = self._dynamodb.get_paginator("scan").paginate(TableName=self._table, ConsistentRead=True)
        for page in pages:
            for row in page["Items"]:
                if _text(row, "entityType") in ("", "LEASE"):
                    yield row

    def _update(self, key: Any, change: str, condition: str, values: dict[str, str]) -> int:
        numbers = {":one": {"N": "1"}} if ":one" in change else {}
        try:
            self._dynamodb.update_item(
                TableName=self._table,
                Key={"leaseKey": key},
                UpdateExpression=change,
                ConditionExpression=condition,
                ExpressionAttributeValues=numbers | {name: {"S": value} for name, value in values.items()},
            )
        except self._dynamodb.exceptions.ConditionalCheckFailedException:
            return 0
        return 1


def list_shards(kinesis: Any, stream: str, position: str) -> list[dict[str, Any]]:
    """The shards that were open at the position, which is where KCL begins; their children follow by themselves."""
    arguments: dict[str, Any] = {"StreamName": stream, "ShardFilter": {"Type": f"AT_{position}"}}
    found: list[dict[str, Any]] = []
    while True:
        answer = kinesis.list_shards(**arguments)
        found += answer["Shards"]
        if not answer.get("NextToken"):
            return found
        arguments = {"NextToken": answer["NextToken"]}


def _new_owner(dead: str, successor: str | None) -> tuple[str, str, dict[str, str]]:
    # the counter moves so that a zombie's renewal fails; keeping its name would be taken for a spurious failure
    if successor:
        change, values = "SET leaseOwner = :new ADD leaseCounter :one", {":dead": dead, ":new": successor}
    else:
        change, values = "REMOVE leaseOwner, checkpointOwner ADD leaseCounter :one", {":dead": dead}
    return change, "leaseOwner = :dead", values


def _seed_row(shard: dict[str, Any], position: str) -> dict[str, Any]:
    hashes = shard["HashKeyRange"]
    row = {
        "leaseKey": {"S": shard["ShardId"]},
        "leaseCounter": {"N": "0"},
        "ownerSwitchesSinceCheckpoint": {"N": "0"},
        "checkpoint": {"S": position},
        "checkpointSubSequenceNumber": {"N": "0"},
        "startingHashKey": {"S": hashes["StartingHashKey"]},
        "endingHashKey": {"S": hashes["EndingHashKey"]},
    }
    parents = [shard[name] for name in ("ParentShardId", "AdjacentParentShardId") if shard.get(name)]
    return row | ({"parentShardId": {"SS": parents}} if parents else {})


def _text(row: dict[str, Any], name: str) -> str:
    return str(row.get(name, {}).get("S", ""))
