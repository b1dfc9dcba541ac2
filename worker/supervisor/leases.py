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
SHARD_END = "SHARD_END"
SEEDS_AT_ONCE = 100

IsDead = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Leader:
    """The lock of the worker that gives out leases; `version` changes with each of its heartbeats."""

    owner: str
    version: str
    table: str
    key_name: str


@dataclass(frozen=True, slots=True)
class Lease:
    """A lease as its row says; whoever holds it raises `counter` with each renewal.

    While it is handed over `checkpoint_owner` still holds it and `owner` is to have it; otherwise that is empty.
    """

    shard: str
    owner: str
    checkpoint_owner: str
    counter: int


class LeaseTables:
    """Tables of one application. Errors of the SDK pass through; the caller decides whether they matter."""

    def __init__(self, dynamodb: Any, application: str) -> None:
        self._dynamodb = dynamodb
        self._table = application
        self._coordinator = f"{application}-CoordinatorState"
        self._reports = f"{application}-WorkerMetricStats"

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

    def last_report(self, worker_id: str) -> str:
        """What a worker last noted of its use of the processor, which changes with each report; empty for nothing.

        A thread of its own writes it, every few seconds, other than the one that renews the leader's lock.
        """
        for table, key_name in ((self._reports, "wid"), (self._table, "leaseKey")):
            try:
                answer = self._dynamodb.get_item(TableName=table, Key={key_name: {"S": worker_id}}, ConsistentRead=True)
            except self._dynamodb.exceptions.ResourceNotFoundException:
                continue
            if item := answer.get("Item"):
                return str(item.get("lut", {}).get("N", ""))
        return ""

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
                dead = {":dead": {"S": handing_over}}
                changed += self._update(row["leaseKey"], "REMOVE checkpointOwner", "checkpointOwner = :dead", dead)
        return changed

    def leases(self) -> list[Lease]:
        """Every lease of a shard that has not been read to its end; none while there is no table."""
        try:
            return [_lease(row) for row in self._rows() if _text(row, "checkpoint") != SHARD_END]
        except self._dynamodb.exceptions.ResourceNotFoundException:
            return []

    def take_over(self, lease: Lease, worker_id: str) -> bool:
        """Give a lease to a running worker, which finds it there; False if its row has changed since it was read.

        A handover that was under way ends. The counter rises by two: by one only, KCL would take its own failed renewal
        for one that had succeeded, and a worker that has the lease already would not begin anew.
        """
        conditions, values = ["leaseCounter = :seen"], {":seen": {"N": str(lease.counter)}}
        for name, value in (("leaseOwner", lease.owner), ("checkpointOwner", lease.checkpoint_owner)):
            conditions.append(f"{name} = :{name}" if value else f"attribute_not_exists({name})")
            values |= {f":{name}": {"S": value}} if value else {}
        return bool(
            self._update(
                {"S": lease.shard},
                "SET leaseOwner = :new REMOVE checkpointOwner ADD leaseCounter :two",
                " AND ".join(conditions),
                values | {":new": {"S": worker_id}, ":two": {"N": "2"}},
            )
        )

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

    def _update(self, key: Any, change: str, condition: str, values: dict[str, Any]) -> int:
        try:
            self._dynamodb.update_item(
                TableName=self._table,
                Key={"leaseKey": key},
                UpdateExpression=change,
                ConditionExpression=condition,
                ExpressionAttributeValues=values,
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


def _new_owner(dead: str, successor: str | None) -> tuple[str, str, dict[str, Any]]:
    # the counter moves so that a zombie's renewal fails; keeping its name would be taken for a spurious failure
    values: dict[str, Any] = {":dead": {"S": dead}, ":one": {"N": "1"}}
    if successor:
        change = "SET leaseOwner = :new ADD leaseCounter :one"
        values[":new"] = {"S": successor}
    else:
        change = "REMOVE leaseOwner, checkpointOwner ADD leaseCounter :one"
    return change, "leaseOwner = :dead", values


def _lease(row: dict[str, Any]) -> Lease:
    counter = int(row.get("leaseCounter", {}).get("N", "0"))
    return Lease(row["leaseKey"]["S"], _text(row, "leaseOwner"), _text(row, "checkpointOwner"), counter)


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
