"""A region is lost, on this machine: both regions under load, the primary cut off, promotion, return, fail back.

Measured from outside, as callers see it; what must not happen is looked for in the monolith's own tables and in every
document: an acknowledged command without effect, a command with two effects, a document that differs.
"""

from __future__ import annotations

import json
import shlex
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from local import prober
from local.drill_clients import Commander, Names, Reader
from local.drill_operator import Operator
from local.drill_orders import effects_of, note_effects, order_body
from local.drill_report import Report
from local.drill_times import ROUTE_53, Automatic, Delays, first_ok, with_delays
from local.drill_waits import WAIT_SECONDS, longest_wait, until_ok, until_refused
from local.processes import wait_until
from local.regions import lines_of, replication_status
from local.running import Running, StackError
from local.stack import Stack
from local.waiting import wait_settled

PROBER: Final = "prober"
WORKLOAD: Final = "workload"
WARM_SECONDS: Final = 10
ALONE_SECONDS: Final = 10
WORKLOAD_RATE: Final = 1
FAST: Final = Delays(interval=1, threshold=3, timeout=4, ttl=1)

Say = Callable[[str], None]


class Drill:
    """One drill on a stack of two regions that is up."""

    def __init__(self, stack: Stack, say: Say, delays: Delays) -> None:
        first = stack.running()
        if first is None or first.other_region is None:
            raise StackError("no stack of two regions runs")
        second = stack.second(first.other_region).running()
        if second is None:
            raise StackError(f"the stack of {first.other_region} is gone; `nearview local down`, then start anew")
        self.stack, self.other = stack, stack.second(first.other_region)
        self.first, self.second = first, second
        self.delays = delays
        self.report = Report()
        self._say = say
        self._operator = Operator(stack.folder, say)
        self._end = threading.Event()
        self._lines = lines_of(stack.folder)
        self._status = stack.folder / "prober.status.json"
        self._urls = {one.region: one.public_url or "" for one in (first, second)}
        self._body = order_body(first.source_url)
        near, far = (first.region, second.region), (second.region, first.region)
        self.readers = [Reader(f"reader near {o[0]}", self._names(o), self._urls, self._end) for o in (near, far)]
        self.commanders = [
            Commander(f"caller near {o[0]}", self._names(o), self._urls, self._end, self._body) for o in (near, far)
        ]

    def run(self) -> Report:
        """All of it. Raises StackError or ProcessError; the report has what was found until then."""
        wait_settled(self.stack, self.first, WAIT_SECONDS)
        self._operator.wait_replicated()
        note_effects(self.first.source_url)
        self._start_prober()
        self._start_workload()
        try:
            self._load()
            self._lose()
            self._promote()
            self._return()
            self._fail_back()
        finally:
            self._end.set()
            self._lines.mend(self.first.region)
            self.stack.processes.stop(WORKLOAD)
        self._prove()
        return self.report

    def _names(self, order: Sequence[str]) -> Names:
        return Names(order, self._status, self.delays.ttl)

    def _load(self) -> None:
        self._say("load on both regions: reads, commands, and the monolith's own changes")
        for caller in (*self.readers, *self.commanders):
            caller.start()
        wait_until(
            lambda: all(first_ok(c.seen, 0) for c in (*self.readers, *self.commanders)), WAIT_SECONDS, "answers to all"
        )
        time.sleep(WARM_SECONDS)

    def _lose(self) -> None:
        """The cut, and what happens by itself."""
        lost, left = self.first.region, self.second.region
        self._lines.cut(lost)
        cut = self.cut = time.time()
        self._say(f"{lost} is cut off: nothing that is sent to it or by it arrives")
        reads = [until_ok(reader, cut, left) for reader in self.readers]
        refused = [until_refused(commander, cut) for commander in self.commanders]
        changed = wait_until(self._detected, WAIT_SECONDS, "the health checks' verdict")
        found = Automatic(changed - cut, max(reads) - cut, max(refused) - cut)
        self.report.detect_seconds = round(found.detect, 1)
        self.report.automatic_seconds = round(found.all, 1)
        self.report.automatic_seconds_with_delays = with_delays(found, self.delays, ROUTE_53)
        self._say(
            f"health checks: {found.detect:.1f} s; all readers are answered by {left} after {found.reads:.1f} s, all"
            f" commands refused with a reason after {found.refused:.1f} s"
        )
        time.sleep(ALONE_SECONDS)

    def _detected(self) -> float | None:
        found = json.loads(self._status.read_text())[self.first.region]
        return float(found["changed"]) if not found["healthy"] else None

    def _promote(self) -> None:
        begun = time.time()
        self._failover(self.second, self.first)
        self.report.promotion_seconds = round(time.time() - begun, 1)
        done = wait_until(
            lambda: first_ok(self.commanders[1].seen, self.cut, self.second.region), WAIT_SECONDS, "commands"
        )
        seconds = self.report.promotion_seconds
        self._say(f"promoted after {seconds:.1f} s; commands are executed again {done - self.cut:.1f} s after the cut")

    def _return(self) -> None:
        """The old primary is there again: fenced, caught up, compared."""
        conflicts = replication_status(self.stack.folder).get("conflicts", 0)
        self._lines.mend(self.first.region)
        self._say(f"{self.first.region} is connected again")
        probe = Commander("probe", self._names((self.first.region,)), self._urls, self._end, self._body)
        self.report.old_primary_when_back = self._when_back(probe)
        self._say(f"{self.first.region} does not execute commands: {self.report.old_primary_when_back}")
        self.commanders[0].commands += probe.commands
        self.report.old_worker_when_back = self._operator.worker_holds(self.first)
        self._say(f"the worker of {self.first.region} writes nothing: {self.report.old_worker_when_back}")
        self._operator.stop(self.stack)
        self._operator.catch_up(self.other, self.second)  # nobody compares while the worker lags
        self._operator.wait_replicated()
        found = self._release(self.first, self.second)
        lost_writes = replication_status(self.stack.folder).get("conflicts", 0) - conflicts
        self.report.written_by_the_isolated_region = {
            "items_that_lost_against_later_writes": lost_writes,
            "documents_different": found["differences_before"],
            "documents_rebuilt": found["documents_rebuilt"],
        }
        self._say(f"{self.first.region} is released: {self.report.written_by_the_isolated_region}")

    def _when_back(self, probe: Commander) -> str:
        """What a command gets at the old primary: an answer that says that it was not executed there."""

        def told() -> str | None:
            probe.turn(self.first.region)
            seen = probe.seen[-1]
            if seen.is_refusal:
                return f"refused: {seen.reason}"
            if 200 <= seen.status < 300 and seen.executed_in == self.second.region:
                return f"sent on, executed in {seen.executed_in}"
            if 200 <= seen.status < 300:
                raise StackError(f"{self.first.region} executed a command though it is fenced")
            return None

        return wait_until(told, WAIT_SECONDS, f"an answer of {self.first.region}")

    def _fail_back(self) -> None:
        begun = time.time()
        self._failover(self.first, self.second)
        self.report.fail_back_seconds = round(time.time() - begun, 1)
        wait_until(
            lambda: first_ok(self.commanders[0].seen, begun, self.first.region), WAIT_SECONDS, "commands at home"
        )
        found = self._release(self.second, self.first)
        self._say(
            f"failed back after {self.report.fail_back_seconds:.1f} s; {found['documents_compared']} documents compared"
        )
        self._operator.stop(self.other)

    def _release(self, one: Running, primary: Running) -> Any:
        """A region serves again, and has read so itself: what was compared."""
        where = ("--primary-endpoint-url", primary.settings["AWS_ENDPOINT_URL"])
        found = self._operator.until_right(one, "failover", "release", "--region", one.region, *where)
        self._operator.wait_replicated()
        return found

    def _failover(self, to: Running, old: Running) -> None:
        """The four steps, as a person runs them in the region that takes over."""
        start = shlex.join([sys.executable, "-m", "worker.cli", "local", "start-region", to.region])
        steps = (
            ("close", "--url", to.public_url or "", "--reason", f"drill: {old.region} to {to.region}"),
            ("rotate", "--start", start, "--ready-url", f"{to.worker_url}/healthz"),
            ("reconcile",),
            ("open", "--canary", "/customers/1"),
        )
        for step, *more in steps:
            begun = time.time()
            done = self._operator.until_right(to, "failover", step, "--to", to.region, "--by", "the drill", *more)
            evidence = done["steps"][step]["evidence"]
            if "started_by" in evidence:  # where this machine keeps its Python is nobody's business
                evidence["started_by"] = evidence["started_by"].replace(sys.executable, "python3")
            seconds = round(time.time() - begun, 1)
            name = f"{step} ({old.region} to {to.region}, epoch {done['epoch']})"
            self.report.steps.append({"step": name, "seconds": seconds, "evidence": evidence})
            self._say(f"{name}: {seconds:.1f} s, {evidence}")
            if step == "rotate":
                self._operator.catch_up(self.stack if to is self.first else self.other, to)

    def _prove(self) -> None:
        """Both regions against the source; every command against the monolith's tables."""
        report = self.report
        self._say("load has ended: waiting until everything is in documents, then comparing all of it")
        for commander in self.commanders:
            commander.join()
        report.commands_without_answer = sum(len(c.finish(WAIT_SECONDS)) for c in self.commanders)
        wait_settled(self.stack, self.first, WAIT_SECONDS)
        self._operator.wait_replicated()
        for one in (self.first, self.second):
            found = self._operator.nearview(one, "verify")
            report.documents_compared += found["verified"]
            report.documents_lost += found["differences"]
        reads = [seen for reader in self.readers for seen in reader.seen]
        sent = [seen for commander in self.commanders for seen in commander.seen]
        commands = [command for commander in self.commanders for command in commander.commands]
        effects = effects_of(self.first.source_url, [command.key for command in commands])
        report.reads, report.commands = len(reads), len(commands)
        report.commands_acknowledged = sum(command.answered for command in commands)
        report.commands_twice = sum(count > 1 for count in effects.values())
        report.commands_lost = sum(command.answered and command.key not in effects for command in commands)
        report.reads_unavailable_seconds = longest_wait(self.readers, self.cut)
        report.commands_unavailable_seconds = longest_wait(self.commanders, self.cut)
        for seen in sent:
            if seen.is_refusal:
                report.refused_reasons[seen.reason] = report.refused_reasons.get(seen.reason, 0) + 1

    def _start_prober(self) -> None:
        checks = next((one for one in (self.first, self.second) if one.region == "us-east-1"), self.second)
        places = {region: {"url": url} for region, url in self._urls.items()}
        environment = {
            **checks.ministack.environment(),
            "REGIONS_TABLE": checks.storage.regions_table,
            "ALARM_PREFIX": "nearview-api-",
            "REGIONS": json.dumps(places),
        }
        settings = prober.Settings(
            self._urls,
            "nearview",
            self.delays.interval,
            self.delays.timeout,
            self.delays.threshold,
            str(self._status),
            environment,
        )
        file = self.stack.folder / "prober.json"
        prober.write_settings(file, settings)
        self.stack.processes.start(PROBER, [sys.executable, "-m", "local.prober", str(file)])
        self.stack.processes.wait_until(self._status.exists, WAIT_SECONDS, "the health checks", [PROBER])

    def _start_workload(self) -> None:
        command = [sys.executable, "-m", "local.monolith", "workload", "--database-url", self.first.source_url]
        self.stack.processes.start(WORKLOAD, [*command, "--rate", str(WORKLOAD_RATE), "--seed", "8"])
