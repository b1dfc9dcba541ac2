"""Losses too rare for a random search: the interleaving itself, with the rule and without."""

from __future__ import annotations

import pytest

from tests.model.documents import NewerGeneration
from tests.model.mapping import A, B, Mapping
from tests.model.partial import Change
from tests.model.protocol import project, rebuild_all
from tests.model.rows import Steps, Worker
from tests.model.store import RowId, Store

ORDER = {"val": 1, "big": "a", "extra": "x", "buyer": None, "receiver": None, "seller": None, "code": None}


def _worker(store: Store, mapping: Mapping, broken: str) -> Worker:
    return Worker(store, mapping, frozenset({broken}))


def _customer(key: str, version: int) -> Change:
    return Change("customer", key, version, {"val": 1, "big": "a", "extra": "x", "referrer": None})


def _order(version: int, **columns: str | None) -> Change:
    return Change("order", "o", version, {"agent": None, **ORDER, **columns})


def _run(steps: Steps) -> None:
    for _ in steps:
        pass


def _until(steps: Steps, row: RowId, store: Store) -> None:
    """Let a worker go on until it has written that row's image, then let it die."""
    before = store.images.get(row)
    for _ in steps:
        if store.images.get(row) is not before:
            return


@pytest.mark.parametrize(("broken", "left"), [("", {}), ("former_of_own_references", {"o"})])
def test_an_old_zombie_remembers_a_parent_it_does_not_know(broken: str, left: set[str]) -> None:
    """It moves a row that a new worker has covered; its successor must still find the parent that the row has left."""
    store = Store()
    before = [_customer("c", 2), _customer("d", 4), _order(6, agent="c")]
    _run(project(_worker(store, A, broken), before))
    _run(rebuild_all(_worker(store, B, broken)))
    _run(project(_worker(store, B, broken), before))  # a replay, for the new column
    with pytest.raises(NewerGeneration):
        _run(project(_worker(store, A, broken), [_order(8, agent="d")]))
    _run(project(_worker(store, B, broken), [_order(8, agent="d")]))

    assert set(store.documents["customer", "d"].body["handled"]) == {"o"}
    assert set(store.documents["customer", "c"].body["handled"]) == set(left)


@pytest.mark.parametrize(("broken", "copied"), [("", True), ("copy_not_tried_again", False)])
def test_a_referrer_found_equal_tries_to_copy_again(broken: str, copied: bool) -> None:
    """Its worker died between its image and the look at the looked-up row, which nobody touches again."""
    store = Store()
    worker = _worker(store, A, broken)
    _run(project(worker, [_customer("c", 2)]))
    _until(project(worker, [_order(4, seller="c")]), ("order", "o"), store)
    _run(project(worker, [_order(4, seller="c")]))

    assert (store.documents["order", "o"].body["seller"] is not None) is copied


@pytest.mark.parametrize(("broken", "copied"), [("", True), ("copied_edge_deleted_first", False)])
def test_a_referrer_is_rebuilt_while_its_edge_still_leads_to_it(broken: str, copied: bool) -> None:
    """The looked-up row's worker died right after the edge was deleted, or where that would have been."""
    store = Store()
    worker = _worker(store, A, broken)
    values = {"val": 1, "big": "a", "extra": "x"}
    tag = Change("tag", "t", 6, values)
    _run(project(worker, [_order(2), Change("order_tag", "p", 4, {**values, "order": "o", "tag": "t"})]))
    for _ in project(worker, [tag]):
        image = store.images["order_tag", "p"]
        if image.copies and (not broken or not store.edges["tag", "t"]):
            break
    _run(project(worker, [tag]))

    assert (store.documents["order", "o"].body["tags"]["p"]["tag"] is not None) is copied
