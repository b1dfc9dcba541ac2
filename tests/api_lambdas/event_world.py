"""Two regions with a bus, a queue of dead letters and a replica of the table each, whose every step may fail.

The functions are the real ones; played is what AWS decides: conditions by each region alone, replicas that take the
later of two writes, lost replies, entries that a bus refuses, messages that come twice, deaths at any write.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from api_lambdas.access.rules import PUBLIC, Access, Gate, Rule
from api_lambdas.events.bus import EventBus
from api_lambdas.events.declared import DeclaredEvent
from api_lambdas.events.records import EventRecords
from api_lambdas.ingest import IngestApi
from api_lambdas.ingest_event import NotStored, Storing
from api_lambdas.shared.dynamodb import ConditionFailed, DynamoDB, StoreError
from api_lambdas.shared.http import Problem, Request
from api_lambdas.shared.log import Log
from api_lambdas.shared.settings import Access as ServiceAccess
from api_lambdas.shared.sigv4 import Credentials
from contract.values import from_item

REGIONS: Final = ("eu-west-1", "us-east-1")
KIND: Final = DeclaredEvent("seen", json.dumps({"type": "object"}))
NOWHERE: Final = ServiceAccess("eu-west-1", "http://127.0.0.1:1", Credentials("id", "secret"))
MOST_DELIVERIES: Final = 3
Key = tuple[str, str]


@dataclass
class World:
    """The state of both regions; `calm` ends all faults."""

    random: Random
    calm: bool = False
    stamp: int = 0
    tables: dict[str, dict[Key, tuple[Any, int]]] = field(default_factory=lambda: {region: {} for region in REGIONS})
    images: dict[str, dict[str, list[Any]]] = field(default_factory=lambda: {region: {} for region in REGIONS})
    replicating: list[tuple[str, Key, Any, int]] = field(default_factory=list)
    on_bus: list[tuple[str, dict[str, Any], int]] = field(default_factory=list)
    dead: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    delivered: Counter[str] = field(default_factory=Counter)

    def fails(self) -> bool:
        return not self.calm and self.random.random() < 0.2

    def write(self, region: str, key: Key, item: Any, stamp: int) -> None:
        self.tables[region][key] = (item, stamp)
        if key[1] == "#":
            self.images[region].setdefault(key[0], []).append(item)

    def replicate(self) -> None:
        """One write reaches the other region, in any order; the later one stays."""
        region, key, item, stamp = self.replicating.pop(self.random.randrange(len(self.replicating)))
        if stamp > self.tables[region].get(key, (None, -1))[1]:
            self.write(region, key, item, stamp)

    def deliver(self) -> None:
        """One message of a bus comes to its function; perhaps again, and after some failures to the dead letters."""
        region, message, failed = self.on_bus.pop(self.random.randrange(len(self.on_bus)))
        self.delivered[region] += 1
        if self.fails():
            self.on_bus.append((region, message, failed))
        try:
            self.storing(region).one(message)
        except NotStored:
            if failed + 1 < MOST_DELIVERIES:
                self.on_bus.append((region, message, failed + 1))
            else:
                self.dead.append((region, message))

    def redrive(self) -> None:
        """A batch of each region's dead letters; what the function names stays."""
        for region in REGIONS:
            mine = [message for where, message in self.dead if where == region]
            letters = [self.letter(number, message) for number, message in enumerate(mine)]
            failures = self.storing(region).batch(letters)["batchItemFailures"]
            left = {int(failure["itemIdentifier"]) for failure in failures}
            others = [(where, message) for where, message in self.dead if where != region]
            self.dead = others + [(region, message) for number, message in enumerate(mine) if number in left]

    def letter(self, number: int, message: Mapping[str, Any]) -> Mapping[str, Any]:
        """As EventBridge or as Lambda puts it into the queue."""
        body = message if self.random.random() < 0.5 else {"requestPayload": message, "requestContext": {}}
        return {"messageId": str(number), "body": json.dumps(body)}

    def storing(self, region: str) -> Storing:
        return Storing(EventRecords(Table(self, region), "events", region), region, Log("error"))

    def post(self, region: str, id_: str, body: bytes) -> int:
        """The status that a caller gets."""
        records = EventRecords(Table(self, region), "events", region)
        gate = Gate(Access(Rule(PUBLIC), {}), lambda: (_ for _ in ()).throw(AssertionError))
        api = IngestApi({KIND.name: KIND}, records, Bus(self, region), Log("error"), gate)
        headers = {"event-id": id_, "content-type": "application/json"}
        try:
            return api.answer(Request("POST", f"/events/{KIND.name}", (), headers, body)).status
        except Problem as problem:
            return problem.kind.status
        except StoreError:  # as the frame around the functions answers it
            return 503

    def effects(self, region: str) -> dict[str, Any]:
        return {pk: item for (pk, sk), (item, _) in self.tables[region].items() if sk == "#"}

    def receipts(self, id_: str) -> Iterator[dict[str, Any]]:
        for (pk, sk), (item, _) in self.tables[REGIONS[0]].items():
            if pk == id_ and sk != "#":
                yield item


class Table(DynamoDB):
    """A region's replica: reads and conditions see what is there; any request may fail before or after its effect."""

    def __init__(self, world: World, region: str) -> None:
        super().__init__(NOWHERE)
        self._world = world
        self._region = region

    def call(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        world, region = self._world, self._region
        if world.fails():
            raise StoreError(operation, "TimeoutError", retryable=True)
        items = world.tables[region]
        if operation == "GetItem":
            key = (request["Key"]["pk"]["S"], request["Key"]["sk"]["S"])
            return {"Item": {"sha256": {"S": items[key][0]["sha256"]}}} if key in items else {}
        item = from_item(request["Item"])
        key = (item["pk"], item["sk"])
        for _ in range(2 if world.fails() else 1):  # the client sends it again when a reply is lost
            if key in items and "ConditionExpression" in request:
                raise ConditionFailed(_attributes(items[key][0]))
            world.stamp += 1
            world.write(region, key, item, world.stamp)
            world.replicating += [(other, key, item, world.stamp) for other in REGIONS if other != region]
        if world.fails():
            raise StoreError(operation, "TimeoutError", retryable=True)
        return {}


def _attributes(item: dict[str, Any]) -> dict[str, Any]:
    return {name: {"S": value} for name, value in item.items()}


class Bus(EventBus):
    """A region's bus: it may refuse an entry, lose its reply, or answer nothing."""

    def __init__(self, world: World, region: str) -> None:
        super().__init__(NOWHERE, "events")
        self._world = world
        self._region = region

    def ask(self, operation: str, body: bytes) -> tuple[int, dict[str, Any]]:
        world = self._world
        if world.fails():
            raise TimeoutError
        if world.fails():
            code = world.random.choice(["ThrottlingException", "InternalFailure"])
            return 200, {"FailedEntryCount": 1, "Entries": [{"ErrorCode": code, "ErrorMessage": "-"}]}
        (entry,) = json.loads(body)["Entries"]
        message = {"source": entry["Source"], "detail-type": entry["DetailType"], "region": self._region}
        world.on_bus.append((self._region, {**message, "detail": json.loads(entry["Detail"])}, 0))
        if world.fails():
            raise ConnectionResetError
        return 200, {"FailedEntryCount": 0, "Entries": [{"EventId": "1"}]}
