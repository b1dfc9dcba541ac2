"""A removal goes backwards and leaves what holds data, until it is told otherwise; it, too, may be killed anywhere."""

from __future__ import annotations

from typing import Final

import pytest
from botocore.exceptions import ClientError

from cloudformation.deploy import remove
from cloudformation.deploy.errors import DeployError
from tests.cloudformation.deploy.test_run import STEPS, check_complete, holds, put
from tests.cloudformation.deploy.world import REGIONS, Killed, World, killer

KEPT: Final = STEPS[:4]


def stack_names(world: World) -> list[str]:
    return [name for name, stack in world.stacks().items() if stack and stack.status != "DELETE_COMPLETE"]


def tables(world: World) -> list[str]:
    listed = world.ministack.client("dynamodb").list_tables()["TableNames"]
    return [name for name in listed if name.startswith(world.project)]


def buckets(world: World) -> list[str]:
    return [b["Name"] for b in world.ministack.client("s3").list_buckets()["Buckets"] if world.project in b["Name"]]


def test_a_removal_goes_backwards_and_keeps_what_holds_data_with_its_stack(world: World) -> None:
    world.deploy()
    put(world)
    done = world.remove()
    assert [(one.step.name, one.result) for one in done] == [
        *((name, "removed") for name in reversed(STEPS[4:])),
        *((name, "kept") for name in reversed(KEPT)),
    ]
    assert stack_names(world) == KEPT
    assert holds(world)
    assert {one.result for one in world.remove()} == {"gone", "kept"}


@pytest.mark.long
def test_what_was_kept_is_used_again_by_the_next_deployment(world: World) -> None:
    world.deploy()
    put(world)
    world.remove()
    results = {one.step.name: one.result for one in world.deploy()}
    assert results == {**dict.fromkeys(KEPT, "unchanged"), **dict.fromkeys(STEPS[4:], "created")}
    assert holds(world)
    check_complete(world)


@pytest.mark.long
def test_with_the_data_nothing_is_left(world: World) -> None:
    world.deploy()
    put(world)
    s3 = world.ministack.client("s3", REGIONS[1])
    s3.put_bucket_versioning(
        Bucket=f"{world.project}-test-code-{REGIONS[1]}", VersioningConfiguration={"Status": "Enabled"}
    )
    for body in (b"1", b"2"):
        s3.put_object(Bucket=f"{world.project}-test-code-{REGIONS[1]}", Key="versions", Body=body)
    done = world.remove(delete_data=True)
    assert {one.result for one in done} == {"removed"}
    assert "Rows (AWS::DynamoDB::Table)" in {name for one in done for name in one.data}
    assert stack_names(world) == []
    assert tables(world) == []
    assert buckets(world) == []
    with pytest.raises(ClientError):
        holds(world)


@pytest.mark.long
def test_the_stacks_with_data_refuse_to_be_deleted_by_hand(world: World) -> None:
    world.deploy()
    client = world.ministack.client("cloudformation")
    with pytest.raises(ClientError, match="TerminationProtection"):
        client.delete_stack(StackName=f"{world.project}-test-tables")
    client.delete_stack(StackName=f"{world.project}-test-service")


@pytest.mark.long
@pytest.mark.parametrize("at", [0, 3, 5, 8, 11, 13, 16, 19, 22, 25])
def test_a_removal_with_its_data_killed_anywhere_is_brought_to_its_end(world: World, at: int) -> None:
    world.deploy()
    with pytest.raises(Killed):
        world.remove(killer(at), delete_data=True)
    world.remove(delete_data=True)
    assert (stack_names(world), tables(world), buckets(world)) == ([], [], [])


@pytest.mark.long
def test_a_removal_killed_in_between_has_touched_no_data(world: World) -> None:
    world.deploy()
    put(world)
    with pytest.raises(Killed):
        world.remove(killer(4))
    assert holds(world)
    assert set(KEPT) <= set(stack_names(world))
    world.deploy()
    check_complete(world)


@pytest.mark.long
def test_a_plan_of_a_removal_changes_nothing(world: World) -> None:
    world.deploy()
    found = remove.plan(world.site(), delete_data=True)
    assert {one.result for one in found} == {"removed"}
    check_complete(world)


def test_a_layer_does_not_go_while_another_needs_it(world: World) -> None:
    world.deploy()
    with pytest.raises(DeployError, match=r"summary in us-east-1 needs service: remove it first"):
        remove.plan(world.site(only=["service"]), delete_data=False)
    found = remove.plan(world.site(only=["service", "summary"]), delete_data=False)
    assert [(one.step.layer.name, one.result) for one in found] == [
        *(("summary", "removed"), ("service", "removed"), ("service", "removed")),
    ]
