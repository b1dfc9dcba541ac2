"""Random histories of one command under one key: what callers were told, checked against what was done."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from api_lambdas.access.rules import JWT, Access, Gate, Rule
from api_lambdas.command import CommandApi
from api_lambdas.commands.declared import Command, Idempotency
from api_lambdas.commands.execution import CLOCKS_APART_SECONDS, Executions
from api_lambdas.commands.idempotency import IdempotencyRecords
from api_lambdas.commands.issuing import Issuer
from api_lambdas.shared.dynamodb import StoreError
from api_lambdas.shared.http import JSON, Kind, Problem, Request, Response
from api_lambdas.shared.log import Log
from tests.api_lambdas.command_world import SETTLE_SECONDS, TABLE, Died, FaultyTable, ModelMonolith, World

KEY: Final = "key"
CALLERS: Final = 3
MOST_REPEATS: Final = 400
MOST_LOST: Final = 4
FENCE_SECONDS: Final = 6.0
NOT_EXECUTED: Final = "nothing was executed"


@dataclass(frozen=True, slots=True)
class Setting:
    """What the monolith offers, and how fast it is."""

    name: str
    idempotency: Idempotency
    slow: bool = False
    answer_within_seconds: float | None = None
    has_lookup: bool = False
    taken_over: bool = False
    """Another region takes over, without the last writes of the table."""

    @property
    def command(self) -> Command:
        """Its declaration."""
        return Command(
            "act",
            "POST",
            "/act",
            json.dumps({"type": "object"}),
            timeout_seconds=3.0,
            idempotency=self.idempotency,
            lookup="/done/{idempotency_key}" if self.has_lookup else None,
            settle_seconds=SETTLE_SECONDS if self.idempotency is Idempotency.LOOKUP else 0.0,
            answer_within_seconds=self.answer_within_seconds,
        )


SETTINGS: Final = {
    one.name: one
    for one in (
        Setting("header", Idempotency.HEADER),
        Setting("lookup", Idempotency.LOOKUP, has_lookup=True),
        Setting("none", Idempotency.NONE),
        Setting("header, slow", Idempotency.HEADER, slow=True, has_lookup=True),
        Setting("lookup, slow", Idempotency.LOOKUP, slow=True, has_lookup=True),
        Setting("lookup, answered within", Idempotency.LOOKUP, answer_within_seconds=0.2, has_lookup=True),
        Setting("header, taken over", Idempotency.HEADER, taken_over=True),
        Setting("lookup, taken over", Idempotency.LOOKUP, has_lookup=True, taken_over=True),
        Setting("lookup, slow, taken over", Idempotency.LOOKUP, slow=True, has_lookup=True, taken_over=True),
    )
}


@dataclass(slots=True)
class Told:
    """What callers of the key's owner heard in the end, and what everybody else heard."""

    ends: list[tuple[str, Any]] = field(default_factory=list)
    not_executed: list[int] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)
    states: set[str] = field(default_factory=set)
    lost: int = 0


class History:
    """One seed: callers with repeats and questions after the status, through faults; then one caller in peace."""

    def __init__(self, setting: Setting, seed: int, faults: float = 0.25) -> None:
        self.setting = setting
        self.world = World(f"{setting.name}/{seed}", faults)
        self.table = FaultyTable(self.world)
        self.monolith = ModelMonolith(self.world, setting.idempotency, slow=setting.slow)
        self.told = Told()
        if setting.idempotency is not Idempotency.HEADER:  # what is in doubt is never forgotten
            self.world.may_forget = lambda: "doubt_until" in self.table.item(KEY)
        client: Any = self.table
        monolith: Any = self.monolith
        records = IdempotencyRecords(client, TABLE, lambda: self.world.now)
        issuer = Issuer(b"s" * 32, Log("error"))
        self.taken_over: float | None = None
        self.is_closed = False
        since = lambda: None if self.taken_over is None else round(self.taken_over * 1000)  # noqa: E731
        executions = Executions(records, monolith, 10.0, Log("error"), issuer, since)
        gate = Gate(Access(Rule(JWT), {}), lambda: _claims)
        self.api = CommandApi({"act": setting.command}, records, executions, gate)

    def run(self) -> list[str]:
        """What is wrong; nothing if all held."""
        if self.setting.taken_over:
            self.world.later(self.world.chance.choice((0.1, 1.0, 4.0, 10.0, 40.0)), self._is_fenced)
        self.world.run([self._caller] * CALLERS + [self._stranger])
        self.world.faults = 0.0
        self.world.now += 60.0
        before = len(self.told.ends)
        self.world.run([self._insistent])
        return [*self._wrong(), *([] if len(self.told.ends) > before else ["repeats come to no end"])]

    def _is_fenced(self) -> None:
        """The region takes no more commands; the other one is named when what it has sent is over."""
        self.is_closed = True
        self.world.later(FENCE_SECONDS, self.world.kill)
        self.world.later(FENCE_SECONDS + (self.setting.command.timeout_seconds or 0.0), self._is_taken_over)

    def _is_taken_over(self) -> None:
        self.is_closed, self.taken_over = False, self.world.now - self.world.chance.choice((0.0, CLOCKS_APART_SECONDS))
        lost = self.table.lose(MOST_LOST)
        self.told.lost += bool(lost)
        self.world.may_forget = lambda: False  # what is lost is asked about for as long as answers are kept
        if "answer" in lost and self.setting.idempotency is Idempotency.LOOKUP:
            # a lookup knows nothing of refusals: a repeat is decided anew
            self.told.ends = [end for end in self.told.ends if end[0] != "refused"]

    def _wrong(self) -> list[str]:
        effects, told = self.monolith.effects[KEY], self.told
        found = [f"{len(effects)} effects"] if len(effects) > 1 else []
        ends = set(told.ends)
        if self.setting.idempotency is Idempotency.NONE:
            if self.monolith.sent[KEY] > 1 + len(told.not_executed):
                found.append("sent again")
            if self.table.unstored:  # told what could not be kept: then nobody knows, which is true of the records
                ends.discard(("unknown", None))
        if len(ends) > 1:
            found.append(f"several answers: {sorted(map(str, ends))}")
        numbers = [effect.number for effect in effects]
        found += [f"told of an effect that is not: {end}" for end in ends if end[0] == "done" and end[1] not in numbers]
        if ("refused", None) in ends and effects:
            found.append("refused and executed")
        found += [
            "told that nothing was executed" for said in told.not_executed for one in effects if one.request < said
        ]
        return found + [f"a stranger was told: {text}" for text in told.strangers]

    def _caller(self) -> None:
        for _ in range(6):
            self.world.step(self.world.chance.choice((0.0, 0.0, 1.0, 8.0)))
            if self.world.chance.random() < 0.3:
                self._look("owner")
            elif self._send("owner"):
                return

    def _insistent(self) -> None:
        for _ in range(MOST_REPEATS):
            self.world.step(1.0)
            self._look("owner")
            if self._send("owner"):
                return

    def _stranger(self) -> None:
        """Another caller with the same key and body, once the key is somebody's."""
        for _ in range(3):
            self.world.step(5.0)
            if not self.monolith.sent[KEY]:
                continue
            self._look("stranger")
            self._send("stranger")

    def _send(self, who: str) -> bool:
        """One request; whether its answer is final."""
        asked_at = self.world.next_number()
        answered = self._asked("POST", "/commands/act", who)
        if who != "owner":
            if not isinstance(answered, Problem | None) or (
                isinstance(answered, Problem) and answered.kind not in _STRANGERS
            ):
                self.told.strangers.append(str(answered))
            return False
        if isinstance(answered, Response):
            self.told.states.add(str(answered.status))
            return answered.status != 202 and self._ended(answered.status, answered.body)
        if isinstance(answered, Problem):
            self.told.states.add(answered.kind.value[0])
            if answered.kind is Kind.OUTCOME_UNKNOWN:
                self.told.ends.append(("unknown", None))
                return True
            if NOT_EXECUTED in answered.detail:
                self.told.not_executed.append(asked_at)
        return False

    def _look(self, who: str) -> None:
        asked_at = self.world.next_number()  # what is told may be of any moment from here on
        answered = self._asked("GET", f"/commands/act/{KEY}", who)
        if who != "owner":
            if isinstance(answered, Response) or (
                isinstance(answered, Problem)
                and answered.kind is not Kind.NOT_FOUND
                and answered.kind not in _STRANGERS
            ):
                self.told.strangers.append(str(answered))
            return
        if not isinstance(answered, Response):
            return
        found = json.loads(answered.body)
        self.told.states.add(found["state"])
        if found["state"] == "finished":
            self._ended(found["status"], json.dumps(found["answer"]))
        elif found["state"] == "unknown":
            self.told.ends.append(("unknown", None))
        elif found["state"] == "not-executed":
            self.told.not_executed.append(asked_at)

    def _ended(self, status: int, body: str) -> bool:
        self.told.ends.append(("done", json.loads(body).get("effect")) if status < 300 else ("refused", None))
        return True

    def _asked(self, method: str, path: str, who: str) -> Response | Problem | None:
        """The answer, as far as one came."""
        if self.is_closed or (who != "owner" and self.taken_over is not None):  # whose key it was may be lost as well
            return None
        headers = {"authorization": f"Bearer {who}", "idempotency-key": KEY, "content-type": JSON}
        try:
            with self.world.invocation():
                return self.api.answer(Request(method, path, (), headers, b"{}"))
        except Problem as problem:
            return problem
        except (StoreError, Died):
            return None


_STRANGERS: Final = (Kind.IDEMPOTENCY_KEY_REUSED,)


def _claims(token: str) -> Mapping[str, Any]:
    return {"iss": "here", "sub": token}
