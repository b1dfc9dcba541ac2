"""What the documents table holds, one line a document in a private temporary database, so that memory stays bounded.

About 100 bytes a document: key, state and digest, no values. The file has no name and vanishes with the process.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from worker.verify.target import State

_CACHE_KIBIBYTES: Final = 32_768


@dataclass(frozen=True, slots=True)
class Entry:
    """A stored document: `digest` of its body, `has_body` False for one that readers do not get."""

    pk: str
    state: State
    has_body: bool
    digest: bytes


class Spool:
    """Entries by pk; taking one removes it, so what is left at the end has no source row."""

    def __init__(self) -> None:
        # an empty name is a temporary database: in memory up to the cache's size, then on disk
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.execute(f"PRAGMA cache_size = -{_CACHE_KIBIBYTES}")
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute(
            "CREATE TABLE entry (pk TEXT PRIMARY KEY, state INTEGER, has_body INTEGER, digest BLOB) WITHOUT ROWID"
        )

    def add(self, entries: Iterable[Entry]) -> None:
        """Keep entries; of one pk seen twice (moved between two pages) the later."""
        self._database.execute("BEGIN")
        self._database.executemany(
            "INSERT OR REPLACE INTO entry VALUES (?, ?, ?, ?)",
            ((entry.pk, entry.state.value, entry.has_body, entry.digest) for entry in entries),
        )
        self._database.execute("COMMIT")

    def take(self, pk: str) -> Entry | None:
        """The entry of a pk, once."""
        row = self._database.execute("SELECT * FROM entry WHERE pk = ?", (pk,)).fetchone()
        if row is None:
            return None
        self._database.execute("DELETE FROM entry WHERE pk = ?", (pk,))
        return _entry(row)

    def rest(self) -> Iterator[Entry]:
        """What nobody took, by pk."""
        for row in self._database.execute("SELECT * FROM entry ORDER BY pk"):
            yield _entry(row)

    def close(self) -> None:
        """Drop everything."""
        self._database.close()


def _entry(row: tuple[str, int, int, bytes]) -> Entry:
    pk, state, has_body, digest = row
    return Entry(pk, State(state), bool(has_body), digest)
