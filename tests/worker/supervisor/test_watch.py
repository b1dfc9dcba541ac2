"""Rounds: stale leaders are freed, stuck leases taken, parked tables told, and no failure ends them."""

import io
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from worker.log import Log
from worker.supervisor.health import Health
from worker.supervisor.leases import Leader, Lease
from worker.supervisor.watch import LeaderWatch, LeaseWatch, Rounds, lease_patience_seconds, silence_seconds

FIRST = Leader("w2.b", "v1", "t", "key")
NEXT = Leader("w2.b", "v2", "t", "key")
LEASE = Lease("shard-1", "w2.b", "", 7)
HANDED = Lease("shard-1", "w2.b", "w3.c", 7)
OURS = "w1.me"


def stale(*seen: tuple[float, Leader, str]) -> list[bool]:
    """Whether the leader is stale after each look at the lock and the holder's last report."""
    watch = LeaderWatch(silence_seconds=20.0)
    return [watch.is_stale(leader, report, now) for now, leader, report in seen]


def test_a_leader_is_stale_once_it_did_not_change_for_two_heartbeats() -> None:
    looks = [(now, FIRST, f"report {now}") for now in (0.0, 30.0, 75.0, 75.1)]
    assert stale(*looks) == [False, False, False, True]


def test_a_heartbeat_begins_the_time_anew() -> None:
    assert not any(stale((0.0, FIRST, ""), (70.0, NEXT, ""), (140.0, NEXT, "")))


def test_one_that_has_stopped_its_reports_as_well_is_stale_after_one_heartbeat() -> None:
    seen = stale((0.0, FIRST, "a"), (15.0, FIRST, "b"), (35.0, FIRST, "b"), (35.1, FIRST, "b"))
    assert seen == [False, False, False, True]


def test_one_that_still_reports_is_given_two_heartbeats() -> None:
    assert not any(stale((0.0, FIRST, "a"), (16.0, FIRST, "b"), (36.0, FIRST, "b"), (55.0, FIRST, "c")))


def test_silence_without_a_missed_heartbeat_is_nothing() -> None:
    assert not any(stale((0.0, FIRST, "a"), (30.0, NEXT, "a"), (60.0, NEXT, "a")))


def test_one_whose_reports_are_not_known_is_given_two_heartbeats() -> None:
    assert not any(stale((0.0, FIRST, ""), (74.0, FIRST, "")))


def test_the_silence_of_another_leader_is_not_this_ones() -> None:
    watch = LeaderWatch(silence_seconds=120.0)
    looks = ((0.0, replace(FIRST, owner="w3.c")), (90.0, FIRST), (126.0, FIRST))
    assert not any(watch.is_stale(leader, "a", now) for now, leader in looks)


@pytest.mark.parametrize(("report_millis", "seconds"), [(500, 20.0), (3333, 20.0), (30_000, 120.0)])
def test_silence_is_four_reports_or_more(report_millis: int, seconds: float) -> None:
    assert silence_seconds(report_millis) == seconds


def stuck(*seen: tuple[float, Lease]) -> list[tuple[str, float]]:
    """Why, and for how long, the lease is stuck after the last look."""
    watch = LeaseWatch(60.0)
    found = [watch.stuck([lease], now) for now, lease in seen][-1]
    return [(one.reason, one.seconds) for one in found]


def test_a_lease_that_is_not_renewed_is_stuck() -> None:
    assert stuck((0.0, LEASE), (60.0, LEASE)) == []
    assert stuck((0.0, LEASE), (30.0, LEASE), (61.0, LEASE)) == [("not renewed", 61.0)]


def test_so_is_one_that_belongs_to_nobody() -> None:
    nobodys = replace(LEASE, owner="")
    assert stuck((0.0, nobodys), (61.0, nobodys)) == [("not renewed", 61.0)]


def test_a_renewal_begins_the_time_anew() -> None:
    renewed = replace(LEASE, counter=8)
    assert stuck((0.0, LEASE), (59.0, renewed), (118.0, renewed)) == []


def test_a_handover_whose_holder_renews_for_ever_is_stuck() -> None:
    renewed = [(now, replace(HANDED, counter=int(now))) for now in (0.0, 30.0, 60.0, 61.0)]
    assert stuck(*renewed[:3]) == []
    assert stuck(*renewed) == [("handover without end", 61.0)]


def test_a_handover_whose_holder_is_dead_is_stuck() -> None:
    assert stuck((0.0, HANDED), (61.0, HANDED)) == [("not renewed", 61.0)]


def test_a_handover_has_its_time_from_its_beginning_on() -> None:
    held = replace(LEASE, owner="w3.c")
    assert stuck((0.0, held), (59.0, HANDED), (100.0, replace(HANDED, counter=9))) == []


def test_a_lease_that_was_away_is_new() -> None:
    watch = LeaseWatch(60.0)
    for now, leases in ((0.0, [LEASE]), (30.0, [])):
        assert watch.stuck(leases, now) == []
    assert watch.stuck([LEASE], 61.0) == []


@pytest.mark.parametrize(("failover_millis", "seconds"), [(2000, 60.0), (10_000, 60.0), (30_000, 180.0)])
def test_a_lease_has_a_minute_or_six_failovers(failover_millis: int, seconds: float) -> None:
    assert lease_patience_seconds(failover_millis) == seconds


class Tables:
    """A coordinator table with a leader that never renews, and what leases it is given."""

    def __init__(self, error: Exception | None = None, leases: list[Lease] | None = None, take: bool = True) -> None:
        self.error = error
        self.rows = leases or []
        self.take = take
        self.taken: list[tuple[Lease, str]] = []
        self.freed: list[Leader] = []
        self.reports: list[str] = []
        self.passed_on: list[tuple[bool, bool, str | None]] = []

    def leader(self) -> Leader:
        if self.error:
            raise self.error
        return FIRST

    def last_report(self, worker_id: str) -> str:
        return self.reports.pop(0) if self.reports else ""

    def free_leader(self, leader: Leader) -> bool:
        self.freed.append(leader)
        return True

    def pass_on(self, is_dead: Callable[[str], bool], successor: str | None) -> int:
        self.passed_on.append((is_dead(FIRST.owner), is_dead("w3.c"), successor))
        return 1

    def leases(self) -> list[Lease]:
        return self.rows

    def take_over(self, lease: Lease, worker_id: str) -> bool:
        self.taken.append((lease, worker_id))
        return self.take


def rounds_of(
    tables: Any, parked: Any, times: list[float], worker_id: str | None = OURS
) -> tuple[Rounds, Health, io.StringIO]:
    """Rounds with their health and log; one time for each round."""
    lines = io.StringIO()
    log = Log("info", lines)
    health = Health(log)
    health.set_daemon("")
    rounds = Rounds(tables, parked, list, lambda: worker_id, health, log, iter(times).__next__, 60.0, 20.0)
    return rounds, health, lines


def stuck_events(lines: io.StringIO) -> list[tuple[str, str, str]]:
    """Shard, former holder and outcome of each lease that was told to be stuck."""
    entries = map(json.loads, lines.getvalue().splitlines())
    return [(one["shard"], one["worker"], one["status"]) for one in entries if one["event"] == "lease_stuck"]


def test_a_stuck_lease_is_taken_for_our_daemon() -> None:
    tables = Tables(leases=[HANDED])
    rounds, health, lines = rounds_of(tables, list, [0.0, 61.0])
    rounds.go()
    assert tables.taken == []
    rounds.go()
    assert tables.taken == [(HANDED, OURS)]
    assert stuck_events(lines) == [("shard-1", "w3.c", "taken")]
    assert health.leases_taken == 1


def test_a_lease_that_changed_meanwhile_is_left() -> None:
    rounds, health, lines = rounds_of(Tables(leases=[LEASE], take=False), list, [0.0, 61.0])
    rounds.go()
    rounds.go()
    assert stuck_events(lines) == [("shard-1", "w2.b", "changed")]
    assert health.leases_taken == 0


def test_our_daemons_own_lease_is_only_told() -> None:
    tables = Tables(leases=[replace(LEASE, owner=OURS)])
    rounds, _, lines = rounds_of(tables, list, [0.0, 61.0])
    rounds.go()
    rounds.go()
    assert tables.taken == []
    assert stuck_events(lines) == [("shard-1", OURS, "ours")]


def test_what_is_handed_over_to_us_by_a_dead_worker_is_taken() -> None:
    tables = Tables(leases=[replace(HANDED, owner=OURS)])
    rounds, _, _ = rounds_of(tables, list, [0.0, 61.0])
    rounds.go()
    rounds.go()
    assert len(tables.taken) == 1


def test_without_a_daemon_no_lease_is_taken() -> None:
    tables = Tables(leases=[LEASE])
    rounds, _, lines = rounds_of(tables, list, [0.0, 61.0], worker_id=None)
    rounds.go()
    rounds.go()
    assert tables.taken == []
    assert stuck_events(lines) == []


def test_leases_are_read_every_fifteen_seconds() -> None:
    tables = Tables()
    reads: list[float] = []
    times = [0.0, 5.0, 10.0, 15.0, 20.0, 30.0]
    rounds, _, _ = rounds_of(tables, list, times)
    tables.leases = lambda: reads.append(0.0) or []  # type: ignore[method-assign, func-returns-value]
    counts = []
    for _ in times:
        rounds.go()
        counts.append(len(reads))
    assert counts == [1, 1, 1, 2, 2, 3]


def test_a_stale_leader_of_another_host_is_freed_and_its_leases_are_taken_over() -> None:
    tables = Tables()
    rounds, _, lines = rounds_of(tables, list, [0.0, 80.0])
    rounds.go()
    assert tables.freed == []
    rounds.go()
    assert tables.freed == [FIRST]
    assert tables.passed_on == [(True, False, "w1.me")]
    assert '"leader_stale"' in lines.getvalue()


@pytest.mark.parametrize(("reports", "freed"), [(["a", "a"], [FIRST]), (["a", "b"], [])])
def test_a_leader_whose_reports_have_stopped_is_freed_sooner(reports: list[str], freed: list[Leader]) -> None:
    tables = Tables()
    tables.reports = reports
    rounds, _, _ = rounds_of(tables, list, [0.0, 40.0])
    rounds.go()
    rounds.go()
    assert tables.freed == freed


def test_an_unreadable_table_is_told_and_the_round_goes_on() -> None:
    error = ClientError({"Error": {"Code": "ThrottlingException", "Message": "secret"}}, "GetItem")
    rounds, health, lines = rounds_of(Tables(error), lambda: ["shop.orders: set X"], [0.0])
    rounds.go()
    assert health.problems() == ["shop.orders: set X"]
    assert "ThrottlingException" in lines.getvalue()
    assert "secret" not in lines.getvalue()


def test_when_parked_tables_cannot_be_read_the_last_state_stays() -> None:
    answers: list[list[str] | None] = [["shop.orders: set X"], None, []]

    def parked() -> list[str]:
        answer = answers.pop(0)
        if answer is None:
            raise RuntimeError("secret")
        return answer

    rounds, health, lines = rounds_of(Tables(), parked, [0.0, 1.0, 2.0])
    seen = []
    for _ in range(3):
        rounds.go()
        seen.append(health.green)
    assert seen == [False, False, True]
    assert "secret" not in lines.getvalue()


def test_a_stalled_shard_turns_health_red_until_it_advances() -> None:
    stalled = [["shard-1 has not advanced for 61 seconds"], []]
    health = Health(Log("info", io.StringIO()))
    health.set_daemon("")
    tables: Any = Tables()
    log = Log("error", io.StringIO())
    rounds = Rounds(tables, list, lambda: stalled.pop(0), lambda: None, health, log, lambda: 0.0, 60.0, 20.0)
    rounds.go()
    assert health.problems() == ["shard-1 has not advanced for 61 seconds"]
    rounds.go()
    assert health.problems() == []
