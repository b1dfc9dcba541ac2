"""States that MiniStack does not come into by itself: the answers are those of the API, checked by botocore."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import boto3
import pytest
import yaml
from botocore.stub import ANY, Stubber

from cloudformation.deploy.cloud import Cloud
from cloudformation.deploy.errors import Failed
from cloudformation.deploy.finishing import Finishing
from cloudformation.deploy.run import Deployment
from tests.cloudformation.deploy.world import World, sleep

STACK: Final = "arn:aws:cloudformation:eu-west-1:123456789012:stack/nv-test-tables/1"
NOW: Final = datetime(2026, 1, 1, tzinfo=UTC)


def client(service: str) -> Any:
    return boto3.client(service, region_name="eu-west-1", aws_access_key_id="test", aws_secret_access_key="test")


def described(status: str) -> dict[str, Any]:
    return {"Stacks": [{"StackId": STACK, "StackName": "nv-test-tables", "CreationTime": NOW, "StackStatus": status}]}


def events(*found: dict[str, Any]) -> dict[str, Any]:
    common = {"StackId": STACK, "StackName": "nv-test-tables", "Timestamp": NOW, "ResourceType": "AWS::X::Y"}
    return {"StackEvents": [{"EventId": str(n), **common, **one} for n, one in enumerate(reversed(found))]}


class Scene:
    """Answers of CloudFormation in the order in which they are asked for."""

    def __init__(self, world: World) -> None:
        self.api = client("cloudformation")
        self.stub = Stubber(self.api)
        site = world.site()
        site.make_cloud = lambda _client, region: Cloud(self.api, region, sleep)
        self.step = site.steps[3]
        self.deployment = Deployment(site, Finishing(site, sleep), world.confirm)

    def answers(self, *given: tuple[str, dict[str, Any]]) -> None:
        for name, answer in given:
            self.stub.add_response(name, answer)

    def repaired(self, status: str) -> object:
        with self.stub:
            self.answers_first(status)
            site = self.deployment.site
            found = self.deployment._repaired(self.step, site.look(self.step))
            self.stub.assert_no_pending_responses()
            return found

    def answers_first(self, status: str) -> None:
        self.stub._queue.appendleft(self._queued(status))

    def _queued(self, status: str) -> Any:
        other = Stubber(self.api)
        other.add_response("describe_stacks", described(status))
        return other._queue[0]


def token(world: World, scene: Scene, n: int = 1) -> str:
    return f"{scene.deployment.site.journal.run}-{n}"


def test_a_rollback_that_failed_is_continued_and_the_stack_is_updated_then(world: World) -> None:
    scene = Scene(world)
    mark = token(world, scene)
    scene.answers(
        ("describe_stack_events", events()),
        ("continue_update_rollback", {}),
        ("describe_stacks", described("UPDATE_ROLLBACK_IN_PROGRESS")),
        ("describe_stack_events", events({"ResourceStatus": "UPDATE_IN_PROGRESS", "ClientRequestToken": mark})),
        ("describe_stacks", described("UPDATE_ROLLBACK_COMPLETE")),
        ("describe_stack_events", events({"ResourceStatus": "UPDATE_COMPLETE", "ClientRequestToken": mark})),
        ("describe_stacks", described("UPDATE_ROLLBACK_COMPLETE")),
    )
    found = scene.repaired("UPDATE_ROLLBACK_FAILED")
    assert getattr(found, "status", "") == "UPDATE_ROLLBACK_COMPLETE"


def test_a_rollback_that_fails_again_says_what_somebody_has_to_do(world: World) -> None:
    scene = Scene(world)
    mark = token(world, scene)
    stuck = {
        "LogicalResourceId": "Rows",
        "ResourceStatus": "UPDATE_FAILED",
        "ResourceStatusReason": "its key is gone",
        "ClientRequestToken": mark,
    }
    scene.answers(
        ("describe_stack_events", events()),
        ("continue_update_rollback", {}),
        ("describe_stacks", described("UPDATE_ROLLBACK_FAILED")),
        ("describe_stack_events", events(stuck)),
        ("describe_stack_events", events(stuck)),
    )
    with pytest.raises(Failed, match=r"its key is gone: repair .* --resources-to-skip"):
        scene.repaired("UPDATE_ROLLBACK_FAILED")


def test_an_update_that_was_left_as_it_failed_is_rolled_back(world: World) -> None:
    scene = Scene(world)
    mark = token(world, scene)
    scene.answers(
        ("describe_stack_events", events()),
        ("rollback_stack", {}),
        # still as before: the request was taken, but nothing has begun
        ("describe_stacks", described("UPDATE_FAILED")),
        ("describe_stack_events", events()),
        ("describe_stacks", described("UPDATE_ROLLBACK_COMPLETE")),
        ("describe_stack_events", events({"ResourceStatus": "UPDATE_COMPLETE", "ClientRequestToken": mark})),
        ("describe_stacks", described("UPDATE_ROLLBACK_COMPLETE")),
    )
    found = scene.repaired("UPDATE_FAILED")
    assert getattr(found, "status", "") == "UPDATE_ROLLBACK_COMPLETE"


def test_half_a_removal_is_not_deployed_over(world: World) -> None:
    scene = Scene(world)
    scene.answers(("describe_stack_events", events()))
    with pytest.raises(Failed, match="stays DELETE_FAILED"):
        scene.repaired("DELETE_FAILED")


def test_every_page_of_a_change_set_is_read() -> None:
    api = client("cloudformation")
    change = {"Type": "Resource", "ResourceChange": {"Action": "Modify", "LogicalResourceId": "A", "ResourceType": "T"}}
    last = {
        "Type": "Resource",
        "ResourceChange": {
            "Action": "Remove",
            "LogicalResourceId": "Rows",
            "ResourceType": "AWS::DynamoDB::Table",
            "PolicyAction": "Delete",
        },
    }
    with Stubber(api) as stub:
        stub.add_response("describe_stacks", described("CREATE_COMPLETE"))
        stub.add_response("create_change_set", {"Id": "c", "StackId": STACK})
        stub.add_response("describe_change_set", {"Status": "CREATE_PENDING"})
        stub.add_response("describe_change_set", {"Status": "CREATE_IN_PROGRESS"})
        page = {"Status": "CREATE_COMPLETE", "Changes": [change], "NextToken": "more"}
        stub.add_response("describe_change_set", page)
        expected = {"ChangeSetName": "c", "StackName": STACK, "NextToken": "more"}
        stub.add_response("describe_change_set", {"Status": "CREATE_COMPLETE", "Changes": [last]}, expected)
        found = Cloud(api, "eu-west-1", sleep).propose("nv-test-tables", {"TemplateBody": "x"}, {}, {}, "m")
    assert [one.resource for one in found.changes] == ["A", "Rows"]
    assert [one.loses_data for one in found.changes] == [False, True]


ATTACHMENT: Final = "tgw-attach-0123456789abcdef0"


def peering(state: str) -> dict[str, Any]:
    return {"TransitGatewayPeeringAttachments": [{"TransitGatewayAttachmentId": ATTACHMENT, "State": state}]}


def accepted(world: World, *states: str) -> list[str]:
    site = world.site()
    step = type(site.steps[0])(site.steps[0].layer, "us-west-2", "eu-west-1")
    site.outputs[step.place] = {"AttachmentId": ATTACHMENT}
    api = client("ec2")
    with Stubber(api) as stub:
        for state in states:
            if state == "NotFound":
                stub.add_client_error(
                    "describe_transit_gateway_peering_attachments", "InvalidTransitGatewayAttachmentID.NotFound"
                )
                continue
            stub.add_response("describe_transit_gateway_peering_attachments", peering(state))
            if state == "pendingAcceptance":
                stub.add_response(
                    "accept_transit_gateway_peering_attachment", {}, {"TransitGatewayAttachmentId": ATTACHMENT}
                )
        site.clients = type("Clients", (), {"client": staticmethod(lambda service, region: api)})()
        lines = list(Finishing(site, sleep)._accept(step))
        stub.assert_no_pending_responses()
    return lines


def test_a_peering_is_accepted_on_the_other_side_once_it_is_seen_there(world: World) -> None:
    lines = accepted(world, "NotFound", "initiatingRequest", "pendingAcceptance", "pending", "available")
    assert lines == [f"peering {ATTACHMENT} accepted in eu-west-1"]


def test_a_peering_that_is_there_is_left_alone(world: World) -> None:
    assert accepted(world, "available") == []


@pytest.mark.parametrize("state", ["failed", "rejected", "deleted"])
def test_a_peering_that_cannot_come_up_is_told(world: World, state: str) -> None:
    with pytest.raises(Failed, match=f"is {state}"):
        accepted(world, state)


@pytest.mark.parametrize("already", [True, False])
def test_large_integers_are_set_once(world: World, already: bool) -> None:
    site = world.site()
    step = site.steps[0]
    arn = "arn:aws:dms:eu-west-1:123456789012:endpoint:ABCDEF"
    site.outputs[step.place] = {
        "EnableLargeIntegers": f"aws dms modify-endpoint --endpoint-arn {arn} --kinesis-settings x"
    }
    api = client("dms")
    with Stubber(api) as stub:
        endpoint = {"EndpointArn": arn, "KinesisSettings": {"UseLargeIntegerValue": already}}
        stub.add_response("describe_endpoints", {"Endpoints": [endpoint]}, {"Filters": ANY})
        if not already:
            stub.add_response(
                "modify_endpoint", {}, {"EndpointArn": arn, "KinesisSettings": {"UseLargeIntegerValue": True}}
            )
        site.clients = type("Clients", (), {"client": staticmethod(lambda service, region: api)})()
        lines = list(Finishing(site, sleep)._large_integers(step))
        stub.assert_no_pending_responses()
    assert bool(lines) is not already


def test_the_route_table_of_a_gateway_is_looked_up_once_and_only_where_it_is_wanted(world: World) -> None:
    path = world.templates / "layers.yaml"
    content = yaml.safe_load(path.read_text())
    (world.templates / "16-routes.yaml").write_text(
        "Parameters:\n  Table: {Type: String}\nResources: {}\nOutputs:\n  TransitGatewayId: {Value: x}\n"
    )
    source = {"fact": "transit_gateway_route_table"}
    entry = {"name": "routes", "file": "16-routes.yaml", "where": "primary", "parameters": {"Table": source}}
    path.write_text(yaml.safe_dump({"layers": [*content["layers"], entry]}))
    site = world.site()  # its own output stands for the gateway's: the table is promised
    routes = next(step for step in site.steps if step.layer.name == "routes")
    assert site.parameters(routes) == {}
    site.outputs["network", "eu-west-1", ""] = {"TransitGatewayId": "tgw-1"}
    api = client("ec2")
    with Stubber(api) as stub:
        answer = {"TransitGateways": [{"Options": {"AssociationDefaultRouteTableId": "tgw-rtb-1"}}]}
        stub.add_response("describe_transit_gateways", answer, {"TransitGatewayIds": ["tgw-1"]})
        site.clients = type("Clients", (), {"client": staticmethod(lambda service, region: api)})()
        assert site.parameters(site.steps[0]) == {"Project": site.environment.prefix}
        assert [site.parameters(routes) for _ in range(2)] == [{"Table": "tgw-rtb-1"}] * 2
        stub.assert_no_pending_responses()
