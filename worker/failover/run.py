"""Runs the steps of a failover. Whatever is stopped, between any two writes, is finished by being run again."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final, Protocol

from contract.regions import Primary, State
from worker.errors import FatalError
from worker.failover import plan
from worker.failover.plan import Done, Failover, RefusedError, Step
from worker.failover.table import RegionsTable

POLL_SECONDS: Final = 1.0
REQUEST_SECONDS: Final = 10
READY_SECONDS: Final = 900

Say = Callable[[str], None]
Evidence = dict[str, Any]


class Programs(Protocol):
    """Runs commands to their end."""

    def run(self, command: list[str]) -> tuple[int, str]:
        """Exit code and what it printed."""

    def nearview(self, *arguments: str) -> tuple[int, Any]:
        """Exit code and what one of our own commands said with --json."""


class Program:
    """Runs a command to its end: what it printed, and its exit code. Its errors go where ours go."""

    def run(self, command: list[str]) -> tuple[int, str]:
        """Raises FatalError if it cannot be started."""
        try:
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        except OSError as error:
            raise FatalError(f"{shlex.join(command)}: cannot be started: {error.strerror}") from None
        return done.returncode, done.stdout

    def nearview(self, *arguments: str) -> tuple[int, Any]:
        """One of our own commands with --json. Raises FatalError if it could not do its work."""
        code, text = self.run([sys.executable, "-m", "worker.cli", *arguments, "--json"])
        try:
            return code, json.loads(text)
        except ValueError:
            raise FatalError(f"nearview {arguments[0]} ended with {code}; its errors are above") from None


class Runner:
    """The steps of one failover, told and noted as they go. Times are microseconds since 1970."""

    def __init__(
        self, table: RegionsTable, program: Programs, say: Say, now: Callable[[], int], sleep: Callable[[float], None]
    ) -> None:
        self._table = table
        self._program = program
        self._say = say
        self._now = now
        self._sleep = sleep

    def planned(self, new: str, url: str, by: str, reason: str) -> Failover:
        """The failover that is under way, or would be. Writes nothing. Raises RefusedError."""
        facts = self._table.facts()
        epoch = facts.primary.epoch if facts.primary else 0
        last = self._table.failover(epoch)
        if last is not None and last.new == new and last.next is not None:
            return last  # the primary was named, and then it was stopped
        stored = self._table.failover(epoch + 1)
        return plan.planned(facts, stored, new, url, by, reason, self._now())

    def close(self, failover: Failover, commands_table: str, fence_seconds: float) -> Failover:
        """No region executes commands: the old one is fenced, and its confirmations have lapsed."""
        if not plan.allowed(failover, Step.CLOSE):
            return failover
        self._table.begin(failover, self._now())
        failover = self._stored(failover)
        fence = plan.fence(failover.epoch, failover.by, failover.reason)
        if not self._table.override(failover.old, fence, self._now()):
            raise RefusedError(f"{failover.old} was closed or opened in a later epoch than {failover.epoch}")
        failover = self._begun(failover, Step.CLOSE)  # after the fence: the wait is counted from here
        begun = failover.steps[Step.CLOSE].begun
        while wait := plan.seconds_to_wait(begun, self._now(), fence_seconds):
            self._say(f"close: {failover.old} is fenced; its confirmations lapse in {wait:.0f} s")
            self._sleep(min(wait, 5.0))
        while (found := self._table.commands(commands_table, self._now())).held:
            self._say(f"close: {found.held} commands are still worked on")
            self._sleep(POLL_SECONDS)
        evidence = {
            "fenced": failover.old,
            "waited_seconds": fence_seconds,
            "commands_without_answer": found.unanswered,
        }
        return self._ended(failover, Step.CLOSE, evidence)

    def rotate(self, failover: Failover, start: str, ready_url: str) -> Failover:
        """The new region's change capture and workers run: `start` starts them, `ready_url` says that they do."""
        if not plan.allowed(failover, Step.ROTATE):
            return failover
        failover = self._begun(failover, Step.ROTATE)
        evidence: Evidence = {}
        if start:
            code, _ = self._program.run(shlex.split(start))
            if code != 0:
                raise FatalError(f"rotate: {start}: ended with {code}; its errors are above")
            evidence["started_by"] = start
        deadline = time.monotonic() + READY_SECONDS
        while ready_url and not (answer := _answer(ready_url)):
            if time.monotonic() > deadline:
                raise FatalError(f"rotate: {ready_url} is not green after {READY_SECONDS} s; run it again")
            self._say(f"rotate: waiting for {ready_url}")
            self._sleep(POLL_SECONDS)
        if ready_url:
            evidence["ready"] = answer
        return self._ended(failover, Step.ROTATE, evidence)

    def reconcile(self, failover: Failover, commands_table: str, sign_off: str) -> Failover:
        """Source, rows, documents and commands agree; what does not is counted, mended, and counted again."""
        if not plan.allowed(failover, Step.RECONCILE):
            return failover
        failover = self._begun(failover, Step.RECONCILE)
        evidence = self.compared()
        evidence["commands_without_answer"] = self._table.commands(commands_table, self._now()).unanswered
        gaps = evidence["differences_after"]
        if gaps and not sign_off:
            failover = failover.with_step(Step.RECONCILE, Done(failover.steps[Step.RECONCILE].begun, 0, evidence))
            self._table.note(failover, Step.RECONCILE, self._now())
            raise RefusedError(
                f"{gaps} documents still differ from the source: run it again when the worker has caught up, or"
                " say who answers for them with --sign-off"
            )
        return self._ended(failover, Step.RECONCILE, {**evidence, **({"signed_off": sign_off} if gaps else {})})

    def compared(self) -> Evidence:
        """Verify, rebuild with every edge, verify: what differed before, what was written, what differs after."""
        _, before = self._program.nearview("verify")
        self._say(f"reconcile: {before['differences']} documents differ from the source before the rebuild")
        _, rebuilt = self._program.nearview("rebuild", "--all", "--edges", "--restart")
        written = sum(result["written"] for result in rebuilt.values())
        self._say(f"reconcile: {written} documents written by the rebuild")
        _, after = self._program.nearview("verify")
        self._say(f"reconcile: {after['differences']} documents differ from the source after it")
        return {
            "documents_compared": after["verified"],
            "differences_before": before["differences"],
            "documents_rebuilt": written,
            "differences_after": after["differences"],
        }

    def open(self, failover: Failover, canary: str) -> Failover:
        """The new region executes commands; a read of it answers."""
        if not plan.allowed(failover, Step.OPEN):
            return failover
        failover = self._begun(failover, Step.OPEN)
        if not self._table.appoint(plan.primary_of(failover), self._now()):
            raise RefusedError(f"another region became the primary of epoch {failover.epoch} or a later one")
        released = plan.release(failover.epoch, self._now(), failover.by, failover.reason)
        self._table.override(failover.new, released, self._now())
        evidence: Evidence = {"primary": failover.new, "epoch": failover.epoch}
        if canary:
            evidence["canary"] = f"{canary}: {_status(failover.url + canary)}"
        return self._ended(failover, Step.OPEN, evidence)

    def register(self, region: str, url: str) -> Primary:
        """Name the first primary. Raises RefusedError if there is one."""
        primary = Primary(region, 1, url)
        if not self._table.appoint(primary, self._now()):
            raise RefusedError("there is a primary already; another one is made by close, rotate, reconcile and open")
        return primary

    def fence(self, region: str, here: str, by: str, reason: str) -> None:
        """A secondary that is lost need not confirm the primary any more, which is `here`. Raises RefusedError."""
        primary = self._table.facts().primary
        if primary is None or primary.region == region:
            raise RefusedError(f"{region} is the primary: close it with `nearview failover close --to` another region")
        if primary.region != here:
            raise RefusedError(f"run this in {primary.region}: the primary has to know of it before anybody else")
        if not self._table.override(region, plan.fence(primary.epoch, by, reason), self._now()):
            raise RefusedError(f"a person has said something of {region} in a later epoch than {primary.epoch}")

    def release(self, region: str, by: str, reason: str) -> None:
        """A region that came back serves again as a secondary. Raises RefusedError if it is not to.

        For a table in the primary's region: it asks every region that is not fenced for its confirmation, and must
        do so again before the region can be made the primary.
        """
        facts = self._table.facts()
        if facts.primary is None or facts.standing(region, self._now()) is not State.FENCED:
            raise RefusedError(f"{region} is not fenced")
        ended = plan.release(facts.primary.epoch, self._now(), by, reason)
        if not self._table.override(region, ended, self._now()):
            raise RefusedError(f"a failover that closes {region} is under way: finish it first")

    def _stored(self, failover: Failover) -> Failover:
        stored = self._table.failover(failover.epoch)
        if stored is None or stored.new != failover.new:
            raise RefusedError(f"another failover of epoch {failover.epoch} was begun: see `nearview failover status`")
        return stored

    def _begun(self, failover: Failover, step: Step) -> Failover:
        if step in failover.steps:
            return failover
        failover = failover.with_step(step, Done(self._now()))
        self._table.note(failover, step, self._now())
        return self._stored(failover)

    def _ended(self, failover: Failover, step: Step, evidence: Mapping[str, Any]) -> Failover:
        failover = failover.with_step(step, Done(failover.steps[step].begun, self._now(), evidence))
        self._table.note(failover, step, self._now())
        return failover


def _answer(url: str) -> Any:
    """What a health page says when it is green; None while it is not, or does not answer."""
    with suppress(OSError, ValueError), urllib.request.urlopen(url, timeout=REQUEST_SECONDS) as reply:  # noqa: S310
        return {"status": reply.status, "problems": json.load(reply).get("problems", [])}
    return None


def _status(url: str) -> int | str:
    try:
        with urllib.request.urlopen(url, timeout=REQUEST_SECONDS) as reply:  # noqa: S310  an address that was given
            return int(reply.status)
    except urllib.error.HTTPError as error:
        return error.code
    except (OSError, ValueError) as error:
        return type(error).__name__
