"""What a run has seen and not settled, in a private database of SQLite, so that memory stays bounded.

About 100 bytes a stored document (key, state, digest: no values), and a line for each document that differed when it
was first compared. Without a path the database has no name and vanishes with the process; with one, a run that was cut
off goes on from its last finished step.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from worker.verify.errors import VerifyError
from worker.verify.target import State, key_of

_CACHE_KIBIBYTES: Final = 32_768
_TABLES: Final = """
CREATE TABLE IF NOT EXISTS note (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS entry (pk TEXT PRIMARY KEY, state INTEGER, has_body INTEGER, digest BLOB) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS suspect
  (pk TEXT PRIMARY KEY, position TEXT, expected BLOB, version TEXT, counted INTEGER) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS difference (pk TEXT PRIMARY KEY, position TEXT, kind TEXT, counted INTEGER) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """A stored document: `digest` of its body, `has_body` False for one that readers do not get."""

    pk: str
    state: State
    has_body: bool
    digest: bytes


@dataclass(frozen=True, slots=True)
class Suspect:
    """A document that differed: where the source had it, what was expected, which version was stored; None: nothing.

    `counted`: it stands among the expected ones of the report.
    """

    pk: str
    position: tuple[str, ...] | None = None
    expected: bytes | None = None
    version: str | None = None
    counted: bool = False

    @property
    def aggregate(self) -> str:
        """Name of the aggregate in the key."""
        return self.pk.partition("#")[0]

    @property
    def key(self) -> str:
        """Key text of the document."""
        return key_of(self.pk)


class Spool:
    """Entries by pk; taking one removes it, so what is left at the end has no source row. Raises VerifyError."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        with _translated(path):
            if path is not None:
                os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))  # keys are in it
            # an empty name is a temporary database: in memory up to the cache's size, then on disk
            self._database = sqlite3.connect(path or "", isolation_level=None, timeout=0)
            self._database.execute(f"PRAGMA cache_size = -{_CACHE_KIBIBYTES}")
            self._database.execute("PRAGMA locking_mode = EXCLUSIVE")  # two runs would spoil each other's state
            if path is None:
                self._database.execute("PRAGMA journal_mode = OFF")
            with self.step():
                for table in _TABLES.split(";"):
                    self._database.execute(table)

    @contextmanager
    def step(self) -> Iterator[None]:
        """All of this or nothing, even if the process dies."""
        with _translated(self._path):
            self._database.execute("BEGIN EXCLUSIVE")
            yield
            self._database.execute("COMMIT")

    def note(self, name: str) -> Any:
        """What was noted under a name, None if nothing was."""
        row = self._database.execute("SELECT value FROM note WHERE name = ?", (name,)).fetchone()
        return None if row is None else json.loads(row[0])

    def write_note(self, name: str, value: Any) -> None:
        """Note a JSON value."""
        self._database.execute("INSERT OR REPLACE INTO note VALUES (?, ?)", (name, json.dumps(value)))

    def add(self, entries: Iterable[Entry]) -> None:
        """Keep entries; of one pk seen twice (moved between two pages) the later."""
        self._database.executemany(
            "INSERT OR REPLACE INTO entry VALUES (?, ?, ?, ?)",
            ((entry.pk, entry.state.value, entry.has_body, entry.digest) for entry in entries),
        )

    def take(self, pk: str) -> Entry | None:
        """The entry of a pk, once."""
        row = self._database.execute("SELECT * FROM entry WHERE pk = ?", (pk,)).fetchone()
        if row is None:
            return None
        self._database.execute("DELETE FROM entry WHERE pk = ?", (pk,))
        return _entry(row)

    def rest(self, after: str, limit: int) -> list[Entry]:
        """What nobody took, by pk, behind a pk."""
        rows = self._database.execute("SELECT * FROM entry WHERE pk > ? ORDER BY pk LIMIT ?", (after, limit))
        return [_entry(row) for row in rows]

    def suspect(self, suspects: Iterable[Suspect]) -> None:
        """Keep documents to be looked at again, with what was seen of them last."""
        self._database.executemany(
            "INSERT OR REPLACE INTO suspect VALUES (?, ?, ?, ?, ?)",
            ((s.pk, _json(s.position), s.expected, s.version, s.counted) for s in suspects),
        )

    def suspects(self, after: str, limit: int) -> list[Suspect]:
        """Documents to be looked at again, by pk, behind a pk."""
        rows = self._database.execute("SELECT * FROM suspect WHERE pk > ? ORDER BY pk LIMIT ?", (after, limit))
        return [Suspect(pk, _position(where), expected, version, bool(n)) for pk, where, expected, version, n in rows]

    def clear(self, pks: Iterable[str]) -> None:
        """Look at these no more."""
        self._database.executemany("DELETE FROM suspect WHERE pk = ?", ((pk,) for pk in pks))

    def differ(self, suspect: Suspect, kind: str, *, counted: bool) -> None:
        """Keep a document that differs for good."""
        row = (suspect.pk, _json(suspect.position), kind, counted)
        self._database.execute("INSERT OR REPLACE INTO difference VALUES (?, ?, ?, ?)", row)

    def differing(self, after: str, limit: int) -> list[tuple[Suspect, str]]:
        """Documents that differ for good, with their kind, by pk, behind a pk."""
        rows = self._database.execute("SELECT * FROM difference WHERE pk > ? ORDER BY pk LIMIT ?", (after, limit))
        return [(Suspect(pk, _position(where), counted=bool(n)), kind) for pk, where, kind, n in rows]

    def forget_differing(self, pks: Iterable[str]) -> None:
        """They are to be judged anew."""
        self._database.executemany("DELETE FROM difference WHERE pk = ?", ((pk,) for pk in pks))

    def drop(self) -> None:
        """The run is over: the next one begins anew."""
        self.close()
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def close(self) -> None:
        """Leave a named database as it is, drop one without a name."""
        self._database.close()


@contextmanager
def _translated(path: Path | None) -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        busy = "locked" in str(error)
        raise VerifyError(f"--state {path}: {'another run uses it' if busy else error}") from None
    except sqlite3.DatabaseError:
        raise VerifyError(f"--state {path} is no state of nearview verify") from None
    except OSError as error:
        raise VerifyError(f"--state {path}: {error.strerror}") from None


def _json(position: tuple[str, ...] | None) -> str | None:
    return None if position is None else json.dumps(position)


def _position(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(json.loads(text))


def _entry(row: tuple[str, int, int, bytes]) -> Entry:
    pk, state, has_body, digest = row
    return Entry(pk, State(state), bool(has_body), digest)
