"""Both sides of some documents, as they are now: the source in a new snapshot, then the documents table."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from contract.keys import document_pk
from worker.verify.expected import Expected
from worker.verify.marks import Tokens
from worker.verify.source import Source
from worker.verify.spool import Suspect
from worker.verify.sql import Statement
from worker.verify.target import STRAY, Documents, Stored

_HASHED: Final = "%sha256:"
_ESCAPED: Final = re.compile("%([0-9A-F]{2})")


@dataclass(frozen=True, slots=True)
class Sight:
    """A document as both sides have it."""

    suspect: Suspect
    of: Statement | None
    expected: Expected | None
    stored: Stored | None


@dataclass(frozen=True, slots=True)
class Look:
    """Reads single documents."""

    source: Source
    documents: Documents
    statements: dict[str, Statement]
    tokens: Tokens | None

    def at(self, suspects: list[Suspect]) -> list[Sight]:
        """A sight of each, in the same order."""
        expected: dict[str, Expected] = {}
        for name, statement in self.statements.items():
            mine = [suspect for suspect in suspects if suspect.aggregate == name]
            for document in self._expected(statement, mine):
                expected[document_pk(name, document.key)] = document
        self.source.end_snapshot()
        stored = self.documents.get(suspect.pk for suspect in suspects)
        return [Sight(s, self.statements.get(s.aggregate), expected.get(s.pk), stored.get(s.pk)) for s in suspects]

    def _expected(self, statement: Statement, suspects: list[Suspect]) -> Iterator[Expected]:
        positions = [suspect.position for suspect in suspects if suspect.position is not None]
        if positions:
            yield from self.source.documents(statement, statement.at(positions), self.tokens)
        sought = [parts for s in suspects if s.position is None and (parts := key_parts(s.pk, statement)) is not None]
        if sought:
            yield from self.source.documents(statement, statement.of(sought), self.tokens)


def key_parts(pk: str, statement: Statement) -> tuple[str, ...] | None:
    """Key texts of a document's key columns; None where they cannot be had from its key: hashed, or tokens."""
    key = pk.partition("#")[2]
    if key.startswith(_HASHED) or STRAY in key or any(column.tokened for column, _ in statement.key):
        return None
    return tuple(_ESCAPED.sub(lambda found: chr(int(found[1], 16)), part) for part in key.split("|"))
