"""The second look: a difference counts only if it stays while nothing moves.

A document is different for good when, after a while, it differs again, the source expects the very same of it and the
stored one has not been written meanwhile. One of the two moved: it is looked at again, some rounds long.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from worker.pace import Pace
from worker.verify.judge import Outcome, digest_of, judge
from worker.verify.look import Look, Sight
from worker.verify.options import Settle
from worker.verify.report import Finding, Report
from worker.verify.spool import Spool, Suspect

_AT_ONCE: Final = 100


def settle(look: Look, spool: Spool, report: Report, how: Settle, pace: Pace, progress: Callable[[str], None]) -> None:
    """Judge every suspect of the spool; those that would not hold still are counted as moving."""
    for number in range(how.rounds):
        if not (left := spool.suspects("", 1)):
            return
        progress(f"looking again at what differed, in {how.seconds:g} s (round {number + 1} of {how.rounds})")
        how.sleep(how.seconds)
        after = ""
        while left := spool.suspects(after, pace.chunk(_AT_ONCE)):
            after = left[-1].pk
            judge_again(look.at(left), spool, report)
            pace.after(len(left))
    after = ""
    while left := spool.suspects(after, _AT_ONCE):
        after = left[-1].pk
        for suspect in left:
            report.counts(suspect.aggregate).moving += 1


def judge_again(sights: list[Sight], spool: Spool, report: Report) -> None:
    """Judge suspects by what is seen of them now; those that moved since they were last seen stay suspects."""
    settled: list[Suspect] = []
    moving: list[Suspect] = []
    for sight in sights:
        now = seen(sight)
        verdict = judge(now.pk, sight.of, sight.expected, sight.stored)
        if isinstance(verdict, Finding) and now != sight.suspect:
            moving.append(now)
            continue
        settled.append(now)
        report.counts(now.aggregate).expected += (sight.expected is not None) - sight.suspect.counted
        if isinstance(verdict, Finding):
            report.add(verdict)
            spool.differ(now, verdict.kind, counted=sight.expected is not None)
        else:
            count(report, now.aggregate, verdict)
    spool.clear(suspect.pk for suspect in settled)
    spool.suspect(moving)


def seen(sight: Sight) -> Suspect:
    """What a sight is to be compared with at the next one."""
    version = None if sight.stored is None else sight.stored.version
    return replace(sight.suspect, expected=digest_of(sight.expected, sight.of), version=version)


def count(report: Report, aggregate: str, outcome: Outcome) -> None:
    """Count what is no difference."""
    counts = report.counts(aggregate)
    counts.equal += outcome is Outcome.EQUAL
    counts.parked += outcome is Outcome.PARKED
