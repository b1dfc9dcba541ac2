"""Stacks come up in order, a second run changes nothing, and a run that was killed anywhere is brought to its end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import Final

import pytest

from cloudformation.deploy.artefacts import code_key
from cloudformation.deploy.errors import DeployError, Failed
from local.processes import REPOSITORY
from tests.cloudformation.deploy.world import REGIONS, Killed, World, killer

STEPS: Final = [
    *("artifacts in eu-west-1", "artifacts in us-west-2", "artifacts in us-east-1", "tables in eu-west-1"),
    *("service in us-west-2", "service in eu-west-1", "summary in us-east-1"),
]
EFFECTS: Final = 49  # of one deployment of all that, each with what is on either side of it


def outputs(world: World) -> dict[str, dict[str, str]]:
    """Of every stack, without what is the world's own."""
    return {
        name: {key: value.replace(world.project, "P") for key, value in stack.outputs.items()} if stack else {}
        for name, stack in world.stacks().items()
    }


def put(world: World) -> None:
    client = world.ministack.client("dynamodb")
    client.put_item(TableName=f"{world.project}-test-rows", Item={"pk": {"S": "kept"}})


def holds(world: World) -> bool:
    client = world.ministack.client("dynamodb")
    return "Item" in client.get_item(TableName=f"{world.project}-test-rows", Key={"pk": {"S": "kept"}})


def check_complete(world: World) -> None:
    """All is there, what holds data is protected, the code is in every region, nothing lies about."""
    stacks = world.stacks()
    assert {
        name: stack.status.endswith("_COMPLETE") if stack else None for name, stack in stacks.items()
    } == dict.fromkeys(STEPS, True)
    assert {name for name, stack in stacks.items() if stack and stack.protected} == set(STEPS[:4])
    for region in (*REGIONS, "us-east-1"):
        s3 = world.ministack.client("s3", region)
        body = s3.get_object(Bucket=f"{world.project}-test-code-{region}", Key=code_key(b"PK-code"))["Body"]
        assert body.read() == b"PK-code"
    assert world.left_over() == []


def test_stacks_come_up_in_order_and_get_the_outputs_of_those_before_them(world: World) -> None:
    effects: list[str] = []
    done = world.deploy(effects.append)
    assert [(one.step.name, one.result) for one in done] == [(name, "created") for name in STEPS]
    check_complete(world)
    assert len(effects) == len(set(effects)) == EFFECTS  # as many places to be killed at as are tried
    wired = outputs(world)
    assert wired["service in us-west-2"]["Wired"] == "P-test-code-us-west-2 P-test-rows 1"
    assert wired["service in eu-west-1"]["Wired"] == "P-test-code-eu-west-1 P-test-rows 1"
    assert "sns:eu-west-1:" in wired["summary in us-east-1"]["Summary"].split()[0]
    assert "sns:us-west-2:" in wired["summary in us-east-1"]["Summary"].split()[1]


@pytest.mark.long
def test_a_second_run_changes_nothing(world: World) -> None:
    world.deploy()
    put(world)
    assert all(one.unchanged for one in world.plan())
    world.told.events.clear()
    assert {one.result for one in world.deploy()} == {"unchanged"}
    assert world.told.events == []
    assert holds(world)
    check_complete(world)


@pytest.mark.long
def test_a_plan_changes_nothing_and_names_every_change(world: World) -> None:
    assert [one.action for one in world.plan()] == ["create"] * len(STEPS)
    assert not any(world.stacks().values())
    world.deploy()
    before = outputs(world)
    world.content["parameters"] = {"service": {"Size": {"us-west-2": 5}}}
    found = {one.step.name: one for one in world.plan()}
    assert [name for name, one in found.items() if not one.unchanged] == ["service in us-west-2"]
    (change,) = found["service in us-west-2"].changes
    assert (change.action, change.resource, change.replacement, change.what) == (
        "Modify",
        "Wiring",
        "False",
        ("Value",),
    )
    assert outputs(world) == before
    assert world.left_over() == []


def run_killed_and_again(world: World, at: int) -> bool:
    """Whether the run was killed; either way all is complete afterwards, and once more changes nothing."""
    try:
        world.deploy(killer(at))
        killed = False
    except Killed:
        killed = True
    world.deploy()
    check_complete(world)
    assert {one.result for one in world.deploy()} == {"unchanged"}
    return killed


@pytest.mark.parametrize("at", [pytest.param(n, marks=[] if n == 27 else [pytest.mark.long]) for n in range(EFFECTS)])
def test_a_run_killed_between_any_two_steps_is_brought_to_its_end(world: World, at: int) -> None:
    assert run_killed_and_again(world, at)


@pytest.mark.long
@pytest.mark.parametrize("at", [1, 2, 3, 5, 8])
def test_an_update_killed_between_any_two_steps_keeps_what_is_stored(world: World, at: int) -> None:
    world.deploy()
    put(world)
    world.content["parameters"] = {"service": {"Size": 3}, "tables": {"Peer": "elsewhere"}}
    with pytest.raises(Killed):
        world.deploy(killer(at))
    world.deploy()
    check_complete(world)
    assert holds(world)
    assert outputs(world)["service in eu-west-1"]["Wired"].endswith(" 3")


@pytest.mark.long
def test_a_process_that_is_killed_leaves_nothing_that_stops_the_next(world: World) -> None:
    """The same with a real process and SIGKILL, in the middle of a stack's creation."""
    world.write()
    program = f"""
import os, signal
from cloudformation.deploy import compose, cli
def hook(name):
    if name == "after execution of tables in eu-west-1":
        os.kill(os.getpid(), signal.SIGKILL)
site = compose.site
compose.site = lambda *given, **named: site(*given, **named, hook=hook)
cli.deploy(["{world.file}", "--templates", "{world.templates}", "--journal", "{world.folder}/j", "--yes", "--no-lint"])
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **world.ministack.environment(), "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
        cwd=world.folder,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    world.deploy()
    check_complete(world)


TAKEN: Final = (
    "Outputs:",
    """  Taken:
    Type: AWS::SSM::Parameter
    DependsOn: [Topic, Wiring]
    Properties: {Name: !Sub "/${Project}/wiring", Type: String, Value: there is one of this name}
Outputs:""",
)


def test_a_failure_half_way_names_the_first_resource_and_its_reason_and_the_next_run_goes_on(world: World) -> None:
    world.change("50-service.yaml", *TAKEN)  # nothing but its creation can find that out
    reason = r"-test-service in us-west-2 is ROLLBACK_COMPLETE: Taken \(AWS::SSM::Parameter\): .*already exists"
    with pytest.raises(Failed, match=reason):
        world.deploy()
    stacks = world.stacks()
    assert [name for name, stack in stacks.items() if stack] == STEPS[:5]
    assert {stack.status for name, stack in stacks.items() if stack and name in STEPS[:4]} == {"CREATE_COMPLETE"}
    world.change("50-service.yaml", *reversed(TAKEN))
    assert {one.step.name: one.result for one in world.deploy()} == {
        **dict.fromkeys(STEPS[:4], "unchanged"),
        **dict.fromkeys(STEPS[4:], "created"),
    }
    check_complete(world)


def test_a_template_that_cloudformation_refuses_stops_the_plan_before_anything_is_touched(world: World) -> None:
    world.change("50-service.yaml", "Type: AWS::SNS::Topic", "Type: AWS::Nowhere::Thing")
    with pytest.raises(DeployError, match=r"^template .*-test-service in us-west-2: .*AWS::Nowhere::Thing"):
        world.deploy()
    assert not any(world.stacks().values())
