"""Row images, and documents that hold rows, page by page. The only module here that calls DynamoDB; it never writes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from contract.keys import DOCUMENT_SK, ROW_SK
from contract.parts import PART_SK_PREFIX, PARTS, whole_bytes
from contract.values import Item
from worker.patience import Patience
from worker.projection.flat_documents import holds_row
from worker.projection.image import Image, read_image
from worker.records.rows import RowId

PAGE_ITEMS: Final = 500
"""Items examined by one call, edges included: bounds memory and what a resumed run repeats."""


@dataclass(frozen=True, slots=True)
class Page:
    """Row images in no order, and where the next page begins (None: that was the last)."""

    images: dict[RowId, Image]
    examined: int
    after: Item | None


@dataclass(frozen=True, slots=True)
class DocumentPage:
    """Documents that hold their row, by aggregate and key, and where the next page begins."""

    items: dict[tuple[str, str], Item]
    examined: int
    after: Item | None


@dataclass(frozen=True, slots=True)
class PartPage:
    """Sort keys of parts by document, and the sizes of documents that have any."""

    parts: dict[str, list[str]]
    sizes: list[int]
    examined: int


class _Scan:
    """Strongly consistent scan of a table; throttled pages are tried again."""

    def __init__(self, client: Any, table: str, patience: Patience, page_items: int = PAGE_ITEMS) -> None:
        self._client = client
        self._table = table
        self._patience = patience
        self._page_items = page_items

    def _answers(self, after: Item | None) -> Iterator[dict[str, Any]]:
        """All of them behind a position. Raises FatalError, TransientError."""
        while True:
            answer = self._answer(after)
            yield answer
            after = answer.get("LastEvaluatedKey")
            if after is None:
                return

    def _answer(self, after: Item | None) -> dict[str, Any]:
        answers: list[dict[str, Any]] = []
        self._patience.all(lambda start: answers.append(self._ask(start)), [after])
        return answers[-1]

    def _ask(self, after: Item | None) -> dict[str, Any]:
        more = {} if after is None else {"ExclusiveStartKey": after}
        found: dict[str, Any] = self._client.scan(
            TableName=self._table, ConsistentRead=True, Limit=self._page_items, **self._only(), **more
        )
        return found

    def _only(self) -> dict[str, Any]:
        """Which attributes are wanted; all of them."""
        return {}


class RowScan(_Scan):
    """The row images."""

    def pages(self, wanted: Callable[[str], bool], after: Item | None = None) -> Iterator[Page]:
        """All pages behind a position; images of tables that are `wanted`. Raises FatalError, TransientError."""
        for answer in self._answers(after):
            images: dict[RowId, Image] = {}
            for item in answer["Items"]:
                table, _, key = item["pk"]["S"].partition("#")
                if item["sk"]["S"] == ROW_SK and table and wanted(table) and (image := read_image(item)) is not None:
                    images[table, key] = image
            yield Page(images, answer["ScannedCount"], answer.get("LastEvaluatedKey"))


class DocumentScan(_Scan):
    """The documents that hold their row."""

    def pages(self, wanted: Callable[[str], bool], after: Item | None = None) -> Iterator[DocumentPage]:
        """All pages behind a position; of aggregates that are `wanted`. Raises FatalError, TransientError."""
        for answer in self._answers(after):
            items: dict[tuple[str, str], Item] = {}
            for item in answer["Items"]:
                aggregate, _, key = item["pk"]["S"].partition("#")
                if wanted(aggregate) and item["sk"]["S"] == DOCUMENT_SK and holds_row(item):
                    items[aggregate, key] = item
            yield DocumentPage(items, answer["ScannedCount"], answer.get("LastEvaluatedKey"))


class PartScan(_Scan):
    """The parts of documents that are too large for one item."""

    def pages(self) -> Iterator[PartPage]:
        """All pages. Raises FatalError, TransientError."""
        for answer in self._answers(None):
            parts: dict[str, list[str]] = {}
            for item in answer["Items"]:
                if item["sk"]["S"].startswith(PART_SK_PREFIX):
                    parts.setdefault(item["pk"]["S"], []).append(item["sk"]["S"])
            sizes = [whole_bytes(item) for item in answer["Items"] if PARTS in item]
            yield PartPage(parts, sizes, answer["ScannedCount"])

    def _only(self) -> dict[str, Any]:
        return {"ProjectionExpression": "pk, sk, #parts", "ExpressionAttributeNames": {"#parts": PARTS}}
