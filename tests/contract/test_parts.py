"""What readers make of a document in parts."""

from __future__ import annotations

from typing import Any

import pytest

from contract.keys import DOCUMENT_SK
from contract.parts import LOOKS, PartsMissing, lists_of, part_name, part_sk, parts_of, read_whole, revision_of
from contract.values import Item

ONE, TWO, THREE = (part_sk(part_name(revision, "d")) for revision in (1, 2, 3))


def item(*names: tuple[int, str], count: int = 1, **more: Any) -> Item:
    chain = [{"S": part_name(*name)} for name in names]
    lists = {"M": {"at": {"L": [{"S": "lines"}]}, "count": {"N": str(count)}, "names": {"L": chain}}}
    return {
        "pk": {"S": "order#1"},
        "sk": {"S": DOCUMENT_SK},
        "lines": {"NULL": True},
        "_parts": {"M": {"bytes": {"N": "1"}, "lists": {"L": [lists]}}},
        **more,
    }


def part(*elements: str) -> Item:
    return {"elements": {"L": [{"S": text} for text in elements]}}


def read(start: Item, *answers: dict[str, Item]) -> tuple[Item | None, list[tuple[str, ...]]]:
    asked: list[tuple[str, ...]] = []

    def fetch(sort_keys: tuple[str, ...], look: int) -> dict[str, Item]:
        assert look == len(asked)
        asked.append(sort_keys)
        return {sk: one for sk, one in answers[min(look, len(answers) - 1)].items() if sk in sort_keys}

    return read_whole(start, fetch), asked


def test_a_whole_document_takes_one_look_at_its_parts() -> None:
    found, asked = read(item((1, "d"), (2, "d"), count=2), {ONE: part("a"), TWO: part("b")})

    assert found is not None
    assert found["lines"] == {"L": [{"S": "a"}, {"S": "b"}]}
    assert asked == [(ONE, TWO)]


def test_what_is_missing_is_looked_for_again_beside_the_item() -> None:
    """What was found already stays: no name stands for two things."""
    start = item((1, "d"), (2, "d"), count=2)
    found, asked = read(start, {ONE: part("a")}, {DOCUMENT_SK: start, TWO: part("b")})

    assert found is not None
    assert found["lines"] == {"L": [{"S": "a"}, {"S": "b"}]}
    assert asked == [(ONE, TWO), (DOCUMENT_SK, TWO)]


def test_an_item_that_is_newer_by_now_is_read_instead() -> None:
    newer = item((3, "d"), state={"S": "new"})
    found, asked = read(item((1, "d")), {}, {DOCUMENT_SK: newer}, {DOCUMENT_SK: newer, THREE: part("c")})

    assert found is not None
    assert (found["state"], found["lines"]) == ({"S": "new"}, {"L": [{"S": "c"}]})
    assert asked[-1] == (DOCUMENT_SK, THREE)


def test_a_document_that_fits_or_is_gone_by_now_needs_no_parts() -> None:
    small: Item = {"pk": {"S": "order#1"}, "sk": {"S": DOCUMENT_SK}, "lines": {"L": []}}

    assert read(item((1, "d")), {}, {DOCUMENT_SK: small})[0] == small
    assert read(item((1, "d")), {}, {})[0] is None


def test_a_document_is_never_shown_without_a_part() -> None:
    start = item((1, "d"), (2, "d"), count=2)
    asked: list[int] = []

    def fetch(_sort_keys: tuple[str, ...], look: int) -> dict[str, Item]:
        asked.append(look)
        return {DOCUMENT_SK: start, ONE: part("a")}

    with pytest.raises(PartsMissing):
        read_whole(start, fetch)
    assert asked == list(range(LOOKS))


def test_a_list_of_another_length_is_not_shown_either() -> None:
    with pytest.raises(PartsMissing):
        read(item((1, "d"), count=2), {ONE: part("a")})


def test_names_tell_revisions_and_sort_by_them() -> None:
    names = [part_name(revision, "0") for revision in (1, 9, 10, 123_456_789)]

    assert names == sorted(names)
    assert [revision_of(name) for name in names] == [1, 9, 10, 123_456_789]
    assert parts_of(item((1, "d"), (1, "d"))) == (part_name(1, "d"),)
    assert lists_of(item((1, "d"))) == {"lines"}
    assert lists_of({}) == set()
