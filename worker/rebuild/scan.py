"""The row images of some tables, page by page. The only module here that calls DynamoDB itself; it never writes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from contract.keys import ROW_SK
from contract.values import Item
from worker.patience import Patience
from worker.projection.image import Image, read_image
from worker.projection.images import RowId

PAGE_ITEMS: Final = 500
"""Items examined by one call, edges included: bounds memory and what a resumed run repeats."""


@dataclass(frozen=True, slots=True)
class Page:
    """Row images in no order, and where the next page begins (None: that was the last)."""

    images: dict[RowId, Image]
    examined: int
    after: Item | None


class RowScan:
    """Strongly consistent scan of the rows table; throttled pages are tried again."""

    def __init__(self, client: Any, table: str, patience: Patience, page_items: int = PAGE_ITEMS) -> None:
        self._client = client
        self._table = table
        self._patience = patience
        self._page_items = page_items

    def pages(self, wanted: Callable[[str], bool], after: Item | None = None) -> Iterator[Page]:
        """All pages behind a position; images of tables that are `wanted`. Raises FatalError, TransientError."""
        while True:
            page = self._patiently(wanted, after)
            yield page
            after = page.after
            if after is None:
                return

    def _patiently(self, wanted: Callable[[str], bool], after: Item | None) -> Page:
        pages: list[Page] = []
        self._patience.all(lambda start: pages.append(self._page(wanted, start)), [after])
        return pages[-1]

    def _page(self, wanted: Callable[[str], bool], after: Item | None) -> Page:
        more = {} if after is None else {"ExclusiveStartKey": after}
        answer = self._client.scan(TableName=self._table, ConsistentRead=True, Limit=self._page_items, **more)
        images: dict[RowId, Image] = {}
        for item in answer["Items"]:
            table, _, key = item["pk"]["S"].partition("#")
            if item["sk"]["S"] == ROW_SK and table and wanted(table) and (image := read_image(item)) is not None:
                images[table, key] = image
        return Page(images, answer["ScannedCount"], answer.get("LastEvaluatedKey"))
