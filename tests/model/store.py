"""What is stored: row images, edges, documents, markers; and what must never happen to them, watched at every write."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from tests.model.mapping import Link, Reference
from tests.model.partial import NEVER, UNSEEN, Cells, State

RowId = tuple[str, str]
EdgeKey = tuple[str, str, str]
"""Child table, foreign key, child key."""


@dataclass(frozen=True, slots=True)
class Image:
    """A row image: its state; the parents it left; the references whose edges stand; copies of looked-up rows."""

    state: State
    former: frozenset[Link] = frozenset()
    cov: frozenset[Reference] = frozenset()
    copies: dict[Reference, tuple[str, Cells]] = field(default_factory=dict)

    @property
    def version(self) -> int:
        """Version of the row."""
        return self.state.version

    def value(self, column: str) -> Any:
        """A column's value; None when it is not seen, or the row deleted."""
        if self.state.cells is None or column not in self.state.cells:
            return None
        value = self.state.cells[column].value
        return None if value == UNSEEN else value

    def seen(self, column: str) -> bool:
        """Whether the row lives and the column is known."""
        cells = self.state.cells
        return cells is not None and column in cells and cells[column].value != UNSEEN


@dataclass(frozen=True, slots=True)
class Document:
    """A document: its head, the last good body (None: deleted or never there) and the generation that body is of."""

    revision: int = 0
    fingerprint: frozenset[Any] = frozenset()
    generation: int = 0
    body: Any = None
    body_generation: int = 0
    waiting: bool = False


DocumentId = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Due:
    """How far a pass has come over the rows that point at one; `again`: put again since it began."""

    revision: int
    after: str = ""
    again: bool = False


DueId = tuple[int, str, tuple[str, ...], str]
"""Shard, aggregate, way down from its root, key of the row that many point at."""


class Store:
    """Dictionaries. Every access between two `yield`s of the protocol is one atomic operation."""

    def __init__(self) -> None:
        self.images: dict[RowId, Image] = {}
        self.edges: dict[RowId, dict[EdgeKey, int]] = defaultdict(dict)
        self.documents: dict[DocumentId, Document] = {}
        self.fence = 1
        self.ready = 1
        self.settled: dict[RowId, int] = {}
        self.problems: set[str] = set()
        self.follows = 1_000_000
        self.due: dict[DueId, Due] = {}
        self._revision = 0

    def next_revision(self, first: bool = False) -> int:
        """A number that was never given before, or with the defect one that begins anew."""
        self._revision = 1 if first else self._revision + 1
        return self._revision

    def version(self, row: RowId) -> int:
        """Version of a stored row."""
        return self.images[row].version if row in self.images else NEVER

    def swap_image(self, row: RowId, read: Image | None, image: Image, ignore: tuple[str, ...] = ()) -> bool:
        """Write an image if the stored one has the version, lag, cov and copies that were read; `ignore` breaks it."""
        stored = self.images.get(row)
        if _condition(stored, ignore) != _condition(read, ignore):
            return False
        if stored is not None:
            self._watch_image(stored, image)
        self.images[row] = image
        return True

    def put_edge(self, parent: RowId, edge: EdgeKey, version: int) -> bool:
        """Insert; False if it exists."""
        if edge in self.edges[parent]:
            return False
        self.edges[parent][edge] = version
        return True

    def raise_edge(self, parent: RowId, edge: EdgeKey, version: int) -> bool:
        """Raise an edge's version, never lower it; False if it has gone."""
        if edge not in self.edges[parent]:
            return False
        self.edges[parent][edge] = max(self.edges[parent][edge], version)
        return True

    def delete_edge(self, parent: RowId, edge: EdgeKey, below: int) -> None:
        """Delete an edge older than that."""
        if self.edges[parent].get(edge, below) < below:
            del self.edges[parent][edge]

    def swap_document(self, key: DocumentId, read: Document, document: Document, generation_counts: bool) -> bool:
        """Write a document if its revision is the one read and no newer generation has written it."""
        stored = self.documents.get(key, Document())
        if stored.revision != read.revision or (generation_counts and stored.generation > document.generation):
            return False
        if stored.generation > document.generation:
            self.problems.add("a document went back to an older generation")
        self.documents[key] = document
        return True

    def _watch_image(self, stored: Image, image: Image) -> None:
        if image.version < stored.version:
            self.problems.add("an image went back")
        for reference, (key, cells) in stored.copies.items():
            same = image.seen(reference.column) and image.value(reference.column) == key
            if same and image.copies.get(reference) != (key, cells):
                self.problems.add("a copy changed while its foreign key stayed")


def lag(image: Image) -> tuple[Any, ...]:
    """What is not simply `the row at its version`: versions of cells that differ from it, and what a move left."""
    state = image.state
    older = {c: cell[0] for c, cell in (state.cells or {}).items() if cell[0] != state.version}
    moves = [(m.version, m.dead, m.to, {c: cell[0] for c, cell in m.kept.items()}) for m in state.moves]
    return older, state.dead if older else NEVER, moves


def columns_of(image: Image) -> frozenset[str]:
    """The columns that the writer of an image kept."""
    return frozenset(image.state.cells or {})


def _condition(image: Image | None, ignore: tuple[str, ...]) -> tuple[Any, ...]:
    if image is None:
        return ()
    parts = {"version": image.version, "lag": lag(image), "columns": columns_of(image), "cov": image.cov}
    parts["copies"] = image.copies
    return tuple(value for name, value in parts.items() if name not in ignore)
