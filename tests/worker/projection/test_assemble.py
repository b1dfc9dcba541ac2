"""Documents from images and edges that are already read."""

from __future__ import annotations

import dataclasses
from typing import Any

from contract.mapping import Aggregate, Field, FieldType, Filter, Kind, Node
from worker.projection.assemble import Assembled, Memory, assemble
from worker.projection.image import NO_FORMER, Image
from worker.projection.merge import RowState, lag_text
from worker.records.rows import row_body

TAG = Node("tag", Kind.ONE, "tag", ("id",), ("tag_id",), (Field("name", "name"),))
LINE = Node(
    "lines", Kind.MANY, "line", ("id",), ("order_id",), (Field("id", "id"),),
    order_by=("rank",), where=(Filter("kind", ("a", None)),),
)  # fmt: skip
LINK = Node(
    "tags", Kind.MANY, "order_tag", ("order_id", "tag_id"), ("order_id",), (), (TAG,), ("position",), unwrap="tag"
)
ORDER = Node(
    "order", Kind.ROOT, "order", ("id",), (), (Field("id", "id"), Field("total", "total", FieldType.DECIMAL)),
    (LINE, LINK, Node("buyer", Kind.ONE, "customer", ("id",), ("buyer_id",), (Field("name", "name"),))),
)  # fmt: skip
AGGREGATE = Aggregate("order", "orders", ORDER)


def _image(version: str, row: dict[str, Any] | None) -> Image:
    state = RowState(version, row)
    return Image(1, state, "" if row is None else row_body(row).decode(), lag_text(state), NO_FORMER, frozenset())


def _order(**columns: Any) -> Image:
    return _image("1", {"id": 1, "total": 5, "buyer_id": None, **columns})


def _line(version: str, **columns: Any) -> Image:
    return _image(version, {"id": 1, "order_id": 1, "rank": 1, "kind": "a", **columns})


def _memory(order_image: Image, lines: dict[str, Image | None], **more: Any) -> Memory:
    memory = Memory()
    memory.images[("order", "1")] = order_image
    memory.edges[("order", "1", "line", ("order_id",))] = tuple(sorted(lines))
    memory.edges[("order", "1", "order_tag", ("order_id",))] = tuple(more.get("links", ()))
    memory.images.update({("line", key): image for key, image in lines.items()})
    memory.images.update(more.get("images", {}))
    return memory


def _assemble(memory: Memory) -> Assembled:
    return assemble(AGGREGATE, "1", memory)


def test_a_document_has_its_fields_and_empty_relations() -> None:
    """NULL foreign key: null; no children: an empty list."""
    found = _assemble(_memory(_order(), {}))

    assert found.body == {"id": 1, "total": 5, "lines": [], "tags": [], "buyer": None}
    assert found.misfits == ()


def test_children_come_in_their_order_filtered() -> None:
    """By order_by with NULL last, then by key; rows that no filter value matches are absent."""
    lines: dict[str, Image | None] = {
        "1": _line("1", id=1, rank=None),
        "2": _line("1", id=2, rank=10),
        "3": _line("1", id=3, rank=9, kind=None),
        "4": _line("1", id=4, rank=9),
        "5": _line("1", id=5, kind="b"),
    }
    found = _assemble(_memory(_order(), lines))

    assert found.body is not None
    assert [line["id"] for line in found.body["lines"]] == [3, 4, 2, 1]


def test_an_edge_counts_only_if_the_child_points_back() -> None:
    """What has left or was deleted is not shown, but it is in the fingerprint."""
    here = _assemble(_memory(_order(), {"1": _line("1")}))
    left = _assemble(_memory(_order(), {"1": _line("2", order_id=2)}))
    gone = _assemble(_memory(_order(), {"1": _image("2", None)}))
    unseen = _assemble(_memory(_order(), {"1": None}))

    assert here.body is not None
    assert here.body["lines"] == [{"id": 1}]
    for other in (left, gone, unseen):
        assert other.body is not None
        assert other.body["lines"] == []
    assert len({found.fingerprint for found in (here, left, unseen)}) == 3


def test_an_equal_body_of_another_version_has_another_fingerprint() -> None:
    """Bodies may be equal on the way through different states; the fingerprint may not."""
    assert _assemble(_memory(_order(), {})).fingerprint != _assemble(_memory(_image("2", _order().row), {})).fingerprint


def test_an_unwrapped_list_holds_the_far_rows() -> None:
    """Links whose far row is missing are left out."""
    images: dict[tuple[str, str], Image | None] = {
        ("order_tag", "1|7"): _image("1", {"order_id": 1, "tag_id": 7, "position": 2}),
        ("order_tag", "1|8"): _image("1", {"order_id": 1, "tag_id": 8, "position": 1}),
        ("order_tag", "1|9"): _image("1", {"order_id": 1, "tag_id": 9, "position": 0}),
        ("tag", "7"): _image("1", {"id": 7, "name": "seven"}),
        ("tag", "8"): _image("1", {"id": 8, "name": "eight"}),
        ("tag", "9"): None,
    }
    found = _assemble(_memory(_order(), {}, links=("1|7", "1|8", "1|9"), images=images))

    assert found.body is not None
    assert found.body["tags"] == [{"name": "eight"}, {"name": "seven"}]


def test_a_value_that_does_not_fit_is_named_without_showing_it() -> None:
    """The place, the column and the type; never the value."""
    found = _assemble(_memory(_order(total="secret"), {}))

    assert found.misfits == ("/: order.total as decimal: not a number",)


def test_a_row_whose_column_was_never_seen_makes_the_document_wait() -> None:
    """An update came before its insert: the large column is not NULL, it is unknown."""
    row = {name: value for name, value in (_order().row or {}).items() if name != "total"}
    found = _assemble(_memory(_image("1", row), {}))

    assert found.misfits == ("/: order: total of this row not seen yet",)


def test_no_root_is_no_document() -> None:
    """A deleted root is a tombstone, one never seen is nothing."""
    deleted = _assemble(_memory(_image("2", None), {}))
    memory = _memory(_order(), {})
    memory.images["order", "1"] = None
    unseen = _assemble(memory)

    assert (deleted.body, deleted.root_seen) == (None, True)
    assert (unseen.body, unseen.root_seen) == (None, False)


def test_a_row_whose_filter_column_was_never_seen_makes_the_document_wait() -> None:
    """NULL may fail the filter, unknown may not: the row could belong there. What was seen may settle it."""
    unknown = _assemble(_memory(_order(), {"1": _image("1", {"id": 1, "order_id": 1, "rank": 1})}))
    rule = Filter("note", ("x",))
    strict = dataclasses.replace(LINE, where=(*LINE.where, rule))
    aggregate = dataclasses.replace(AGGREGATE, root=dataclasses.replace(ORDER, children=(strict, LINK)))

    def strictly(kind: str) -> Assembled:
        return assemble(aggregate, "1", _memory(_order(), {"1": _line("1", kind=kind)}))

    assert unknown.misfits == ("/lines/1: line: kind of this row not seen yet",)
    assert strictly("a").misfits == ("/lines/1: line: note of this row not seen yet",)
    assert strictly("b").misfits == ()
    assert strictly("a").body == strictly("b").body == {"id": 1, "total": 5, "lines": [], "tags": []}
