"""The daemon's side of a run: it starts children, delivers, takes leases away, kills, and answers what children ask."""

from __future__ import annotations

import random
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any, BinaryIO, Final

from tests.faults.hub import Asked, Hub
from tests.faults.store import FaultyStore, Memory
from tests.faults.weather import Fault, Weather
from tests.soak.child import EOF, Child, Launcher, delivery, position_of
from tests.soak.leases import Holder, refusal
from tests.soak.outcome import Outcome
from tests.soak.rows import FATAL_REFUSALS, Scenario
from tests.soak.shards import START, Record, Shard, make_shards
from tests.soak.source import Shop, poison
from tests.soak.watch import DOCUMENTS, PARKED, ROWS, Watch

MAPPINGS: Final = Path(__file__).parent / "mappings"
RAISED: Final = "exception in a batch"


class Daemon:
    """One seed's shards, leases and children, on a store that faults strike."""

    def __init__(self, scenario: Scenario, launcher: Launcher, log: BinaryIO, mutant: str = "") -> None:
        self.scenario = scenario
        self.outcome = Outcome(scenario.seed, scenario.rows)
        self._rng = random.Random(f"play {scenario.seed}")
        self._launcher = launcher
        self._log = log
        self._mutant = mutant
        self.watch = Watch()
        self.weather = Weather(scenario.seed, scenario.spells)
        self._store = FaultyStore(Memory(self.watch.tables), self.weather, lambda: time.time() + scenario.skew_seconds)
        self._hub = Hub()
        self._shop = Shop(self._rng, scenario.keys, scenario.moves, scenario.deletes)
        self.shards = make_shards(self._rng, self._changes(), scenario.shards, scenario.disorder)
        self.outcome.records = sum(len(shard.records) for shard in self.shards)
        self.holders: list[Holder] = []
        self._pending: list[tuple[str, Shard, float]] = []
        self._deliveries = self._checkpoints = self._empty = 0

    def _changes(self) -> list[Any]:
        scenario, shop = self.scenario, self._shop
        loads = shop.load()
        changes = [shop.change() for _ in range(scenario.changes)]
        # a control record stands before the changes that have the new column
        for at in sorted(self._rng.sample(range(scenario.changes), scenario.controls), reverse=True):
            changes[at:] = (
                [shop.control(), *(shop.change() for _ in range(2)), *changes[at:]] if not at else changes[at:]
            )
            if at:
                changes += [shop.control(), *(shop.change() for _ in range(3))]
        for _ in range(scenario.poison):
            changes.insert(self._rng.randint(0, len(changes)), poison(self._rng))
        return [*loads, *changes]

    def _owner(self, shard: Shard) -> Holder | None:
        return next((holder for holder in self.holders if holder.owns and holder.shard is shard), None)

    # --- the daemon's side ----------------------------------------------------------------------------------------

    def _start(self, shard: Shard) -> None:
        self.outcome.children += 1
        name = f"c{self.outcome.children}"
        scenario = self.scenario
        at, error = scenario.raises.get(self.outcome.children, (0, ""))
        options = {"mutant": self._mutant, "raise_at": at, "raises": error, "read_seconds": scenario.read_seconds}
        child = Child(self._launcher, self._hub, name, self._log, self._environment(name), options)
        holder = Holder(shard, child, shard.checkpoint)
        if at:
            holder.excuse = RAISED
        self.holders.append(holder)
        position = "TRIM_HORIZON" if shard.checkpoint == START else str(shard.checkpoint[0])
        holder.tell("initialize", shardId=shard.name, sequenceNumber=position, subSequenceNumber=shard.checkpoint[1])

    def _environment(self, name: str) -> dict[str, str]:
        return {
            "AWS_REGION": "eu-west-1",
            "AWS_ACCESS_KEY_ID": name,
            "AWS_SECRET_ACCESS_KEY": "none",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ENDPOINT_URL": self._hub.url,
            "NEARVIEW_APPLICATION": "soak",
            "NEARVIEW_STREAM": "changes",
            "NEARVIEW_ROWS_TABLE": ROWS,
            "NEARVIEW_DOCUMENTS_TABLE": DOCUMENTS,
            "NEARVIEW_PARKED_TABLE": PARKED,
            "NEARVIEW_MAPPINGS": str(MAPPINGS),
            "NEARVIEW_LOG_LEVEL": "info",
            **self.scenario.settings,
        }

    def _deliver(self, holder: Holder) -> None:
        """The next action for an owner that has nothing to do."""
        shard = holder.shard
        rest = shard.rest(holder.delivered)
        if not rest and shard.closes and shard.checkpoint >= shard.last:
            holder.tell("shardEnded")
            return
        self._deliveries += 1
        event = self.scenario.events.get(self._deliveries)
        if event == "handoff":
            self._note("lease handed over", shard)
            holder.tell("shutdownRequested")
            return
        if event in ("rewind", "trim"):
            self._rewind(holder, event)
            return
        if event == "daemon":
            self._note("daemon killed", shard)
            self._daemon_dies("daemon killed")
            return
        records = rest[: self._rng.choice((1, 3, 8, 20))]
        self._empty = 0 if records else self._empty + 1
        self._send(holder, records, torn=event == "kill")

    def _send(self, holder: Holder, records: list[Record], *, torn: bool) -> None:
        line = delivery(records)
        holder.action = "processRecords"
        if records:
            holder.delivered = records[-1].position
        if torn:
            holder.child.send_bytes(line[: self._rng.randrange(len(line))])
            self._kill(holder)
        else:
            holder.child.send_bytes(line)

    def _rewind(self, holder: Holder, event: str) -> None:
        """An operator sets a checkpoint back while the lease is taken away."""
        shard = holder.shard
        self._note("rewound", shard)
        passed = [START, *(record.position for record in shard.records if record.position < shard.checkpoint)]
        shard.checkpoint = START if event == "trim" else self._rng.choice(passed)
        self._lose(holder)

    def _lose(self, holder: Holder) -> None:
        """Another worker has the lease from now on; this one is told when it is done with what it does."""
        holder.owns = False
        if holder.idle:
            holder.tell("leaseLost")

    def _daemon_dies(self, cause: str) -> None:
        for holder in self.holders:
            if holder.owns:
                holder.owns = False
                holder.excuse = holder.excuse or cause
                holder.child.close_input()

    # --- answers --------------------------------------------------------------------------------------------------

    def _answer(self, holder: Holder, event: Asked | dict[str, Any]) -> None:
        if isinstance(event, Asked):
            self._request(holder, event)
        elif event is EOF:
            self._ended(holder)
        elif event["action"] == "checkpoint":
            self._checkpoint(holder, event)
        else:
            self._status(holder, event)

    def _request(self, holder: Holder, asked: Asked) -> None:
        strike = self.scenario.strikes.pop(self._store.requests, "") if holder.owns else ""
        kind, _, when = strike.partition(" ")
        if kind == "stop":
            self._note("zombie", holder.shard)
            holder.child.signal(signal.SIGSTOP)
            holder.stopped, holder.owns = True, False
            if when == "before":
                holder.child.inbox.appendleft(asked)
                return
        if kind == "steal":
            self._note("zombie", holder.shard)
            holder.owns, holder.weight = False, self._rng.choice((1.0, 0.1, 0.02))
        if kind == "kill" and when == "before":
            self._kill(holder)
            return
        before = Counter(self.weather.struck)
        reply = self._store.reply(asked.head, asked.body)
        for fault in self.weather.struck - before:
            self._struck(holder, fault)
        if kind == "kill":
            if when == "within":
                self._hub.send(asked, type(reply)(reply.data[: len(reply.data) // 2]))
            self._kill(holder)
        else:
            self._hub.send(asked, reply)

    def _struck(self, holder: Holder, fault: Fault) -> None:
        self._pending.append((fault.value, holder.shard, time.monotonic()))
        if fault is Fault.REVOKED:
            holder.excuse = fault.value

    def _kill(self, holder: Holder) -> None:
        self._note("child killed", holder.shard)
        holder.excuse = "child killed"
        holder.child.signal(signal.SIGKILL)

    def _ended(self, holder: Holder) -> None:
        self.holders.remove(holder)
        code = holder.child.reap()
        told = holder.action == "leaseLost" or holder.excuse
        if code not in (0, -9) and not holder.excuse:
            self.outcome.broken.append(f"{holder.child.name} ended with {code}, unasked, in {holder.action}")
        elif code == 0 and not told:
            self.outcome.broken.append(f"{holder.child.name} ended in {holder.action}")
        if code == 1 and holder.excuse == RAISED:
            self._note(RAISED, holder.shard)
        if holder.owns:
            holder.owns = False
            # KCL ends the whole daemon with one of its children
            self._daemon_dies(f"another child of its daemon ended: {holder.excuse}")

    def _status(self, holder: Holder, event: dict[str, Any]) -> None:
        action, holder.action = holder.action, ""
        if event != {"action": "status", "responseFor": action}:
            self.outcome.broken.append(f"{holder.child.name}: {event} in {action}")
        if action == "leaseLost" or (action == "shardEnded" and holder.shard.ended):
            holder.action, holder.owns = "leaseLost", False
            holder.child.close_input()
        elif action == "shardEnded" and holder.owns:
            self.outcome.broken.append(f"{holder.shard.name}: its end is reported and not checkpointed")
            holder.action, holder.owns, holder.shard.ended = "leaseLost", False, True
            holder.child.close_input()
        elif action == "shutdownRequested" or not holder.owns:
            self._lose(holder)

    def _checkpoint(self, holder: Holder, event: dict[str, Any]) -> None:
        self._checkpoints += 1
        shard, position = holder.shard, position_of(event)
        planned = self.scenario.refusals.pop(self._checkpoints, "") if holder.owns else ""
        if planned.startswith("kill"):
            if planned == "kill after" and not refusal(holder, position):
                self._stored(holder, position)
            self._kill(holder)
            return
        error, problem = refusal(holder, position) or (planned.removeprefix("stored, then "), "")
        if problem:
            self.outcome.broken.append(f"{holder.child.name}: {problem}")
        if planned:
            self._note("checkpoint refused", shard)
            if error in FATAL_REFUSALS:
                holder.excuse = "checkpoint refused"
            elif error == "ShutdownException":
                holder.owns = False
        if not error or (planned.startswith("stored") and not problem):
            self._stored(holder, position)
        holder.child.send(
            "checkpoint",
            sequenceNumber=event["sequenceNumber"],
            subSequenceNumber=event["subSequenceNumber"],
            error=error or None,
        )

    def _stored(self, holder: Holder, position: tuple[int, int] | None) -> None:
        shard, now = holder.shard, time.monotonic()
        until = shard.last if position is None else position
        self.watch.checkpointed(shard, until)
        shard.checkpoint = until
        shard.ended = position is None
        names = dict[str, float]()
        for name, of, since in self._pending:
            if of is shard:
                names.setdefault(name, now - since)
        self.outcome.recoveries += names.items()
        self._pending = [pending for pending in self._pending if pending[1] is not shard]

    def _wake(self, holder: Holder) -> None:
        holder.stopped = False
        holder.weight = self._rng.choice((1.0, 0.2))
        holder.child.signal(signal.SIGCONT)

    def _note(self, fault: str, shard: Shard) -> None:
        self.outcome.faults[fault] += 1
        self._pending.append((fault, shard, time.monotonic()))
