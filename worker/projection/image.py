"""A row image as stored: the row's state, what became of its edges, and the copies it took. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, NamedTuple

import orjson

from contract.values import AttributeValue, Item
from worker.projection.merge import RowState, lag_text, parse_state
from worker.projection.operations import text
from worker.projection.plan import Link
from worker.records.rows import Row, raw_number, row_body

NO_FORMER: Final = "[]"


class Copy(NamedTuple):
    """What a `copy` lookup showed first: the looked-up row's version and kept columns, and the key it has."""

    version: str
    row: Row
    key: str


@dataclass(frozen=True, slots=True)
class Image:
    """A stored row; the texts are as stored, for conditions.

    `former`: parents it left, not yet cleaned up. `covered`: the foreign keys (by id) whose edges are there, those of
    the mapping that wrote it. `copied`: copies by `copy_id`.
    """

    state: RowState
    body: str
    lag: str
    former_text: str
    former: frozenset[Link]
    covered: frozenset[str] = frozenset()
    copied_text: str = ""
    copied: dict[str, Copy] = field(default_factory=dict, hash=False)

    @property
    def version(self) -> str:
        """Version of the row."""
        return self.state.version

    @property
    def row(self) -> Row | None:
        """The kept columns that are known; None for a tombstone."""
        return self.state.row

    def attributes(self) -> dict[str, AttributeValue]:
        """All of it but the keys."""
        return {
            "v": text(self.version),
            "row": text(self.body),
            "lag": text(self.lag),
            "former": text(self.former_text),
            "cov": text(",".join(sorted(self.covered))),
            "copied": text(self.copied_text),
        }


def make_image(state: RowState, former: frozenset[Link], covered: frozenset[str], copied: Mapping[str, Copy]) -> Image:
    """The image of a state that is to be stored."""
    body = "" if state.row is None else row_body(state.row).decode()
    taken = dict(copied)
    return Image(state, body, lag_text(state), former_text(former), former, covered, copied_text(taken), taken)


def read_image(item: Item | None) -> Image | None:
    """The image in a stored item."""
    if item is None:
        return None
    body, lag, former = item["row"]["S"], item["lag"]["S"], item["former"]["S"]
    covered, copied = item["cov"]["S"], item["copied"]["S"]
    return Image(
        state=parse_state(item["v"]["S"], body, lag),
        body=body,
        lag=lag,
        former_text=former,
        former=_parse_former(former),
        covered=frozenset(covered.split(",")) if covered else frozenset(),
        copied_text=copied,
        copied=_parse_copied(copied),
    )


def former_text(links: frozenset[Link]) -> str:
    """Canonical text of former parents: the same set is the same text, so that a condition can compare it."""
    if not links:
        return NO_FORMER
    return json.dumps(sorted([link.parent, list(link.columns), link.key, link.spread] for link in links))


def _parse_former(stored: str) -> frozenset[Link]:
    if stored == NO_FORMER:
        return frozenset()
    return frozenset(Link(parent, tuple(columns), key, spread) for parent, columns, key, spread in json.loads(stored))


def copied_text(copied: Mapping[str, Copy]) -> str:
    """Canonical text of the copies, numbers with the very digits they came with; "" without any."""
    if not copied:
        return ""
    return orjson.dumps(copied, default=raw_number, option=orjson.OPT_SORT_KEYS).decode()


def _parse_copied(stored: str) -> dict[str, Copy]:
    if not stored:
        return {}
    parsed: dict[str, Any] = json.loads(stored, parse_float=Decimal)
    return {name: Copy(*parts) for name, parts in parsed.items()}
