"""Sparse fields."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_lambdas.queries.selection import MAX_FIELDS, paths, select, selection
from api_lambdas.shared.http import Problem
from contract.values import from_item, to_item

SHOWN: Any = {
    "id": None,
    "a.b": None,
    "customer": {"name": None, "country": {"code": None, "name": None}},
    "lines": {"sku": None, "product": {"title": None}},
    "details": None,
}
DOCUMENT: dict[str, Any] = {
    "id": 1,
    "a.b": 2,
    "customer": {"name": "Ada", "country": None},
    "lines": [{"sku": "x", "product": {"title": "X"}}, {"sku": "y", "product": None}],
    "details": {"any": ["JSON"]},
}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("id", {"id": 1}),
        ("lines,id", {"id": 1, "lines": DOCUMENT["lines"]}),
        ("lines.sku", {"lines": [{"sku": "x"}, {"sku": "y"}]}),
        ("lines.product.title", {"lines": [{"product": {"title": "X"}}, {"product": None}]}),
        ("lines.sku,lines.product", {"lines": DOCUMENT["lines"]}),
        ("lines,lines.sku", {"lines": DOCUMENT["lines"]}),
        ("lines.sku,lines", {"lines": DOCUMENT["lines"]}),
        ("customer.country.code", {"customer": {"country": None}}),
        ("a.b,details", {"a.b": 2, "details": {"any": ["JSON"]}}),
        ("id,id", {"id": 1}),
    ],
)
def test_only_what_is_asked_for_is_shown(fields: str, expected: dict[str, Any]) -> None:
    """Null stays null, lists stay lists; the whole of something covers its parts."""
    assert from_item(select(to_item(DOCUMENT), selection(fields, SHOWN))) == expected


@pytest.mark.parametrize(
    "fields",
    [
        "",
        ",",
        "id,",
        "nothing",
        "Id",
        "_rev",
        "pk",
        "customer.",
        ".name",
        "id.x",
        "customer.nothing",
        "details.any",
        "a",
        "lines.0",
        " id",
    ],
)
def test_what_documents_do_not_have_is_refused(fields: str) -> None:
    """What a document's JSON holds is not known, so it cannot be asked for either."""
    with pytest.raises(Problem) as caught:
        selection(fields, SHOWN)
    assert caught.value.kind.status == 400


def test_there_is_a_most_of_fields() -> None:
    assert selection(",".join(["id"] * MAX_FIELDS), SHOWN)
    with pytest.raises(Problem):
        selection(",".join(["id"] * (MAX_FIELDS + 1)), SHOWN)


@given(st.lists(st.sampled_from(list(paths(SHOWN))), min_size=1, max_size=8))
def test_asking_for_several_is_asking_for_each(chosen: list[str]) -> None:
    """In any order: what is shown is all that any of them shows."""
    whole = from_item(select(to_item(DOCUMENT), selection(",".join(chosen), SHOWN)))

    for path in chosen:
        alone = from_item(select(to_item(DOCUMENT), selection(path, SHOWN)))
        assert covers(whole, alone)
    assert covers(DOCUMENT, whole)


def covers(whole: Any, part: Any) -> bool:
    if isinstance(part, dict):
        return all(name in whole and covers(whole[name], value) for name, value in part.items())
    if isinstance(part, list):
        return len(whole) == len(part) and all(map(covers, whole, part))
    return bool(whole == part)
