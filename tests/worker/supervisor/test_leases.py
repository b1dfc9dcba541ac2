"""Lease and coordinator tables, on a stand-in that checks conditions: both layouts."""

import itertools
from typing import Any

import pytest

from local.ministack import MiniStack
from tests.worker.supervisor.real_worker import create_lease_tables, create_table
from worker.supervisor.leases import Leader, Lease, LeaseTables, list_shards

_numbers = itertools.count(1)
MINE = "w1.aaaa"
SHARDS = [
    {
        "ShardId": f"shardId-{number}",
        "HashKeyRange": {"StartingHashKey": str(number), "EndingHashKey": str(number)},
        **({"ParentShardId": "shardId-9"} if number else {}),
    }
    for number in range(3)
]


def is_mine(worker_id: str) -> bool:
    """Whether it is one of the dead."""
    return worker_id.startswith("w1.")


class Application:
    """Lease tables of one layout and what is in them."""

    def __init__(self, ministack: MiniStack, single_table: bool) -> None:
        self.dynamodb = ministack.client("dynamodb")
        self.name = f"leases{next(_numbers)}"
        self.single_table = single_table
        if single_table:
            create_table(self.dynamodb, self.name, "leaseKey")
        else:
            create_lease_tables(self.dynamodb, self.name)
        self.tables = LeaseTables(self.dynamodb, self.name)

    def put_lease(self, key: str, **texts: str) -> None:
        """A lease row as KCL writes it."""
        item = {"leaseKey": {"S": key}, "leaseCounter": {"N": "5"}, "checkpoint": {"S": "1"}}
        kind = {"entityType": {"S": "LEASE"}} if self.single_table else {}
        self.dynamodb.put_item(
            TableName=self.name, Item=item | kind | {name: {"S": text} for name, text in texts.items()}
        )

    def put_leader(self, owner: str, version: str) -> None:
        """The leader's lock as KCL writes it."""
        item = {"ownerName": {"S": owner}, "recordVersionNumber": {"S": version}, "leaseDuration": {"S": "120000"}}
        if self.single_table:
            key = {"leaseKey": {"S": "Leader"}, "entityType": {"S": "LEADER"}}
            self.dynamodb.put_item(TableName=self.name, Item=item | key)
        else:
            self.dynamodb.put_item(TableName=f"{self.name}-CoordinatorState", Item=item | {"key": {"S": "Leader"}})

    def put_report(self, worker_id: str, micros: str) -> None:
        """A worker's report as KCL writes it."""
        item = {"lut": {"N": micros}}
        if self.single_table:
            key = {"leaseKey": {"S": worker_id}, "entityType": {"S": "WORKER_METRIC_STATS"}}
            self.dynamodb.put_item(TableName=self.name, Item=item | key)
        else:
            self.dynamodb.put_item(TableName=f"{self.name}-WorkerMetricStats", Item=item | {"wid": {"S": worker_id}})

    def rows(self) -> dict[str, dict[str, Any]]:
        """Rows of the lease table by key, without their types."""
        items = self.dynamodb.scan(TableName=self.name, ConsistentRead=True)["Items"]
        plain = ({name: next(iter(value.values())) for name, value in item.items()} for item in items)
        return {row["leaseKey"]: row for row in plain}


@pytest.fixture(params=[False, True], ids=["three tables", "one table"])
def application(request: pytest.FixtureRequest, ministack: MiniStack) -> Application:
    """Lease tables of the test's own."""
    return Application(ministack, request.param)


def test_leases_of_the_dead_go_to_their_successor_and_others_stay(application: Application) -> None:
    application.put_lease("s1", leaseOwner=MINE)
    application.put_lease("s2", leaseOwner="w2.bbbb")
    application.put_lease("s3")
    application.put_leader(MINE, "v1")
    assert application.tables.pass_on(is_mine, "w1.new") == 1
    rows = application.rows()
    assert (rows["s1"]["leaseOwner"], rows["s1"]["leaseCounter"], rows["s1"]["checkpoint"]) == ("w1.new", "6", "1")
    assert (rows["s2"]["leaseOwner"], rows["s2"]["leaseCounter"]) == ("w2.bbbb", "5")
    assert "leaseOwner" not in rows["s3"]


def test_without_a_successor_leases_of_the_dead_belong_to_nobody(application: Application) -> None:
    application.put_lease("s1", leaseOwner=MINE, checkpointOwner="w2.bbbb")
    assert application.tables.pass_on(is_mine, None) == 1
    row = application.rows()["s1"]
    assert {"leaseOwner", "checkpointOwner"} & row.keys() == set()
    assert row["leaseCounter"] == "6"


def test_nobody_waits_for_the_last_checkpoint_of_the_dead(application: Application) -> None:
    application.put_lease("s1", leaseOwner="w2.bbbb", checkpointOwner=MINE)
    assert application.tables.pass_on(is_mine, "w1.new") == 1
    row = application.rows()["s1"]
    assert "checkpointOwner" not in row
    assert (row["leaseOwner"], row["leaseCounter"]) == ("w2.bbbb", "5")


def test_leases_are_read_but_for_those_at_their_end(application: Application) -> None:
    application.put_lease("s1", leaseOwner="w2.bbbb", checkpointOwner=MINE)
    application.put_lease("s2", checkpoint="SHARD_END", leaseOwner=MINE)
    application.put_lease("s3")
    application.put_leader(MINE, "v1")
    assert sorted(application.tables.leases(), key=lambda lease: lease.shard) == [
        Lease("s1", "w2.bbbb", MINE, 5),
        Lease("s3", "", "", 5),
    ]


@pytest.mark.parametrize(
    "owners",
    [{"leaseOwner": "w2.bbbb"}, {"leaseOwner": "w2.bbbb", "checkpointOwner": "w3.cccc"}, {}],
    ids=["owned", "handed over", "nobody's"],
)
def test_a_lease_is_taken_over_as_it_was_read(application: Application, owners: dict[str, str]) -> None:
    application.put_lease("s1", **owners)
    (lease,) = application.tables.leases()
    assert application.tables.take_over(lease, MINE)
    row = application.rows()["s1"]
    assert (row["leaseOwner"], row["leaseCounter"], row["checkpoint"]) == (MINE, "7", "1")
    assert "checkpointOwner" not in row
    assert not application.tables.take_over(lease, "w2.late")
    assert application.rows()["s1"] == row


@pytest.mark.parametrize(
    "change", ["ADD leaseCounter :one", "SET leaseOwner = :other", "SET checkpointOwner = :other", "REMOVE leaseOwner"]
)
def test_a_lease_that_has_changed_is_not_taken_over(application: Application, change: str) -> None:
    application.put_lease("s1", leaseOwner="w2.bbbb")
    (lease,) = application.tables.leases()
    used = {name: value for name, value in ((":one", {"N": "1"}), (":other", {"S": "w4.dddd"})) if name in change}
    application.dynamodb.update_item(
        TableName=application.name,
        Key={"leaseKey": {"S": "s1"}},
        UpdateExpression=change,
        **({"ExpressionAttributeValues": used} if used else {}),
    )
    before = application.rows()
    assert not application.tables.take_over(lease, MINE)
    assert application.rows() == before


def test_a_lock_is_freed_only_as_it_was_read(application: Application) -> None:
    assert application.tables.leader() is None
    application.put_leader(MINE, "v1")
    seen = application.tables.leader()
    assert seen
    assert (seen.owner, seen.version) == (MINE, "v1")
    application.put_leader(MINE, "v2")
    assert not application.tables.free_leader(seen)
    renewed = application.tables.leader()
    assert renewed
    assert application.tables.free_leader(renewed)
    assert application.tables.leader() is None


def test_an_empty_table_is_seeded_once(application: Application) -> None:
    assert application.tables.seed(lambda: SHARDS, "LATEST") == 3
    assert application.tables.seed(lambda: SHARDS, "LATEST") == 0
    row = application.rows()["shardId-1"]
    parents = row.pop("parentShardId")
    assert parents == ["shardId-9"]
    assert row == {
        "leaseKey": "shardId-1",
        "leaseCounter": "0",
        "ownerSwitchesSinceCheckpoint": "0",
        "checkpoint": "LATEST",
        "checkpointSubSequenceNumber": "0",
        "startingHashKey": "1",
        "endingHashKey": "1",
    }
    assert "parentShardId" not in application.rows()["shardId-0"]


def test_a_lock_alone_is_no_lease(application: Application) -> None:
    application.put_leader(MINE, "v1")
    assert application.tables.seed(lambda: SHARDS, "LATEST") == 3


def test_of_two_who_seed_at_once_one_writes_all(application: Application) -> None:
    def meanwhile() -> list[dict[str, Any]]:
        assert LeaseTables(application.dynamodb, application.name).seed(lambda: SHARDS[:1], "LATEST") == 1
        return SHARDS

    assert application.tables.seed(meanwhile, "LATEST") == 0
    assert list(application.rows()) == ["shardId-0"]


def test_without_tables_there_is_nothing_to_seed_or_to_free(ministack: MiniStack) -> None:
    tables = LeaseTables(ministack.client("dynamodb"), "no-such-application")
    assert tables.leader() is None
    assert tables.leases() == []
    assert tables.seed(lambda: SHARDS, "LATEST") == 0


def test_shards_are_listed_over_all_pages() -> None:
    class Kinesis:
        asked: list[dict[str, Any]]

        def __init__(self) -> None:
            self.asked = []

        def list_shards(self, **arguments: Any) -> dict[str, Any]:
            self.asked.append(arguments)
            return {"Shards": SHARDS[:1], "NextToken": "t"} if len(self.asked) == 1 else {"Shards": SHARDS[1:]}

    kinesis = Kinesis()
    assert list_shards(kinesis, "changes", "TRIM_HORIZON") == SHARDS
    assert kinesis.asked == [
        {"StreamName": "changes", "ShardFilter": {"Type": "AT_TRIM_HORIZON"}},
        {"NextToken": "t"},
    ]


def test_a_leader_row_names_its_table_and_key(application: Application) -> None:
    application.put_leader(MINE, "v1")
    expected = (
        Leader(MINE, "v1", application.name, "leaseKey")
        if application.single_table
        else Leader(MINE, "v1", f"{application.name}-CoordinatorState", "key")
    )
    assert application.tables.leader() == expected


def test_the_last_report_of_a_worker_is_found(application: Application) -> None:
    application.put_report("w2.b", "17")
    assert application.tables.last_report("w2.b") == "17"
    assert application.tables.last_report("w3.c") == ""
    assert LeaseTables(application.dynamodb, "no-such-application").last_report("w2.b") == ""
