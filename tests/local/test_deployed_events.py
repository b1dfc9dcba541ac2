"""Events through what the templates deploy, in two regions: gateway, bus, functions, replicas, dead letters."""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final

import pytest

from api_lambdas.events.content import content, detail
from contract.values import from_item
from local import deploy
from local import ministack as stand_in
from local.api_package import packed
from local.deploy import Api
from local.ministack import MiniStack
from local.processes import Processes, wait_until
from local.regions import LAG_MILLIS, REPLICATION
from local.replication import Settings
from tests.api_lambdas.examples import DEMO, examples

OTHER: Final = "us-east-1"
BODY: Final = {"order_id": 7, "place": "é", "scanned_at": "2026-03-01T08:00:00Z", "weight_kg": 12.50}
WAIT_SECONDS: Final = 60
Regions = tuple[MiniStack, MiniStack]


@dataclass(frozen=True, slots=True)
class Deployed:
    """Both regions' APIs, one table."""

    project: str
    regions: Regions
    apis: tuple[Api, Api]

    def post(self, region: int, id_: str, body: Any = BODY) -> tuple[int, str]:
        """Status, and the region that answered."""
        request = urllib.request.Request(  # noqa: S310  our own URL
            f"{self.apis[region].direct_url}/events/parcel-scanned",
            json.dumps(body).encode(),
            {"Content-Type": "application/json", "Event-Id": id_},
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=30) as answer:
                return answer.status, answer.headers["x-region"]
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers["x-region"]

    def stored(self, region: int, id_: str) -> list[dict[str, Any]]:
        """What the region's replica has of an event, the effect first."""
        found = (
            self.regions[region]
            .client("dynamodb")
            .query(
                TableName=f"{self.project}-events",
                KeyConditionExpression="pk = :id",
                ExpressionAttributeValues={":id": {"S": id_}},
                ConsistentRead=True,
            )
        )
        return [from_item(item) for item in found["Items"]]

    def wait_for(self, region: int, id_: str, items: int) -> list[dict[str, Any]]:
        """So many items of an event."""
        wait_until(lambda: len(self.stored(region, id_)) >= items, WAIT_SECONDS, "the event in the table")
        return self.stored(region, id_)


@pytest.fixture(scope="module")
def deployed(ministack: MiniStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """A process plays each region, a third one the replication of the global table."""
    project = f"e{uuid.uuid4().hex[:10]}"
    folder = tmp_path_factory.mktemp("regions")
    processes = Processes(folder)
    regions = (ministack, stand_in.start(processes, region=OTHER))
    try:
        tables = {deploy.deploy_storage(one, lambda _: None, project).events_table for one in regions}
        links = {one.region: one.url for one in regions}
        settings = Settings(links, tuple(tables), LAG_MILLIS, str(folder / "status.json"))
        (folder / "replication.json").write_text(json.dumps(asdict(settings)), "utf-8")
        processes.start(REPLICATION, [sys.executable, "-m", "local.replication", str(folder / "replication.json")])
        code = packed(examples(DEMO)[0], DEMO)
        first, second = (deploy.deploy_api(one, lambda _: None, code, "http://127.0.0.1:1", project) for one in regions)
        yield Deployed(project, regions, (first, second))
    finally:
        processes.stop(REPLICATION, grace_seconds=5)
        stand_in.stop(processes)


def test_each_region_takes_an_event_onto_its_own_bus_and_the_other_has_it(deployed: Deployed) -> None:
    """The answer names the region; numbers keep their value."""
    for here, there in ((0, 1), (1, 0)):
        id_ = str(uuid.uuid4())
        assert deployed.post(here, id_) == (202, deployed.regions[here].region)
        effect, receipt = deployed.wait_for(there, id_, 2)
        assert (effect["sk"], json.loads(effect["body"])) == ("#", BODY)
        assert (receipt["region"], receipt["outcome"]) == (deployed.regions[here].region, "stored")
        assert deployed.post(there, id_) == (200, deployed.regions[there].region)
        assert deployed.post(there, id_, {**BODY, "place": "x"}) == (422, deployed.regions[there].region)


def test_the_same_event_in_both_regions_at_once_has_one_effect(deployed: Deployed) -> None:
    id_ = str(uuid.uuid4())
    for region in (0, 1, 0, 1):
        assert deployed.post(region, id_)[0] in (200, 202)

    deployed.wait_for(0, id_, 2)
    found = [deployed.stored(region, id_) for region in (0, 1)]

    assert found[0][0] == found[1][0]
    assert [item["sk"] for item in found[0]].count("#") == 1
    assert {item["outcome"] for item in found[0][1:]} == {"stored"}


@pytest.mark.long
def test_what_cannot_be_stored_waits_in_the_queue_and_is_redriven(deployed: Deployed) -> None:
    """Lambda's own retries and its own letter, and one as EventBridge writes it; then the mapping is enabled."""
    region = deployed.regions[1]
    functions, queues = region.client("lambda"), region.client("sqs")
    function = f"{deployed.project}-store-event"
    url = queues.get_queue_url(QueueName=f"{deployed.project}-events-dead-letters")["QueueUrl"]
    right = {"EVENTS_TABLE": f"{deployed.project}-events", "LOG_LEVEL": "info"}
    functions.update_function_configuration(
        FunctionName=function, Environment={"Variables": {**right, "EVENTS_TABLE": "no-such-table"}}
    )
    ids = [str(uuid.uuid4()) for _ in range(2)]
    letters = [envelope(id_) for id_ in ids]
    functions.invoke(FunctionName=function, InvocationType="Event", Payload=json.dumps(letters[0]))

    def waiting() -> int:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = queues.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        return sum(int(found[name]) for name in names)

    wait_until(lambda: waiting() == 1, WAIT_SECONDS, "the dead letter")
    queues.send_message(QueueUrl=url, MessageBody=json.dumps(letters[1]))
    assert all(deployed.stored(1, id_) == [] for id_ in ids)
    functions.update_function_configuration(FunctionName=function, Environment={"Variables": right})
    (mapping,) = functions.list_event_source_mappings(FunctionName=function)["EventSourceMappings"]
    assert waiting() == 2, "the mapping must not read the queue before somebody enables it"

    functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)

    for id_ in ids:
        assert deployed.wait_for(0, id_, 2)[0]["sk"] == "#"
    wait_until(lambda: waiting() == 0, WAIT_SECONDS, "an empty queue")
    functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)


def envelope(id_: str) -> dict[str, Any]:
    """An event as EventBridge hands it over."""
    event = json.loads(detail(content(id_, "parcel-scanned", {"order_id": 1})))
    return {"version": "0", "source": "nearview", "detail-type": "parcel-scanned", "detail": event}
