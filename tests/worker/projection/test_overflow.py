"""How documents are cut, and that they are the same when they are put together."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contract.parts import ELEMENTS, PARTS, joined, part_name, part_sk, whole_bytes
from contract.values import MAX_ITEM_BYTES, Item, attribute_bytes, item_bytes, to_item
from worker.projection.overflow import NOTHING, Sizes, Split, TooLarge, check_fits, split

SMALL = Sizes(document=10_000_000, left=100, list=10, least_part=50, part=200, element=150)

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.text(max_size=60),
    lambda inner: st.lists(inner, max_size=8) | st.dictionaries(st.text(min_size=1, max_size=4), inner, max_size=5),
    max_leaves=25,
)
documents = st.dictionaries(st.text("abcdef", min_size=1, max_size=3), values, max_size=6)


def document(**body: Any) -> Item:
    return to_item({"pk": "order#1", "sk": "#", "_rev": 1, **body})


def stored(found: Split) -> tuple[Item, dict[str, Item]]:
    names = {digest: part_name(1, digest) for digest in found.parts}
    return found.named(names), {part_sk(names[d]): {ELEMENTS: {"L": part}} for d, part in found.parts.items()}


def whole(found: Split) -> Item:
    item, parts = stored(found)
    return {name: value for name, value in joined(item, parts).items() if name != PARTS}


def lines(*numbers: int, size: int = 20) -> list[dict[str, Any]]:
    return [{"line_no": number, "text": f"{number}" + "x" * size} for number in numbers]


@given(documents)
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_a_document_is_the_same_when_it_is_put_together(body: dict[str, Any]) -> None:
    item = document(**body)

    assert whole(split(item, SMALL)) == item


def test_the_largest_lists_go_first_and_small_ones_stay() -> None:
    item = document(tags=["a"], few=lines(1, 2), many=lines(*range(50)))

    found = split(item, Sizes(left=400, list=10))

    assert [at for at, _, _ in found.lists] == [("many",)]
    assert found.item["many"] == NOTHING
    assert found.item["few"] == item["few"]
    assert item_bytes(found.item) <= 400


def test_a_list_below_a_looked_up_row_goes_as_well() -> None:
    item = document(customer={"name": "a", "orders": lines(*range(50))})

    found = split(item, SMALL)

    assert [at for at, _, _ in found.lists] == [("customer", "orders")]
    assert whole(found) == item


def test_an_element_that_is_too_large_gives_up_its_own_lists() -> None:
    item = document(shipments=[{"no": 1, "lines": lines(1)}, {"no": 2, "lines": lines(*range(100))}])

    found = split(item, SMALL)

    assert [at for at, _, _ in found.lists] == [("shipments",), ("shipments", 1, "lines")]
    assert whole(found) == item


def test_parts_keep_their_size_and_are_not_made_anew_by_one_change() -> None:
    sizes = Sizes(left=1_000)
    before = lines(*range(8_000), size=150)
    after = [*before[:3_000], *lines(99_999, size=80), *before[3_001:5_000], *before[5_001:]]

    first, second = (split(document(lines=some), sizes) for some in (before, after))

    assert all(attribute_bytes({"L": part}) <= sizes.part + 3 for part in first.parts.values())
    assert 10 < len(first.parts) < 60
    assert len(second.parts.keys() - first.parts.keys()) <= 4


def test_equal_parts_are_stored_once() -> None:
    item = document(a=lines(*range(8)), b=lines(*range(8)))

    found = split(item, SMALL)

    assert len(found.parts) == len(found.lists[0][2])
    assert whole(found) == item


@pytest.mark.parametrize(
    ("body", "sizes", "why"),
    [
        (
            {"lines": lines(*range(100))},
            Sizes(document=2_000),
            r"the document takes \d\d\d\d bytes; NEARVIEW_MAX_DOCUMENT_BYTES lets it have 2000",
        ),
        (
            {"lines": [{"text": "x" * 500_000}]},
            Sizes(),
            f"an element of lines takes 50000. bytes beside its lists; DynamoDB holds {MAX_ITEM_BYTES} in an item",
        ),
        (
            {"orders": {"lines": [{"a": 1}, {"text": "x" * 500_000, "more": lines(*range(50))}]}},
            Sizes(),
            "an element of orders.lines takes 50....",
        ),
    ],
    ids=["limit", "element", "element with lists"],
)
def test_what_parts_cannot_hold_is_named(body: dict[str, Any], sizes: Sizes, why: str) -> None:
    item = document(**body)

    with pytest.raises(TooLarge, match=f"^{why}") as found:
        split(item, sizes)
    assert found.value.size == item_bytes(item)
    assert "xxx" not in str(found.value)


@pytest.mark.parametrize(("more", "beside"), [({}, "and has no lists"), ({"n": list(range(2000))}, "beside its lists")])
def test_a_document_that_is_too_large_beside_its_lists_says_what_takes_most(more: dict[str, Any], beside: str) -> None:
    found = split(document(title="a", text="x" * 500_000, **more), Sizes())

    with pytest.raises(TooLarge, match=f"^the document takes 50.... bytes {beside}, most of them text; DynamoDB holds"):
        check_fits(stored(found)[0], found.size)


def test_the_item_says_how_large_the_document_is() -> None:
    item = document(lines=lines(*range(100)))

    assert whole_bytes(stored(split(item, SMALL))[0]) == item_bytes(item)
    assert whole_bytes(item) == 0
