"""Every state that CloudFormation has leads to the right next action; those MiniStack can be brought into, for real."""

from __future__ import annotations

from typing import Final

import pytest
from botocore import session
from botocore.exceptions import ClientError

from cloudformation.deploy import decide
from cloudformation.deploy.cloud import MARK, Cloud
from cloudformation.deploy.decide import Do
from cloudformation.deploy.errors import DeployError, Failed
from tests.cloudformation.deploy.test_run import STEPS, check_complete, holds, put
from tests.cloudformation.deploy.world import Killed, World, killer, sleep

STATUSES = session.get_session().get_service_model("cloudformation").shape_for("StackStatus").enum


def test_every_state_of_the_api_has_an_action() -> None:
    deploying = {status: decide.to_deploy(status) for status in STATUSES}
    assert {status for status, action in deploying.items() if action is Do.UPDATE} == decide.STABLE
    assert {status for status, action in deploying.items() if action is Do.WAIT} == {
        status for status in STATUSES if status.endswith("_IN_PROGRESS") and status != "REVIEW_IN_PROGRESS"
    }
    assert {status: action for status, action in deploying.items() if action not in (Do.UPDATE, Do.WAIT)} == {
        "DELETE_COMPLETE": Do.CREATE,
        "REVIEW_IN_PROGRESS": Do.CREATE,
        "CREATE_FAILED": Do.CLEAR,
        "ROLLBACK_COMPLETE": Do.CLEAR,
        "ROLLBACK_FAILED": Do.CLEAR,
        "UPDATE_FAILED": Do.ROLL_BACK,
        "UPDATE_ROLLBACK_FAILED": Do.CONTINUE_ROLLBACK,
        "DELETE_FAILED": Do.REFUSE,
        "IMPORT_ROLLBACK_FAILED": Do.REFUSE,
    }
    removing = {status: decide.to_remove(status) for status in STATUSES}
    assert {status for status, action in removing.items() if action is Do.NOTHING} == {"DELETE_COMPLETE"}
    assert removing["REVIEW_IN_PROGRESS"] is Do.DELETE
    assert removing["UPDATE_ROLLBACK_FAILED"] is Do.DELETE


FAILING: Final = (
    "Outputs:",
    """  Fails:
    Type: AWS::SSM::Parameter
    DependsOn: [Note, Rows]
    Properties: {Name: !Sub "/${Project}/peer", Type: String, Value: there is one of this name}
Outputs:""",
)


def test_a_creation_that_failed_after_it_made_a_retained_table_can_be_repeated(world: World) -> None:
    """A table that is retained would be in the way of the next attempt to create it."""
    world.change("20-tables.yaml", *FAILING)
    with pytest.raises(
        Failed, match=r"-test-tables in eu-west-1 is ROLLBACK_COMPLETE: Fails \(AWS::SSM::Parameter\): ."
    ):
        world.deploy()
    stack = world.stacks()["tables in eu-west-1"]
    assert stack is not None
    assert stack.status == "ROLLBACK_COMPLETE"
    assert f"{world.project}-test-rows" not in world.ministack.client("dynamodb").list_tables()["TableNames"]
    world.change("20-tables.yaml", *reversed(FAILING))
    results = {one.step.name: one.result for one in world.deploy()}
    assert results["tables in eu-west-1"] == "created"
    assert any("ROLLBACK_COMPLETE: clear" in line for line in world.told.lines)
    check_complete(world)


@pytest.mark.long
def test_an_update_that_fails_is_rolled_back_and_its_reason_told(world: World) -> None:
    world.deploy()
    put(world)
    world.change("20-tables.yaml", *FAILING)
    with pytest.raises(Failed, match=r"-test-tables in eu-west-1 is UPDATE_ROLLBACK_COMPLETE: Fails"):
        world.deploy()
    assert holds(world)
    world.change("20-tables.yaml", *reversed(FAILING))
    world.deploy()
    check_complete(world)
    assert holds(world)


@pytest.mark.parametrize(("old", "new"), [("TableName: !Sub ${Project}-rows", "TableName: !Sub ${Project}-lines")])
@pytest.mark.long
def test_what_holds_data_is_not_replaced_unless_that_is_allowed(world: World, old: str, new: str) -> None:
    world.deploy()
    put(world)
    world.change("20-tables.yaml", old, new)
    with pytest.raises(DeployError, match=r"tables.Rows .* would be replaced.*--allow-data-loss tables.Rows"):
        world.deploy()
    assert holds(world)
    assert world.left_over() == []
    with pytest.raises(DeployError, match="would be replaced"):
        world.deploy(allowed=["service.Rows", "tables.Note"])
    world.deploy(allowed=["tables.Rows"])
    tables = world.ministack.client("dynamodb").list_tables()["TableNames"]
    assert f"{world.project}-test-lines" in tables


def test_what_holds_data_is_not_taken_out_of_a_template_unless_that_is_allowed(world: World) -> None:
    world.deploy()
    path = world.templates / "20-tables.yaml"
    text = path.read_text()
    rows = text[text.index("  Rows:") : text.index("  Note:")]
    path.write_text(text.replace(rows, "").replace("!Ref Rows", '!Sub "${Project}-rows"'))
    with pytest.raises(DeployError, match=r"tables.Rows .* would be removed, and the old one left behind"):
        world.deploy()


def test_changes_that_the_plan_did_not_show_are_asked_about(world: World) -> None:
    asked: list[str] = []

    def refuse(step: object, found: object) -> bool:
        asked.append(step.name)  # type: ignore[attr-defined]
        return False

    world.deploy()
    world.confirm = refuse
    # the summary takes an output of the service, which changes with it: when the plan is made it is still the old one
    world.change("50-service.yaml", '"${Project}-topic"', '"${Project}-subject"')
    with pytest.raises(DeployError, match="summary in us-east-1: not confirmed"):
        world.deploy()
    assert asked == ["summary in us-east-1"]
    assert world.left_over() == []


def test_the_order_of_regions_cannot_be_turned_round(world: World) -> None:
    def end_there(name: str) -> None:
        if name == f"before change set of {STEPS[4]}":
            raise Killed(name)

    with pytest.raises(Killed):
        world.deploy(end_there)
    world.content["regions"].reverse()
    with pytest.raises(DeployError, match="eu-west-1 has the stacks of which there is one only"):
        world.plan()


@pytest.mark.long
def test_a_stack_under_somebody_elses_change_is_waited_for(world: World) -> None:
    with pytest.raises(Killed):
        world.deploy(killer(3))  # its execution has begun, and goes on alone
    world.deploy()
    check_complete(world)


def test_change_sets_that_runs_have_left_go_and_those_of_others_stay(world: World) -> None:
    """Of a stack that does not change: where a change set is executed, CloudFormation removes the others itself."""
    world.deploy()
    client = world.ministack.client("cloudformation")
    name = f"{world.project}-test-tables"
    for mark in (f"{MARK}20260101t000000-0a1b2c-3", "of-somebody-else"):
        client.create_change_set(
            StackName=name,
            ChangeSetName=mark,
            ChangeSetType="UPDATE",
            TemplateBody=(world.templates / "20-tables.yaml").read_text().replace("peer ${Peer}", "another"),
            Parameters=[{"ParameterKey": "Project", "ParameterValue": f"{world.project}-test"}],
        )
    assert len(world.left_over()) == 1
    assert {one.result for one in world.deploy()} == {"unchanged"}
    assert world.left_over() == []
    left = client.list_change_sets(StackName=name)["Summaries"]
    assert "of-somebody-else" in {one["ChangeSetName"] for one in left}


@pytest.mark.long
def test_an_empty_shell_is_used(world: World) -> None:
    with pytest.raises(Killed):
        world.deploy(killer(1))
    found = world.stacks()[STEPS[0]]
    assert found is not None
    assert found.status == "REVIEW_IN_PROGRESS"
    assert world.plan()[0].action is Do.CREATE
    world.deploy()
    check_complete(world)


def test_what_cloudformation_refuses_is_one_line_with_the_stack(world: World) -> None:
    client = world.ministack.client("cloudformation")
    with pytest.raises(DeployError, match=r"^stack nothing-of-this in eu-west-1: .*does not exist$"):
        Cloud(client, "eu-west-1", sleep).protect("nothing-of-this", on=True)
    with pytest.raises(ClientError):
        client.update_termination_protection(StackName="nothing-of-this", EnableTerminationProtection=True)
