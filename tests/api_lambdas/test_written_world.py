"""Thousands of interleavings: no older state passes as fresh, none waits for too long; broken readers are caught."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Final

import pytest

from api_lambdas.queries import awaiting, consistency
from api_lambdas.queries.awaiting import Awaited, Awaiting
from api_lambdas.queries.consistency import State
from api_lambdas.queries.repository import Repository
from api_lambdas.query import QueryApi
from tests.api_lambdas.written_world import Change, Violation, World

Patch = pytest.MonkeyPatch
ROUNDS: Final = 60


def history(seed: int, *, overtaking: bool = False) -> Counter[str]:
    """Commands on the same and other documents, one after the other and together, and reads with their tokens."""
    world = World(seed, overtaking=overtaking)
    given: list[tuple[Change, str]] = []
    said: Counter[str] = Counter()
    for _ in range(ROUNDS):
        given += [world.command() for _ in range(world.random.randrange(3))]
        if world.random.random() < 0.02:
            world.restore()
        world.pass_time(world.random.choice((0.0, 0.0, 0.3, 2.0)))
        if given:
            said[world.read(*world.random.choice(given[-6:]))] += 1
    return said


def _histories(*, overtaking: bool = False) -> Counter[str]:
    return sum((history(seed, overtaking=overtaking) for seed in range(60)), Counter())


def test_no_older_state_passes_as_fresh() -> None:
    """Whatever goes on between two requests; and all that a read can say has been said."""
    said = _histories()

    assert said.total() > 3_000
    assert said["reached"] > 600
    assert min(said[state] for state in ("behind", "unproven", "NOT_CONSISTENT behind")) > 50
    assert said["INVALID_CONSISTENCY_TOKEN "] > 10
    assert set(said) <= {
        *("reached", "behind", "unproven", "INVALID_CONSISTENCY_TOKEN ", "INVALID_REQUEST "),
        *("NOT_CONSISTENT behind", "NOT_CONSISTENT unproven", "NOT_FOUND unproven", "NOT_FOUND behind"),
    }


@pytest.mark.long
def test_no_older_state_passes_as_fresh_in_many_more() -> None:
    for seed in range(1_000, 3_000):
        history(seed)


def _document_before_mark(patch: Patch) -> None:
    known, get = QueryApi._known, Repository.get
    early: dict[str, Any] = {}

    def read_first(api: Any, collection: Any, request: Any, **options: Any) -> Any:
        early["found"] = get(api._repository, "order", request.path.rpartition("/")[2], consistent=True)
        return known(api, collection, request, **options)

    patch.setattr(QueryApi, "_known", read_first)
    patch.setattr(Repository, "get", lambda *_, **__: early["found"])


def _eventual_reads(patch: Patch) -> None:
    get, get_many = Repository.get, Repository.get_many
    patch.setattr(Repository, "get", lambda api, aggregate, key, **_: get(api, aggregate, key))
    patch.setattr(Repository, "get_many", lambda api, aggregate, keys, **_: get_many(api, aggregate, keys))


def _without_incarnation(patch: Patch) -> None:
    def compared(token: Any, mark: Any, region: str) -> State:
        if mark is None or mark.position < token.position:
            return State.BEHIND
        return State.REACHED if mark.region == region else State.UNPROVEN

    patch.setattr(consistency, "_state", compared)


def _one_table_is_enough(patch: Patch) -> None:
    wait = Awaiting.wait
    patch.setattr(Awaiting, "wait", lambda waiting, wish, tables: wait(waiting, wish, tables[:1]))


def _any_table_is_enough(patch: Patch) -> None:
    def best(token: Any, marks: Mapping[str, Any], tables: Any, region: str) -> State:
        states = {consistency._state(token, marks.get(table), region) for table in tables}
        return next((state for state in (State.REACHED, State.UNPROVEN) if state in states), State.BEHIND)

    patch.setattr(awaiting, "state_of", best)


def _every_region_proves(patch: Patch) -> None:
    state = consistency._state
    patch.setattr(consistency, "_state", lambda token, mark, _: state(token, mark, "eu-west-1"))


def _positions_as_text(patch: Patch) -> None:
    def compared(token: Any, mark: Any, region: str) -> State:
        if mark is None or f"{mark.position:x}" < f"{token.position:x}":
            return State.BEHIND
        return State.REACHED if mark.region == region else State.UNPROVEN

    patch.setattr(consistency, "_state", compared)


def _lists_and_parked_prove(patch: Patch) -> None:
    headers = Awaited.headers
    patch.setattr(Awaited, "headers", lambda awaited, **_: headers(awaited))


def _no_bound(patch: Patch) -> None:
    patch.setattr(awaiting, "MAX_CONSISTENCY_WAIT_SECONDS", 60.0)
    wish = Awaiting.wish

    def patient(waiting: Any, request: Any) -> Any:
        found = wish(waiting, request)
        return None if found is None else awaiting.Wish(found.token, found.wait_seconds + 0.5, found.strict)

    patch.setattr(Awaiting, "wish", patient)


def _a_mark_is_kept_for_every_token(patch: Patch) -> None:
    """That is: once reached, always reached, whichever token comes next."""
    state_of = consistency.state_of
    reached: set[str] = set()

    def remembered(token: Any, marks: Mapping[str, Any], tables: Any, region: str) -> State:
        found = state_of(token, marks, tables, region)
        if found is State.REACHED:
            reached.add(region)
        return State.REACHED if region in reached else found

    patch.setattr(awaiting, "state_of", remembered)


MUTANTS: Final[dict[str, Callable[[Patch], None]]] = {
    "the document is read before the mark": _document_before_mark,
    "documents are read eventually consistent": _eventual_reads,
    "positions of another incarnation are compared": _without_incarnation,
    "one of the tables is enough": _one_table_is_enough,
    "any of the tables is enough": _any_table_is_enough,
    "a mark proves in every region": _every_region_proves,
    "positions are compared as text": _positions_as_text,
    "lists and parked documents are proven": _lists_and_parked_prove,
    "it waits on": _no_bound,
    "what was reached once is reached": _a_mark_is_kept_for_every_token,
}


@pytest.mark.parametrize("name", MUTANTS)
def test_broken_readers_are_caught(name: str, monkeypatch: Patch) -> None:
    MUTANTS[name](monkeypatch)

    with pytest.raises(Violation):
        _histories()


def test_a_record_that_put_records_overtakes_is_the_one_exception() -> None:
    """Its followers are sent, and told of, before it. While it is late an older state may pass; no longer."""
    with pytest.raises(Violation):
        _histories(overtaking=True)
    world = World(1, overtaking=True)
    given = [world.command() for _ in range(40)]
    world.pass_time(5)
    while any(world.stream.values()) or world.late:
        world.pass_time(1)
        world._heartbeat = lambda: None  # type: ignore[method-assign]  # no more records come
    for _ in range(60):
        world.read(*world.random.choice(given))
