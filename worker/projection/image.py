"""A row image as stored: the row's state, what became of its edges, and the copies it took. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

import orjson
from msgspec import field

from contract.keys import ROW_SK
from contract.mapping import Reference
from contract.values import AttributeValue, Item
from worker.projection.merge import RowState, lag_text, parse_state, read_stored
from worker.projection.operations import AnyInsert, Insert, InsertImage, TableName
from worker.projection.plan import NOWHERE, Link
from worker.records.rows import Row, raw_number, row_body
from worker.value import Value

NO_FORMER: Final = "[]"


class Copy(NamedTuple):
    """What a `copy` lookup showed first: the looked-up row's version and kept columns, and the key it has."""

    version: str
    row: Row
    key: str


class Image(Value, frozen=True):
    """A stored row; the texts are as stored, for conditions.

    `revision` rises with every write of the image but the clean-up of `former`: what is written has been read.
    `former`: parents it left, not yet cleaned up. `covered`: the foreign keys whose edges are there, those of the
    mapping that wrote it. `copied`: copies by `copy_id`.
    """

    revision: int
    state: RowState
    body: str
    lag: str
    former_text: str
    former: frozenset[Link]
    covered: frozenset[Reference] = frozenset()
    copied_text: str = ""
    copied: dict[str, Copy] = field(default_factory=dict)

    @property
    def version(self) -> str:
        """Version of the row."""
        return self.state.version

    @property
    def row(self) -> Row | None:
        """The kept columns that are known; None for a tombstone."""
        return self.state.row

    def attributes(self) -> dict[str, AttributeValue]:
        """All of it but the keys, for a write over another image."""
        return {
            "rev": {"N": str(self.revision)},
            "v": {"S": self.state.version},
            "row": {"S": self.body},
            "cov": {"S": _covered_text(self.covered)},
            "lag": {"S": self.lag},
            "former": {"S": self.former_text},
            "copied": {"S": self.copied_text},
        }

    def first(self, pk: str) -> AnyInsert:
        """The same where nothing is written over: what an ordinary row has not is left out."""
        if self.lag or self.copied_text or self.former:
            return Insert(TableName.ROWS, pk, ROW_SK, {"pk": {"S": pk}, "sk": {"S": ROW_SK}, **self.attributes()})
        return InsertImage(pk, self.state.version, self.body, _covered_text(self.covered))


def make_image(
    state: RowState,
    former: frozenset[Link],
    covered: frozenset[Reference],
    copied: dict[str, Copy],
    stored: Image | None,
) -> Image:
    """The image of a state that is to be stored over another."""
    body = "" if state.row is None else row_body(state.row).decode()
    if stored is None and not (state.older or state.moves or former or copied):
        return Image(1, state, body, "", NO_FORMER, former, covered)
    revision = stored.revision + 1 if stored else 1
    lag = lag_text(state)
    return Image(revision, state, body, lag, former_text(former), former, covered, copied_text(copied), copied)


def read_image(item: Item | None) -> Image | None:
    """The image in a stored item."""
    if item is None:
        return None
    body, covered = item["row"]["S"], item["cov"]["S"]
    # the first image of an ordinary row has none of these
    lag = item["lag"]["S"] if "lag" in item else ""
    former = item["former"]["S"] if "former" in item else NO_FORMER
    copied = item["copied"]["S"] if "copied" in item else ""
    return Image(
        int(item["rev"]["N"]),
        parse_state(item["v"]["S"], body, lag),
        body,
        lag,
        former,
        NOWHERE if former == NO_FORMER else _parse_former(former),
        _parse_covered(covered),
        copied,
        _parse_copied(copied) if copied else {},
    )


def covered_by(item: Item) -> frozenset[Reference]:
    """The foreign keys whose edges are there, of a stored item."""
    return _parse_covered(item["cov"]["S"])


def former_text(links: frozenset[Link]) -> str:
    """Canonical text of former parents: the same set is the same text, so that a condition can compare it."""
    if not links:
        return NO_FORMER
    return json.dumps(sorted([link.parent, list(link.columns), link.key, link.spread] for link in links))


def _parse_former(stored: str) -> frozenset[Link]:
    return frozenset(Link(parent, tuple(columns), key, spread) for parent, columns, key, spread in json.loads(stored))


@lru_cache(maxsize=1024)  # one text per table and mapping
def _covered_text(covered: frozenset[Reference]) -> str:
    parts = sorted([ref.parent, list(ref.columns), ref.spread, ref.followed] for ref in covered)
    return json.dumps(parts) if parts else ""


@lru_cache(maxsize=1024)
def _parse_covered(stored: str) -> frozenset[Reference]:
    parts = json.loads(stored) if stored else []
    return frozenset(
        Reference(tuple(columns), parent, followed=followed, spread=spread)
        for parent, columns, spread, followed in parts
    )


def copied_text(copied: Mapping[str, Copy]) -> str:
    """Canonical text of the copies, numbers with the very digits they came with; "" without any."""
    if not copied:
        return ""
    plain = {name: list(copy) for name, copy in copied.items()}
    return orjson.dumps(plain, default=raw_number, option=orjson.OPT_SORT_KEYS).decode()


def _parse_copied(stored: str) -> dict[str, Copy]:
    parsed: dict[str, Any] = read_stored(stored)
    return {name: Copy(*parts) for name, parts in parsed.items()}
