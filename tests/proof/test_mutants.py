"""Planted defects: the proof is worth something only if its seeds show each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from msgspec import structs

from local.postgres import Postgres
from tests.proof.case import run_case
from worker.projection import assemble, computed, images, merge
from worker.projection.image import NO_FORMER, Image
from worker.projection.plan import Plan
from worker.projection.shape import Shape
from worker.records import rows

SEEDS = range(60)

Patch = Callable[[pytest.MonkeyPatch], None]


def _filters_only_at_the_root(patch: pytest.MonkeyPatch) -> None:
    right = Shape.lets_through
    patch.setattr(Shape, "lets_through", lambda shape, row: bool(shape.join) or right(shape, row))


def _former_parents_forgotten(patch: pytest.MonkeyPatch) -> None:
    make = images._next_image

    def forgetful(*given: Any) -> Image:
        return structs.replace(make(*given), former=frozenset(), former_text=NO_FORMER)

    patch.setattr(images, "_next_image", forgetful)


def _order_as_text(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(assemble, "rank", lambda value: (value is None, str(value)))


def _equal_values_count_once(patch: pytest.MonkeyPatch) -> None:
    values = computed._values
    patch.setattr(computed, "_values", lambda *given: iter(set(values(*given))))


def _hidden_relations_are_shown(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(assemble, "_take_out_hidden", lambda *_: None)


def _a_changed_key_leaves_its_old_row(patch: pytest.MonkeyPatch) -> None:
    changes = rows.RowReader.changes
    patch.setattr(rows.RowReader, "changes", lambda *given: changes(*given)[:1])


def _absent_means_null(patch: pytest.MonkeyPatch) -> None:
    join = merge.merge

    def with_nulls(state: Any, change: Any) -> Any:
        if change.row is not None and change.missing:
            change = structs.replace(change, row={**change.row, **dict.fromkeys(change.missing)}, missing=())
        return join(state, change)

    patch.setattr(images, "merge", with_nulls)


def _one_partition_of_spread_edges_is_read(patch: pytest.MonkeyPatch) -> None:
    queries = Plan.edge_queries
    patch.setattr(Plan, "edge_queries", lambda *given: queries(*given)[:1])


DEFECTS: dict[str, Patch] = {
    "filters only at the root": _filters_only_at_the_root,
    "former parents forgotten": _former_parents_forgotten,
    "order as text": _order_as_text,
    "equal values count once": _equal_values_count_once,
    "hidden relations are shown": _hidden_relations_are_shown,
    "a changed key leaves its old row": _a_changed_key_leaves_its_old_row,
    "absent means NULL": _absent_means_null,
    "one partition of spread edges is read": _one_partition_of_spread_edges_is_read,
}


# Where a defect shows late, the search begins at a seed that shows it (found by a full search).
LATE = {"former parents forgotten": 45, "equal values count once": 17, "hidden relations are shown": 16}


@pytest.fixture(scope="module")
def url(postgres: Postgres) -> Iterator[str]:
    """A database for all cases."""
    postgres.create_database("proof_mutants")
    yield postgres.url("proof_mutants")
    postgres.drop_database("proof_mutants")


@pytest.mark.parametrize("name", DEFECTS)
def test_a_planted_defect_is_caught(url: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within the seeds of `make test`."""
    DEFECTS[name](monkeypatch)

    assert any(run_case(url, seed).findings for seed in (LATE.get(name, 0), *SEEDS))
