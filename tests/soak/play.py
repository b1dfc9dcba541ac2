"""One seed from its scenario to its findings: real children under a daemon stand-in, on a store that faults strike.

Nothing happens by itself: every child that works waits for an answer, and one of them, drawn from the seed, gets it. So
a seed fixes who does what before whom, as far as processes can be held: a run of it alone shows the same again.
"""

from __future__ import annotations

import random
import signal
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final

from tests.faults.hub import Asked, Hub
from tests.faults.store import FaultyStore, Memory
from tests.faults.weather import Fault, Weather
from tests.soak.child import EOF, Child, Launcher, delivery, position_of
from tests.soak.leases import Holder, refusal
from tests.soak.rows import FATAL_REFUSALS, Scenario
from tests.soak.shards import START, Record, Shard, make_shards
from tests.soak.source import Shop, poison
from tests.soak.watch import DOCUMENTS, PARKED, ROWS, Watch, differences

MAPPINGS: Final = Path(__file__).parent / "mappings"
_DUE: Final = "#due"
RAISED: Final = "exception in a batch"
_PATIENCE_SECONDS: Final = 5.0
_LONGEST_SECONDS: Final = 120.0
_EMPTY_DELIVERIES: Final = 200
_ENOUGH: Final = 5


@dataclass
class Outcome:
    """What a seed led to. Without findings nothing was lost, went backward or is different."""

    seed: int
    rows: tuple[int, ...]
    lost: list[str] = field(default_factory=list)
    backward: list[str] = field(default_factory=list)
    different: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    """Promises of the process: it ended unasked, checkpointed what it must not, never came to an end."""
    faults: Counter[str] = field(default_factory=Counter)
    recoveries: list[tuple[str, float]] = field(default_factory=list)
    records: int = 0
    requests: int = 0
    children: int = 0
    documents: int = 0

    @property
    def findings(self) -> list[str]:
        """All that is wrong."""
        named = {"lost": self.lost, "backward": self.backward, "different": self.different, "broken": self.broken}
        return [f"{name}: {line}" for name, lines in named.items() for line in lines]


class Play:
    """One seed's run."""

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
        self._ends = time.monotonic() + _LONGEST_SECONDS

    def run(self) -> Outcome:
        """To the end, whatever it is; no process is left."""
        try:
            while not self._is_over():
                self._gather()
                if not self._act():
                    break
            self._end_quietly()
        finally:
            self._end_by_force()
        self._judge()
        return self.outcome

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

    # --- who may do something -------------------------------------------------------------------------------------

    def _is_over(self) -> bool:
        if time.monotonic() > self._ends or self._empty > _EMPTY_DELIVERIES:
            self.outcome.broken.append("it never came to an end")
            return True
        if len(self.outcome.broken) > _ENOUGH:
            return True
        if any(not holder.owns for holder in self.holders):
            return False
        rested = all(shard.ended or self._rests(shard) for shard in self.shards)
        return rested and _DUE not in self.watch.tables.tables[ROWS].partitions

    def _rests(self, shard: Shard) -> bool:
        holder = self._owner(shard)
        if holder is None or shard.closes or shard.checkpoint < shard.last:
            return False
        return holder.idle and holder.child.waits and not holder.child.inbox

    def _owner(self, shard: Shard) -> Holder | None:
        return next((holder for holder in self.holders if holder.owns and holder.shard is shard), None)

    def _gather(self) -> None:
        """Wait until every child that works has said something, and start those that are missing."""
        for shard in self.shards:
            if not shard.ended and shard.may_begin and self._owner(shard) is None:
                self._start(shard)
        patience = time.monotonic() + _PATIENCE_SECONDS
        self._take(0.0)
        while any(holder.works for holder in self.holders) and time.monotonic() < patience:
            self._take(0.02)
        for holder in self.holders:
            if holder.works:
                holder.child.no_longer_in_order()

    def _take(self, seconds: float) -> None:
        for asked in self._hub.poll(seconds):
            for holder in self.holders:
                if holder.child.name == asked.by:
                    holder.child.asked(asked)

    def _act(self) -> bool:
        """Let somebody drawn do something; False if nobody can."""
        able = [
            holder
            for holder in self.holders
            if not holder.stopped and (holder.child.inbox or holder.idle_untold or self._wants(holder))
        ]
        asleep = [holder for holder in self.holders if holder.stopped]
        if asleep and (not able or self._rng.random() < 0.01):
            self._wake(self._rng.choice(asleep))
            return True
        if not able:
            return any(holder.works for holder in self.holders)
        holder = self._rng.choices(able, [each.weight for each in able])[0]
        if not holder.owns and holder.idle and not holder.child.inbox:
            self._lose(holder)
            return True
        for _ in range(self._rng.choice((1, 1, 2, 4, 12))):
            if holder.child.inbox and not holder.stopped and not (self._wants(holder) and self._rng.random() < 0.2):
                self._answer(holder, holder.child.inbox.popleft())
            elif self._wants(holder):
                self._deliver(holder)
            self._gather()
        return True

    def _wants(self, holder: Holder) -> bool:
        """Whether the daemon has something for it: records, the end, a checkpoint to be made up for, due work."""
        shard = holder.shard
        if not (holder.owns and holder.idle and (holder.child.waits or holder.child.inbox)):
            return False
        behind = shard.closes or holder.delivered < shard.last or shard.checkpoint < shard.last
        return behind or _DUE in self.watch.tables.tables[ROWS].partitions

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
        elif action == "shardEnded":
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

    # --- the end --------------------------------------------------------------------------------------------------

    def _end_quietly(self) -> None:
        """Everybody is told that the daemon is done."""
        ends = time.monotonic() + _PATIENCE_SECONDS
        self.weather.calm = True
        for holder in self.holders:
            if holder.idle:
                holder.tell("leaseLost")
                holder.owns = False
        while self.holders and time.monotonic() < ends and not self.outcome.broken:
            self._take(0.02)
            for holder in list(self.holders):
                if holder.child.inbox and not holder.stopped:
                    self._answer(holder, holder.child.inbox.popleft())

    def _end_by_force(self) -> None:
        for holder in self.holders:
            holder.child.signal(signal.SIGKILL)
            holder.child.reap()
        self._hub.close()

    def _judge(self) -> None:
        outcome, watch = self.outcome, self.watch
        wanted = self._shop.documents()
        self._shop.close()
        lost, outcome.different = differences(watch, wanted)
        outcome.lost = lost + watch.too_early
        outcome.backward = watch.backward
        outcome.documents, outcome.requests = len(wanted), self._store.requests
        outcome.faults.update({fault.value: count for fault, count in self.weather.struck.items()})
        outcome.faults.update(_of_records(self.shards, self.scenario))


def _of_records(shards: list[Shard], scenario: Scenario) -> Counter[str]:
    """Faults that are in the stream itself."""
    found = Counter[str]()
    for shard in shards:
        seen: set[bytes] = set()
        gone: set[tuple[str, tuple[str, ...]]] = set()
        highest = 0
        for record in shard.records:
            change = record.change
            number = max((row[2] for row in change.rows), default=0)
            found["poison"] += bool(change.poison)
            found["duplicates"] += bool(change.rows) and change.data in seen
            found["reordered"] += bool(number) and number < highest and change.data not in seen
            found["key changed"] += len(change.rows) > 1
            for table, key, _, there in change.rows:
                found["key used again"] += there and (table, key) in gone
                (gone.discard if there else gone.add)((table, key))
            highest = max(highest, number)
            seen.add(change.data)
    found["resharded"] = int(scenario.disorder.resharded)
    found["schema changed"] = scenario.controls
    return Counter({name: count for name, count in found.items() if count})
