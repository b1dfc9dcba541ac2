"""Documents in parts for commands that look at documents."""

from __future__ import annotations

from typing import Any

import pytest

from contract.parts import ELEMENTS, PARTS, PartsMissing, part_name, part_sk
from contract.values import Item, from_item, to_item
from tests.worker.conftest import Tables
from worker.errors import TransientError
from worker.parked.commands import Parked
from worker.projection.overflow import Sizes, split
from worker.whole import KEYS_A_BATCH, whole

SMALL = Sizes(left=100, list=10, least_part=20, part=40)
LINES = [{"line_no": number, "text": "x" * 30} for number in range(KEYS_A_BATCH + 20)]


@pytest.fixture
def document(tables: Tables) -> tuple[Item, list[Item]]:
    """A parked document with more parts than one request asks for."""
    parked = {"_parked": "why", "_rev": 3, "_as_of": "2026-01-01T00:00:00Z", "_i0p": "parked", "_i0s": "order#1"}
    found = split(to_item({"pk": "order#1", "sk": "#", "state": "old", "lines": LINES, **parked}), SMALL)
    names = {digest: part_name(2, digest) for digest in found.parts}
    items = [
        {"pk": found.item["pk"], "sk": {"S": part_sk(names[digest])}, ELEMENTS: {"L": elements}}
        for digest, elements in found.parts.items()
    ]
    head = found.named(names)
    for item in (*items, head):
        tables.client.put_item(TableName=tables.documents, Item=item)
    assert len(items) > KEYS_A_BATCH
    return head, items


def test_a_document_has_all_its_lists(tables: Tables, document: tuple[Item, list[Item]]) -> None:
    head, _ = document

    found = whole(tables.client, tables.documents, head)

    assert found is not None
    assert from_item(found)["lines"] == LINES
    assert whole(tables.client, tables.documents, {"pk": {"S": "a"}}) == {"pk": {"S": "a"}}


def test_it_is_looked_for_some_times_with_pauses(tables: Tables, document: tuple[Item, list[Item]]) -> None:
    head, items = document
    tables.client.delete_item(TableName=tables.documents, Key={"pk": items[0]["pk"], "sk": items[0]["sk"]})
    pauses: list[float] = []

    with pytest.raises(PartsMissing):
        whole(tables.client, tables.documents, head, pauses.append)

    assert pauses == sorted(pauses)
    assert len(pauses) > 2


def test_a_parked_document_shows_its_last_good_state_whole(tables: Tables, document: tuple[Item, list[Item]]) -> None:
    _, items = document
    slept: list[Any] = []
    parked = Parked(tables.client, tables.parked, tables.documents, slept.append)

    found = parked.document("order#1")

    assert found is not None
    assert found[1] == {"state": "old", "lines": LINES}
    assert PARTS not in found[1]
    tables.client.delete_item(TableName=tables.documents, Key={"pk": items[0]["pk"], "sk": items[0]["sk"]})
    with pytest.raises(TransientError, match=r"^parts of the document are not there"):
        parked.document("order#1")
