"""Two regions on a clock of their own: the real command functions, replicas that lag, calls that get lost.

Whatever waits lets others go on: at every call something else may happen, another command, a step of a failover, a
partition, a pause of a function. So everything happens between any two steps of everything else. A seed is a history.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, cast

from api_lambdas.commands.verdict import Failure, NoVerdict
from api_lambdas.commands.verdict import Reply as MonolithReply
from api_lambdas.regions.forward import EPOCH_HEADER, Forwarder, Lost, NoReply, Reply
from api_lambdas.regions.sent import Sent
from api_lambdas.shared.dynamodb import ConditionFailed, StoreError
from api_lambdas.shared.entry import respond
from api_lambdas.shared.http import Request
from api_lambdas.shared.log import Log
from bench.expressions import condition
from contract import regions
from contract.regions import MICROS, NO_END, Override, Primary, State
from contract.values import Item
from tests.api_lambdas.support import event

A, B = "eu-west-1", "us-east-1"
TABLE, COMMANDS = "regions", "commands"
TIMEOUT, CACHE, FENCE = 5.0, 10.0, 32.0
SETTLE: Final = 20.0
MAX_DEPTH = 3
START: Final = 1_800_000_000.0


class Broken(AssertionError):
    """A promise was not kept."""


class Replica:
    """Tables of one region, with DynamoDB's conditions; of two versions the later written stays."""

    def __init__(self) -> None:
        self.items: dict[tuple[str, str], tuple[float, Item]] = {}
        self.outgoing: list[tuple[tuple[str, str], float, Item]] = []

    def call(self, operation: str, request: dict[str, Any], now: float) -> dict[str, Any]:
        if operation == "BatchGetItem":
            ((table, wanted),) = request["RequestItems"].items()
            found = [self.items.get((table, key["pk"]["S"])) for key in wanted["Keys"]]
            return {"Responses": {table: [one[1] for one in found if one is not None]}}
        pk = (request["TableName"], (request.get("Key") or request["Item"])["pk"]["S"])
        stored = self.items.get(pk, (0.0, {}))[1]
        if operation == "GetItem":
            return {"Item": stored} if stored else {}
        names, values = request.get("ExpressionAttributeNames", {}), request.get("ExpressionAttributeValues", {})
        if not condition(request["ConditionExpression"])(stored, names, values):
            raise ConditionFailed(stored or None)
        item = request["Item"] if operation == "PutItem" else updated(stored, request)
        self.items[pk] = (now, item)
        self.outgoing.append((pk, now, item))
        return {}

    def take(self, pk: tuple[str, str], written: float, item: Item) -> None:
        if self.items.get(pk, (0.0, {}))[0] < written:
            self.items[pk] = (written, item)


def updated(stored: Item, request: dict[str, Any]) -> Item:
    """The item after an UpdateExpression of ours: SET, REMOVE and ADD of numbers."""
    names, values = request.get("ExpressionAttributeNames", {}), request["ExpressionAttributeValues"]
    item: Item = {"pk": request["Key"]["pk"], **stored}
    text = request["UpdateExpression"].replace("REMOVE ", "\nREMOVE ").replace(" ADD ", "\nADD ")
    for part in text.split("\n"):
        verb, _, terms = part.strip().partition(" ")
        for term in terms.split(", "):
            if verb == "SET":
                name, _, value = term.partition(" = ")
                item[names.get(name, name)] = values[value.strip()]
            elif verb == "REMOVE":
                item.pop(names.get(term, term), None)
            else:
                name, _, value = term.partition(" ")
                old = int(item.get(names.get(name, name), {"N": "0"})["N"])
                item[names.get(name, name)] = {"N": str(old + int(values[value]["N"]))}
    return item


@dataclass
class Attempt:
    """One request of a client: where it went."""

    key: str
    arrivals: int = 0
    forwards: int = 0
    epoch: int | None = None


@dataclass
class World:
    """`compose` makes a region's function anew.

    `looked_up`: the monolith does not recognise keys and may be asked for them; what was sent may come late, and when a
    region takes over, records of keys may be lost on their way to it.
    """

    draw: random.Random
    compose: Callable[[str], Any]
    looked_up: bool = False
    now: float = START
    replicas: dict[str, Replica] = field(default_factory=lambda: {A: Replica(), B: Replica()})
    cut: bool = False
    slept: dict[str, float] = field(default_factory=lambda: {A: 0.0, B: 0.0})
    current: list[str] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    functions: dict[str, Any] = field(default_factory=dict)
    executed: dict[str, int] = field(default_factory=dict)
    executed_at: dict[str, float] = field(default_factory=dict)
    late: list[tuple[float, str]] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    may_execute: str | None = A
    epoch: int = 1
    failover: Iterator[None] | None = None
    calm: bool = False
    unread: set[str] = field(default_factory=set)
    likely: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        usual = {
            "command": 45,
            "replicate": 20,
            "cut": 5,
            "unread": 3,
            "step": 18,
            "alarm": 3,
            "pause": 3,
            "restart": 3,
        }
        self.likely = {what: weight * self.draw.choice([0.3, 1, 3]) for what, weight in usual.items()}
        for region in (A, B):
            request = regions.primary_write(TABLE, Primary(A, 1, f"https://{A}"), now=1)
            self.replicas[region].call("UpdateItem", request, self.now)
        for region in (A, B):
            self.restart(region)

    def restart(self, region: str) -> None:
        """The function died; the next one knows nothing."""
        self.current.append(region)
        self.functions[region] = self.compose(region)
        self.current.pop()

    # time

    def wall(self) -> float:
        return self.now

    def steady(self) -> float:
        return self.now - self.slept[self.current[-1]] if self.current else self.now

    def passes(self, seconds: float) -> None:
        """Time goes by, and perhaps something happens meanwhile."""
        self.now += seconds * self.draw.random() / 2
        if not self.calm and len(self.attempts) < MAX_DEPTH and self.draw.random() < 0.25:
            self.happen()
        self.now += seconds * self.draw.random() / 2

    # what a function reaches

    def store(self, region: str, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        """A call of the function that runs to the tables of a region."""
        here = self.current[-1]
        far = here != region
        fails = not self.calm and self.draw.random() < 0.05
        unread = here in self.unread and not far and operation == "BatchGetItem"
        self.passes(0.4 if not far else self.draw.choice([0.4, 4.0]))
        if unread or (far and self.cut) or (fails and self.draw.random() < 0.5):
            self.passes(1.0)
            raise StoreError(operation, "TimeoutError", retryable=True)
        reply = self.replicas[region].call(operation, request, self.now)
        if not self.calm and operation == "BatchGetItem" and self.draw.random() < 0.05:
            return partly(reply)
        self.passes(0.4 if not far else self.draw.choice([0.4, 4.0]))
        if fails:
            raise StoreError(operation, "TimeoutError", retryable=True)
        return reply

    def monolith(self, region: str, key: str, timeout: float, *, asking: bool) -> MonolithReply:
        """It recognises keys, or is asked for them. What arrives, arrives within the time-out; replies get lost."""
        lot = self.draw.random() if not self.calm else 1.0
        if asking:
            return self._asked(key, lot)
        if lot < 0.05:
            raise NoVerdict(Failure.NOT_REACHED)
        late = self.draw.random() < 0.3
        began = self.now
        for _ in range(3 if late else 1):
            self.passes(timeout / 3)
        if self.now > began + timeout:  # the connection was cut before anything came through
            raise NoVerdict(Failure.TIMED_OUT)
        self._arrived(region, key)
        if self.looked_up and lot < 0.15:
            self.late.append((self.now + self.draw.uniform(0.0, SETTLE), key))
        else:
            self._takes_effect(key)
        if lot < 0.25:
            raise NoVerdict(Failure.NO_REPLY if lot < 0.15 else Failure.TIMED_OUT)
        return self._executed(key)

    def _asked(self, key: str, lot: float) -> MonolithReply:
        self.counts["asked"] += 1
        self.passes(0.5)
        if lot < 0.1:
            raise NoVerdict(Failure.NOT_REACHED if lot < 0.05 else Failure.NO_REPLY)
        self._late_effects()
        return self._executed(key) if key in self.executed else MonolithReply(404, "application/json", None, b"{}")

    def _executed(self, key: str) -> MonolithReply:
        body = json.dumps({"order_id": self.executed[key]}).encode()
        return MonolithReply(201, "application/json", None, body)

    def _late_effects(self) -> None:
        due = [one for one in self.late if one[0] <= self.now]
        self.late = [one for one in self.late if one[0] > self.now]
        for _, key in due:
            self._takes_effect(key)

    def _takes_effect(self, key: str) -> None:
        if self.looked_up and key in self.executed:
            raise Broken("a command was executed twice")
        self.executed.setdefault(key, len(self.executed) + 1)
        self.executed_at.setdefault(key, self.now)

    def _arrived(self, region: str, key: str) -> None:
        attempt = self.attempts[-1]
        attempt.arrivals += 1
        self.counts["arrived"] += 1
        if region != self.may_execute:
            raise Broken(f"{region} sent a command to the monolith while {self.may_execute or 'no region'} may")
        if attempt.epoch not in (None, self.epoch):
            raise Broken(f"a command of epoch {attempt.epoch} was executed in epoch {self.epoch}")
        if attempt.arrivals > 1:
            raise Broken("a command was sent to the monolith twice for one request")

    def deliver(self, forwarder: Forwarder, primary: Primary, request: Request, sent: Sent) -> Reply:
        """A command on its way to the other region."""
        attempt = self.attempts[-1]
        attempt.forwards += 1
        self.counts["forwarded"] += 1
        if attempt.forwards > 1:
            raise Broken("a command was sent on twice for one request")
        headers = forwarder._headers(primary, request, "host", sent.path, sent)
        attempt.epoch = int(headers[EPOCH_HEADER])
        lot = self.draw.random() if not self.calm else 1.0
        self.passes(0.5)
        if self.cut or lot < 0.05:
            raise NoReply(Lost.NOT_SENT)
        if lot < 0.1:
            raise NoReply(Lost.NO_REPLY)
        call = event(request.method, sent.path, headers=headers, body=request.body.decode())
        payload = self.call(primary.region, call)
        self.passes(0.5)
        if self.cut or lot < 0.25:
            self.counts["reply lost"] += 1
            raise NoReply(Lost.TIMED_OUT if lot < 0.2 else Lost.NO_REPLY)
        return Reply(payload["statusCode"], payload["headers"], payload["body"].encode())

    def call(self, region: str, call: dict[str, Any]) -> dict[str, Any]:
        """What Lambda does; a broken promise is no answer."""
        self.current.append(region)
        broken: list[Broken] = []

        def answer(request: Request) -> Any:
            try:
                return self.functions[region].answer(request)
            except Broken as error:
                broken.append(error)
                raise

        try:
            payload = respond(call, answer, region, Log("error"))
        finally:
            self.current.pop()
        if broken:
            raise broken[0]
        return payload

    # what happens

    def happen(self) -> None:
        """One thing, drawn."""
        region = self.draw.choice((A, B))
        (what,) = self.draw.choices(list(self.likely), list(self.likely.values()))
        if what == "command":
            self.command(region, f"key-{self.draw.randrange(1 + len(self.executed) + 3)}")
        elif what == "replicate":
            self.replicate(self.draw.randrange(8))
        elif what == "cut":
            self.cut = not self.cut
        elif what == "unread":
            self.unread ^= {region}
        elif what == "step":
            self.step()
        elif what == "alarm":
            self.alarm()
        elif what == "pause" and region not in self.current:
            seconds = self.draw.choice([1.0, 10.0, 20.0])  # the function is frozen, the world goes on
            self.now += seconds
            self.slept[region] += seconds
        elif what == "restart" and region not in self.current:
            self.restart(region)

    def command(self, region: str, key: str) -> str | None:
        """A client's request, and what it may believe."""
        self._late_effects()
        attempt, began = Attempt(key), self.now
        self.attempts.append(attempt)
        try:
            headers = {"Idempotency-Key": key, "Content-Type": "application/json"}
            body = json.dumps({"order_id": 5})
            payload = self.call(region, event("POST", "/commands/cancel-order", headers=headers, body=body))
        finally:
            self.attempts.pop()
        status, said = payload["statusCode"], payload["body"]
        self.counts[str(status)] += 1
        if status == 201:
            if self.answers.setdefault(key, said) != said:
                raise Broken("a key has two answers")
            if key not in self.executed:
                raise Broken("an answer without an effect")
            return cast("str", said)
        told = json.loads(said)
        self.counts[told.get("reason", told["type"].rpartition(":")[2])] += 1
        if attempt.arrivals and any(text in told["detail"] for text in ("nothing was executed", "executed nothing")):
            raise Broken("a caller is told that nothing was executed, and it was")
        if "nothing was executed" in told["detail"] and self.executed_at.get(key, began) < began:
            raise Broken("a caller is told that nothing was executed, and it was, by an earlier request")
        return None

    def replicate(self, most: int) -> None:
        """The oldest changes arrive on the other side."""
        for here, there in ((A, B), (B, A)):
            if self.cut:
                return
            outgoing = self.replicas[here].outgoing
            for _ in range(min(most, len(outgoing))):
                self.replicas[there].take(*outgoing.pop(0))

    def alarm(self) -> None:
        """The health checks say something of a region, perhaps wrong; the alarm function writes in B."""
        region, state = self.draw.choice((A, B)), self.draw.choice((State.ACTIVE, State.ACTIVE, State.FAILOVER))
        moment = round((self.now - self.draw.choice([0, 0, 5, 60])) * MICROS)
        request = regions.health_write(TABLE, region, state, reason="", event_time=moment, now=moment, url="", place="")
        try:
            self.replicas[B].call("UpdateItem", request, self.now)
        except ConditionFailed:
            self.counts["old alarm"] += 1

    def step(self) -> None:
        """A person goes on with a failover, or begins one."""
        if self.failover is None:
            if self.draw.random() < 0.6:
                return
            self.failover = self._failover()
        if next(self.failover, self) is self:
            self.failover = None

    def _failover(self) -> Iterator[None]:
        """The four steps as `nearview failover` takes them, in the new region; then the old one is opened again."""
        old = self.may_execute or A
        new = B if old == A else A
        epoch = self.epoch + 1
        self._override(new, old, Override(State.FENCED, epoch, NO_END, "", ""))
        closed = self.now
        yield
        while self.now < closed + FENCE:
            yield
        self.may_execute = None
        yield
        self.may_execute, self.epoch = new, epoch
        if self.looked_up and self.draw.random() < 0.5:
            self._lose(old)
        moment = round(self.now * MICROS)
        request = regions.primary_write(TABLE, Primary(new, epoch, f"https://{new}"), now=moment)
        self.replicas[new].call("UpdateItem", request, self.now)
        self.counts["promoted"] += 1
        yield
        while self.cut:
            yield
        self._override(new, old, Override(State.ACTIVE, epoch, NO_END, "", ""))

    def _lose(self, old: str) -> None:
        """What an old primary wrote of keys, and what is still on its way, never comes to the other region."""
        replica = self.replicas[old]
        kept = [one for one in replica.outgoing if one[0][0] != COMMANDS]
        self.counts["lost"] += len(replica.outgoing) - len(kept)
        replica.outgoing = kept

    def _override(self, where: str, region: str, override: Override) -> None:
        self.now += 0.001
        request = regions.operator_write(TABLE, region, override, now=1)
        self.replicas[where].call("UpdateItem", request, self.now)


def partly(reply: dict[str, Any]) -> dict[str, Any]:
    """What a busy table leaves out is said to be left out."""
    ((table, items),) = reply["Responses"].items()
    kept = [item for item in items if not item["pk"]["S"].startswith("operator#")]
    return {"Responses": {table: kept}, "UnprocessedKeys": {table: {"Keys": [{"pk": {"S": "operator#"}}]}}}
