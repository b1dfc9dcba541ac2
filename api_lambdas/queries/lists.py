"""What a list may be asked for: an index, a value, a range, an order, a page. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from api_lambdas.queries.catalog import Collection, Index
from api_lambdas.queries.ranges import BOUNDS, Between, between
from api_lambdas.queries.selection import Selection, selection
from api_lambdas.shared.http import Kind, Problem
from contract.keys import index_partition

DEFAULT_LIMIT: Final = 20
MAX_LIMIT: Final = 100
MAX_KEYS: Final = 50
ORDERS: Final = ("asc", "desc")
CONTROLS: Final = ("limit", "cursor", "order", "index", "fields", "key", *BOUNDS)


@dataclass(frozen=True, slots=True)
class ListQuery:
    """A checked request for some documents of an index."""

    index: Index
    partition: str
    limit: int
    descending: bool
    between: Between | None
    cursor: str | None
    chosen: Selection | None

    @property
    def signed(self) -> tuple[str, ...]:
        """What must not change between pages: the range is part of it, the attributes shown are not."""
        bounds = () if self.between is None else (self.between.low, self.between.high)
        return self.index.name, ",".join(self.index.sort), self.partition, str(self.descending), *bounds


def list_query(collection: Collection, parameters: Mapping[str, str]) -> ListQuery:
    """The query that these parameters ask for. Raises Problem."""
    index = _index(collection, parameters)
    fields = parameters.get("fields")
    return ListQuery(
        index=index,
        partition=index_partition(collection.aggregate, index.name, parameters[index.partition]),
        limit=_limit(parameters.get("limit", str(DEFAULT_LIMIT))),
        descending=_descending(parameters.get("order", ORDERS[0])),
        between=between(index, parameters),
        cursor=parameters.get("cursor"),
        chosen=None if fields is None else selection(fields, collection.shown),
    )


def _index(collection: Collection, parameters: Mapping[str, str]) -> Index:
    """The index whose partition attribute is named; `index` chooses if several indexes have the same one."""
    attributes = [name for name in parameters if name not in CONTROLS]
    wanted = parameters.get("index")
    usable = [index for index in collection.indexes if wanted in (None, index.name)]
    found = next((index for index in usable if [index.partition] == attributes), None)
    if found is None:
        allowed = ", ".join(sorted({index.partition for index in usable})) or "none: this collection has no such index"
        raise Problem(Kind.INVALID_REQUEST, f"a list needs one attribute and its value; attributes: {allowed}")
    return found


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 3 and 1 <= int(text) <= MAX_LIMIT):
        raise Problem(Kind.INVALID_REQUEST, f"limit must be a whole number from 1 to {MAX_LIMIT}")
    return int(text)


def _descending(text: str) -> bool:
    if text not in ORDERS:
        raise Problem(Kind.INVALID_REQUEST, f"order must be one of {', '.join(ORDERS)}")
    return text == "desc"
