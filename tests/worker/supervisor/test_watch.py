"""Rounds: stale leaders are freed, parked tables are told, and no failure ends them."""

import io
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from worker.log import Log
from worker.supervisor.health import Health
from worker.supervisor.leases import Leader
from worker.supervisor.watch import LeaderWatch, Rounds

FIRST = Leader("w2.b", "v1", "t", "key")
NEXT = Leader("w2.b", "v2", "t", "key")


def test_a_leader_is_stale_once_it_did_not_change_for_two_heartbeats() -> None:
    watch = LeaderWatch()
    assert [watch.is_stale(FIRST, now) for now in (0.0, 30.0, 75.0, 75.1)] == [False, False, False, True]


def test_a_heartbeat_begins_the_time_anew() -> None:
    watch = LeaderWatch()
    seen = [(FIRST, 0.0), (NEXT, 70.0), (NEXT, 140.0)]
    assert not any(watch.is_stale(leader, now) for leader, now in seen)


class Tables:
    """A coordinator table with a leader that never renews."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.freed: list[Leader] = []
        self.passed_on: list[tuple[bool, bool, str | None]] = []

    def leader(self) -> Leader:
        if self.error:
            raise self.error
        return FIRST

    def free_leader(self, leader: Leader) -> bool:
        self.freed.append(leader)
        return True

    def pass_on(self, is_dead: Callable[[str], bool], successor: str | None) -> int:
        self.passed_on.append((is_dead(FIRST.owner), is_dead("w3.c"), successor))
        return 1


def rounds_of(tables: Any, parked: Any, times: list[float]) -> tuple[Rounds, Health, io.StringIO]:
    """Rounds with their health and log; one time for each round."""
    lines = io.StringIO()
    log = Log("info", lines)
    health = Health(log)
    health.set_daemon("")
    return Rounds(tables, parked, list, lambda: "w1.me", health, log, iter(times).__next__), health, lines


def test_a_stale_leader_of_another_host_is_freed_and_its_leases_are_taken_over() -> None:
    tables = Tables()
    rounds, _, lines = rounds_of(tables, list, [0.0, 80.0])
    rounds.go()
    assert tables.freed == []
    rounds.go()
    assert tables.freed == [FIRST]
    assert tables.passed_on == [(True, False, "w1.me")]
    assert '"leader_stale"' in lines.getvalue()


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
    rounds = Rounds(
        tables, list, lambda: stalled.pop(0), lambda: None, health, Log("error", io.StringIO()), lambda: 0.0
    )
    rounds.go()
    assert health.problems() == ["shard-1 has not advanced for 61 seconds"]
    rounds.go()
    assert health.problems() == []
