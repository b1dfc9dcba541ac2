"""A world with a virtual clock for commands: functions that die and are paused, a table and a monolith with faults.

Each caller is a thread, but only one of them runs at a time: wherever it talks to the outside, the seed says who goes
on and how far the clock jumps. Nothing here is nearview's: the functions in it are the real ones.
"""

from __future__ import annotations

import heapq
import json
import random
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from api_lambdas.commands.declared import Dispatch, Idempotency
from api_lambdas.commands.verdict import Failure, NoVerdict, Reply
from api_lambdas.shared.dynamodb import ConditionFailed, StoreError
from api_lambdas.shared.http import JSON, PROBLEM_JSON
from bench.tables import Table, Tables

TABLE: Final = "commands"
SETTLE_SECONDS: Final = 20.0
JUMPS: Final = (0.5, 6.0, 20.0, 40.0)
JUMP_WEIGHTS: Final = (40, 25, 20, 15)
FUNCTION_SECONDS: Final = 29.0
FORGETFUL_SECONDS: Final = 9 * 86_400.0


class Died(BaseException):
    """The function was killed here."""


@dataclass(eq=False)
class Actor:
    """A caller, or the function that works for it; `killed_at`, while one runs: Lambda's own time-out."""

    number: int
    wake_at: float = 0.0
    killed_at: float | None = None
    done: bool = False
    turn: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))


class World:
    """Who runs, what time it is, and what is on its way."""

    def __init__(self, seed: str, faults: float) -> None:
        self.chance = random.Random(seed)
        self.faults = faults
        self.now = 1_800_000_000.0
        self.sequence = 0
        self.may_forget: Callable[[], bool] = lambda: False
        self._events: list[tuple[float, int, Callable[[], object]]] = []
        self._actors: list[Actor] = []
        self._current: Actor | None = None
        self._over = threading.Semaphore(0)
        self._problems: list[BaseException] = []

    def next_number(self) -> int:
        """A number larger than all before."""
        self.sequence += 1
        return self.sequence

    def fault(self, weight: float = 1.0) -> bool:
        """Whether something goes wrong now."""
        return self.chance.random() < self.faults * weight

    def later(self, seconds: float, action: Callable[[], object]) -> None:
        """Do something when the clock has come so far."""
        heapq.heappush(self._events, (self.now + seconds, self.next_number(), action))

    @property
    def current(self) -> Actor:
        """Who runs."""
        assert self._current is not None
        return self._current

    def run(self, bodies: list[Callable[[], None]]) -> None:
        """Run callers to their ends, and let all that is on its way arrive."""
        threads = []
        for number, body in enumerate(bodies):
            actor = Actor(number, self.now)
            self._actors.append(actor)
            threads.append(threading.Thread(target=self._live, args=(actor, body)))
        for thread in threads:
            thread.start()
        self._hand_on()
        self._over.acquire()
        for thread in threads:
            thread.join()
        self._actors.clear()
        while self._events:
            self._happen()
        if self._problems:
            raise self._problems[0]

    def step(self, seconds: float = 0.0) -> None:
        """Let others go on; a function may die here, or wake up much later."""
        actor = self.current
        actor.wake_at = self.now + seconds
        if self._hand_on() is not actor:
            actor.turn.acquire()
        if actor.killed_at is not None and (self.now > actor.killed_at or self.fault(0.25)):
            raise Died

    @contextmanager
    def invocation(self) -> Iterator[None]:
        """A function runs."""
        actor = self.current
        actor.killed_at = self.now + FUNCTION_SECONDS
        try:
            yield
        finally:
            actor.killed_at = None

    def kill(self) -> None:
        """All functions that run end at their next step."""
        for actor in self._actors:
            if actor.killed_at is not None:
                actor.killed_at = self.now - 1.0

    def wake(self, actor: Actor) -> None:
        """Somebody need not wait any more."""
        actor.wake_at = min(actor.wake_at, self.now)

    def _live(self, actor: Actor, body: Callable[[], None]) -> None:
        actor.turn.acquire()
        try:
            body()
        except BaseException as problem:  # noqa: BLE001  raised by run()
            self._problems.append(problem)
        actor.done = True
        if self._hand_on() is None:
            self._over.release()

    def _hand_on(self) -> Actor | None:
        """Choose who goes on, and give them the turn unless it is theirs; None when all are done."""
        while True:
            living = [actor for actor in self._actors if not actor.done]
            if not living:
                return None
            if self.faults and self.chance.random() < 0.06:
                self.now += self.chance.choices(JUMPS, JUMP_WEIGHTS)[0]
                if self.chance.random() < 0.05 and self.may_forget():
                    self.now += FORGETFUL_SECONDS
            ready = [actor for actor in living if actor.wake_at <= self.now]
            due = bool(self._events) and self._events[0][0] <= self.now
            if not ready and not due:
                self.now = min([actor.wake_at for actor in living] + [event[0] for event in self._events[:1]])
            elif due and (not ready or self.chance.random() < 0.5):
                self._happen()
            else:
                chosen, before = self.chance.choice(ready), self._current
                self._current = chosen
                if chosen is not before:
                    chosen.turn.release()
                return chosen

    def _happen(self) -> None:
        at, _, action = heapq.heappop(self._events)
        self.now = max(self.now, at)
        action()


class FaultyTable:
    """The commands table behind a client like the functions' own: two attempts, replies that are lost."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._tables = Tables()
        self._tables.tables[TABLE] = Table(TABLE)
        self.unstored = 0
        self._versions: list[dict[str, Any]] = [{}]

    def call(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        """As `DynamoDB.call`."""
        for _ in range(2):
            self._world.step()
            if self._world.fault(0.5):
                continue
            if self._world.fault(0.1):
                self.unstored += ":answer" in request.get("ExpressionAttributeValues", {})
                raise StoreError(operation, "ThrottlingException", retryable=True)
            reply = self._apply(operation, request)
            if not self._world.fault(0.5):
                self._world.step()
                if isinstance(reply, ConditionFailed):
                    raise reply
                return reply
        self.unstored += ":answer" in request.get("ExpressionAttributeValues", {})
        raise StoreError(operation, "TimeoutError", retryable=True)

    def item(self, key: str) -> dict[str, Any]:
        """What stands of a key."""
        stored = self._tables.tables[TABLE].get((key, "#"))
        return {} if stored is None else stored[0]

    def lose(self, most: int) -> dict[str, Any]:
        """This is another region's replica from now on, which the last writes never reached; returns what is lost."""
        kept = self._versions[: max(1, len(self._versions) - self._world.chance.randrange(most + 1))]
        lost, table = self._versions[-1], self._tables.tables[TABLE]
        if kept[-1]:
            table.put(kept[-1])
        elif lost:
            table.remove((lost["pk"]["S"], "#"))
        self._versions = kept
        return lost if lost != kept[-1] else {}

    def _apply(self, operation: str, request: dict[str, Any]) -> dict[str, Any] | ConditionFailed:
        whole = {
            name: {**value, "sk": {"S": "#"}} if name in ("Key", "Item") else value for name, value in request.items()
        }
        status, reply = self._tables.call(operation, json.loads(json.dumps(whole)))
        if status == 200:
            if operation in ("PutItem", "UpdateItem"):
                self._versions.append(json.loads(json.dumps(self.item((whole.get("Key") or whole["Item"])["pk"]["S"]))))
            return reply
        assert reply["__type"].endswith("ConditionalCheckFailedException"), reply
        return ConditionFailed(reply.get("Item"))


@dataclass(frozen=True, slots=True)
class Effect:
    """Something that was done for a key: by which request (its number), as what."""

    request: int
    number: int


class ModelMonolith:
    """Executes what arrives. `slow`: it answers 202 at once and executes later."""

    def __init__(self, world: World, kind: Idempotency, *, slow: bool) -> None:
        self._world = world
        self._kind = kind
        self._slow = slow
        self.effects: dict[str, list[Effect]] = defaultdict(list)
        self.sent: dict[str, int] = defaultdict(int)
        self.asked: dict[str, int] = defaultdict(int)
        self._answers: dict[str, Reply] = {}
        self._accepted = set[str]()
        self.refuses = 0.15

    def send(self, dispatch: Dispatch, key: str, timeout_seconds: float) -> Reply:
        """As `Monolith.send`; the first byte goes at once."""
        world, asking = self._world, dispatch.method == "GET"
        if world.fault(0.4):
            raise NoVerdict(Failure.NOT_REACHED)
        if world.fault(0.2):
            return Reply(429, PROBLEM_JSON, "1", b"{}")
        (self.asked if asking else self.sent)[key] += 1
        return self._exchange(key, timeout_seconds, world.next_number(), asking=asking)

    def _exchange(self, key: str, timeout_seconds: float, request: int, *, asking: bool) -> Reply:
        world, caller, deadline = self._world, self._world.current, self._world.now + timeout_seconds
        answered: list[Reply | None] = []

        def reply(found: Reply | None) -> None:
            answered.append(found)
            world.wake(caller)

        def arrive() -> None:
            found = self._looked_up(key) if asking else self._execute(key, request)
            if world.fault(0.7):  # lost, unusable, or a proxy that says it is busy
                spoilt = (None, Reply(500, "text/html", None, b""), Reply(503, "text/html", None, b""))
                world.later(0.01, lambda: reply(world.chance.choice(spoilt)))
            else:
                world.later(world.chance.choice((0.01, 0.3, 2.0)) if world.faults else 0.01, lambda: reply(found))

        if not world.fault(0.6):
            most = timeout_seconds + (SETTLE_SECONDS if not asking else 0.0)
            late = world.fault(0.8)
            world.later(world.chance.uniform(0, most) if late else 0.01, arrive)
        elif world.fault(1.0):
            world.later(0.5, lambda: reply(None))
        while not answered and world.now < deadline:
            world.step(deadline - world.now)
        if not answered:
            raise NoVerdict(Failure.TIMED_OUT)
        if answered[0] is None:
            raise NoVerdict(Failure.NO_REPLY)
        return answered[0]

    def _looked_up(self, key: str) -> Reply:
        if key in self._answers:
            return self._answers[key]
        return Reply(202 if key in self._accepted else 404, JSON, None, b"{}")

    def _execute(self, key: str, request: int) -> Reply:
        known = self._kind is Idempotency.HEADER
        if known and key in self._answers:
            return self._answers[key]
        if self._slow:
            if not (known and key in self._accepted):
                self._accepted.add(key)
                self._world.later(self._world.chance.choice((0.5, 3.0, 30.0)), lambda: self._finish(key, request))
            return Reply(202, JSON, None, b"{}")
        return self._finish(key, request)

    def _finish(self, key: str, request: int) -> Reply:
        if self._world.chance.random() < self.refuses and not self._slow:
            refusal = Reply(409, PROBLEM_JSON, None, b'{"title":"no"}')
            if self._kind is Idempotency.HEADER:  # it remembers refusals as well
                self._answers[key] = refusal
            return refusal
        effect = Effect(request, self._world.next_number())
        self.effects[key].append(effect)
        reply = Reply(201, JSON, None, json.dumps({"effect": effect.number}).encode())
        if self._kind is not Idempotency.NONE:
            self._answers[key] = reply
        return reply
