"""Promises 1 to 3 where documents hold their rows, and the broken variants that these histories catch."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any

import pytest
from msgspec import structs

from tests.worker.projection.flat_histories import LARGE_VALUES, PLAN, Bold, Careful, change, run, search
from tests.worker.projection.strict_store import StrictStore
from worker.projection import flat_documents, images
from worker.projection.engine import project
from worker.projection.flat_documents import Wanted
from worker.projection.habit import Habit
from worker.projection.operations import Delete, TableName, Update
from worker.records.rows import RowChange

HABITS: tuple[type[Habit], ...] = (Habit, Bold, Careful)
PARTIAL = (0.0, 0.3, 0.8)
"""How often an update leaves the large column out where it stays the same."""


@pytest.mark.parametrize("partial", PARTIAL)
@pytest.mark.parametrize("habit", HABITS)
def test_every_history_ends_with_the_rows_and_nothing_goes_back(habit: type[Habit], partial: float) -> None:
    """Kills between any two operations, zombies, rewinds, reordering, duplicates, lost replies: 200 seeds each."""
    assert search(range(200), habit, partial) == ([], 0)


@pytest.mark.long
@pytest.mark.parametrize("partial", PARTIAL)
@pytest.mark.parametrize("habit", HABITS)
def test_many_more_histories(habit: type[Habit], partial: float) -> None:
    """10,000 further seeds each."""
    assert search(range(1_000_000, 1_010_000), habit, partial) == ([], 0)


def _without_its_column(key: str, moved_to: str, version: int) -> list[RowChange]:
    """The record of a changed key that leaves the large column out."""
    put = change(moved_to, {"val": 1, "team": "a"}, version, ("big",), new=True, moved_from=key)
    return [put, change(key, None, version, ("big",), moved_to=moved_to)]


def _moved_unseen() -> dict[str, Any]:
    """The document of a row whose key was taken again before its move came; then the row's first record comes, late."""
    store = StrictStore()
    for batch in (
        [change("u0", {"val": 1, "team": "a", "big": LARGE_VALUES[1]}, 2)],
        [change("u0", {"val": 2, "team": "a", "big": LARGE_VALUES[1]}, 4, new=True)],
        [change("u0", None, 5)],
        _without_its_column("u0", "u1", 3),
        [change("u0", {"val": 0, "team": "a", "big": LARGE_VALUES[0]}, 1, new=True)],
    ):
        store.drive(project(PLAN, batch, "2026-01-01T00:00:00.000000Z", habit=Habit()))
    return store.items[TableName.DOCUMENTS, "user#u1", "#"]


def test_a_row_that_moved_unseen_waits_and_is_not_filled_from_its_past() -> None:
    document = _moved_unseen()

    assert "_parked" in document
    assert "big" not in document
    assert run(1_002_321, Bold).differences == 0


def test_what_a_document_held_goes_before_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the order of versions a move would find a row that nobody has seen: both tests of it notice that."""
    monkeypatch.setattr(images, "_turn", attrgetter("version"))

    assert _moved_unseen()["big"] == {"S": LARGE_VALUES[0]}
    assert run(1_002_321, Bold).differences > 0


def test_most_documents_stay_flat_and_some_do_not() -> None:
    """The histories are about both, and about the way from one to the other."""
    results = [run(seed) for seed in range(100)]

    assert sum(result.flat for result in results) > 40
    assert sum("_v" not in item for result in results for item in result.store.items.values()) > 100


Patch = Callable[[pytest.MonkeyPatch], None]


def _older_version_is_not_asked_for(patch: pytest.MonkeyPatch) -> None:
    update = flat_documents._update

    def unconditional(one: Wanted) -> Update:
        operation = update(one)
        return Update(operation.table, operation.pk, operation.sk, operation.assign, (one.form,))

    patch.setattr(flat_documents, "_update", unconditional)


def _form_is_not_asked_for(patch: pytest.MonkeyPatch) -> None:
    update = flat_documents._update

    def other_form(one: Wanted) -> Update:
        operation = update(one)
        return Update(operation.table, operation.pk, operation.sk, operation.assign, operation.when[:1])

    patch.setattr(flat_documents, "_update", other_form)


def _what_was_looked_at_is_trusted(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(flat_documents, "_is_still", lambda _item: ())


def _held_state_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    def nothing(*_: Any) -> Any:
        yield from ()
        return []

    patch.setattr(flat_documents, "_states", nothing)


def _tombstone_without_version(patch: pytest.MonkeyPatch) -> None:
    over = flat_documents._over

    def delete(one: Wanted, item: Any, as_of: str) -> Any:
        operation = over(one, item, as_of)
        if one.body is not None or item is None:
            return operation
        return Delete(TableName.DOCUMENTS, operation.pk, operation.sk, operation.when)  # type: ignore[union-attr]

    patch.setattr(flat_documents, "_over", delete)


def _absent_row_is_not_deleted(patch: pytest.MonkeyPatch) -> None:
    wanted = flat_documents._wanted

    def present(*arguments: Any) -> Any:
        return [one for one in wanted(*arguments) if one.body is not None]

    patch.setattr(flat_documents, "_wanted", present)


def _missing_column_is_null(patch: pytest.MonkeyPatch) -> None:
    newest = flat_documents._newest

    def complete(flats: Any, changes: Any) -> Any:
        filled = [
            structs.replace(c, row={**c.row, **dict.fromkeys(c.missing)}, missing=()) if c.row is not None else c
            for c in changes
        ]
        return newest(flats, filled)

    patch.setattr(flat_documents, "_newest", complete)


BROKEN: dict[str, Patch] = {
    "older version is not asked for": _older_version_is_not_asked_for,
    "form is not asked for": _form_is_not_asked_for,
    "what was looked at is trusted": _what_was_looked_at_is_trusted,
    "held state is forgotten": _held_state_is_forgotten,
    "tombstone without version": _tombstone_without_version,
    "absent row is not deleted": _absent_row_is_not_deleted,
    "missing column is NULL": _missing_column_is_null,
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_variant_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The histories are worth something only if each of these defects leads to a wrong document or a step back."""
    BROKEN[name](monkeypatch)

    for start in range(0, 1_000, 100):
        for habit in HABITS:
            for partial in PARTIAL:
                wrong, backward = search(range(start, start + 100), habit, partial)
                if wrong or backward:
                    return
    pytest.fail(f"no history of 9,000 shows the defect: {name}")
