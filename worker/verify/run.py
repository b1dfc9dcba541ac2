"""The comparison itself, in steps that each hold little, take one snapshot, and can be gone on from.

1. The documents table is spooled as digests. 2. Chunk by chunk in the order of the source's keys, every expected
document is met with its own; where they differ, the stored one is read again. 3. Whatever is left in the spool has no
row. 4. What differed is looked at again after a while (`worker.verify.settle`): only what stays as it is counts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import asdict
from itertools import islice
from typing import Any, Final

from contract.keys import document_pk
from contract.mapping import Mapping
from worker.dms.documents import Settings
from worker.verify.carried import carried, not_carried
from worker.verify.columns import with_policies
from worker.verify.compare import digest
from worker.verify.errors import VerifyError
from worker.verify.expected import Expected
from worker.verify.judge import Outcome, index_of, judge
from worker.verify.look import Look, Sight
from worker.verify.marks import Marks
from worker.verify.mend import Mender, RowStore
from worker.verify.options import Options
from worker.verify.problems import problems
from worker.verify.report import Counts, NotCarried, Report
from worker.verify.rows import RowFinder
from worker.verify.settle import count, seen, settle
from worker.verify.source import Source
from worker.verify.spool import Entry, Spool, Suspect
from worker.verify.sql import Statement, statement
from worker.verify.target import Documents, State, Stored

Progress = Callable[[str], None]

_CHUNK: Final = 1_000
_PROGRESS_EVERY: Final = 10_000
_LOOKED_AT_ONCE: Final = 100
_INDEX_WRONG: Final = b"index"  # no digest: such a document is looked at again
_NO_BODY: Final = b""


def verify(
    source: Source,
    documents: Documents,
    mapping: Mapping,
    *,
    limit: int,
    progress: Progress,
    options: Options | None = None,
    store: RowStore | None = None,
) -> Report:
    """Compare every document of the mapping, both ways. Raises VerifyError where the comparison cannot be made.

    With a row store, documents that differ are rebuilt from it and compared again.
    """
    chosen = options or Options()
    statements, limits, finder = prepare(source, mapping, chosen.dms, with_tokens=chosen.tokens is not None)
    if chosen.state is not None and (name := next(_with_tokened_key(statements), None)) is not None:
        raise VerifyError(f"--state would keep values of the key of {name}, which is tokened: run without it")
    look = Look(source, documents, statements, chosen.tokens)
    spool = Spool(chosen.state)
    try:
        mender = None if store is None else Mender(look, spool, store, finder)
        run = _Run(look, spool, chosen, progress, limit)
        report = run.go(_identity(source, documents, mapping, chosen), mender)
        report.not_carried = tuple(limits)
    except BaseException:
        spool.close()
        raise
    spool.drop()
    return report


def prepare(
    source: Source, mapping: Mapping, dms: Settings | None = None, *, with_tokens: bool
) -> tuple[dict[str, Statement], list[NotCarried], RowFinder]:
    """A statement for every aggregate, what DMS cannot carry, and what finds rows.

    Raises VerifyError where the mapping does not fit the source.
    """
    marks = Marks.new()
    catalog = with_policies(source.catalog(mapping.tables), mapping.policies)
    if found := problems(mapping, catalog, source.tables(), with_tokens=with_tokens):
        raise VerifyError("\n".join(found))
    source.end_snapshot()
    limits = [] if dms is None else not_carried(mapping, catalog, dms)
    catalog = catalog if dms is None else carried(catalog, dms)
    made = (statement(aggregate, catalog, marks, with_tokens=with_tokens) for aggregate in mapping.aggregates)
    return {each.aggregate.name: each for each in made}, limits, RowFinder(mapping, catalog, marks, with_tokens)


def _with_tokened_key(statements: dict[str, Statement]) -> Iterator[str]:
    return (name for name, each in statements.items() if any(column.tokened for column, _ in each.key))


def _identity(source: Source, documents: Documents, mapping: Mapping, options: Options) -> str:
    """What a kept state is about."""
    parts = (source.name, documents.table, mapping.to_json(), str(options.tokens is not None), repr(options.dms))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


class _Run:
    """One run over everything, or the rest of one."""

    def __init__(self, look: Look, spool: Spool, options: Options, progress: Progress, limit: int) -> None:
        self._look = look
        self._spool = spool
        self._options = options
        self._progress = progress
        self._report = Report(limit, {name: Counts() for name in look.statements})
        self._report.uncompared = tuple(entry for each in look.statements.values() for entry in each.uncompared)

    def go(self, identity: str, mender: Mender | None) -> Report:
        """All steps that are not done yet."""
        self._resume(identity)
        self._spool_documents()
        for each in self._look.statements.values():
            self._compare_aggregate(each)
        self._suspect_the_rest()
        with self._spool.step():
            settle(self._look, self._spool, self._report, self._options.settle, self._options.pace, self._progress)
            if mender is not None:
                mender.mend(self._report, self._options, self._progress)
        return self._report

    def _resume(self, identity: str) -> None:
        known = self._spool.note("identity")
        if known not in (None, identity):
            raise VerifyError(
                f"--state {self._options.state} belongs to a run with another source, documents table or mapping:"
                " finish that run, or remove the file"
            )
        for name, counts in (self._spool.note("counts") or {}).items():
            self._report.aggregates[name] = Counts(**counts)
        if known is not None:
            self._progress(f"going on with {self._options.state}: {self._report.verified:,} documents compared before")
        with self._spool.step():
            self._spool.write_note("identity", identity)

    def _spool_documents(self) -> None:
        progress = self._spool.note("scan") or {"after": None, "items": 0, "done": False}
        if not progress["done"]:
            self._progress("reading the documents table")
        while not progress["done"]:
            page, after = self._look.documents.scan(progress["after"], self._options.pace.chunk(_CHUNK))
            items = progress["items"] + len(page)
            progress = {"after": after, "items": items, "done": after is None}
            with self._spool.step():
                self._spool.add(map(self._entry, page))
                for document in page:
                    self._report.counts(document.aggregate).stored += document.has_body
                self._save("scan", progress)
            self._say("documents table", items, len(page), "items read")
            self._options.pace.after(len(page))

    def _save(self, name: str, value: Any) -> None:
        self._spool.write_note(name, value)
        self._spool.write_note("counts", {name: asdict(counts) for name, counts in self._report.aggregates.items()})

    def _say(self, what: str, done: int, more: int, verb: str) -> None:
        if done % _PROGRESS_EVERY < more:
            self._progress(f"{what}: {done:,} {verb}")

    def _entry(self, document: Stored) -> Entry:
        of = self._look.statements.get(document.aggregate)
        if of is None or not document.has_body:
            return Entry(document.pk, document.state, document.has_body, _NO_BODY)
        right = document.state is State.PARKED or document.index == index_of(of.aggregate, document)
        mark = digest(document.body, of.shape) if right else _INDEX_WRONG
        return Entry(document.pk, document.state, document.has_body, mark)

    def _compare_aggregate(self, of: Statement) -> None:
        name = of.aggregate.name
        note = f"position {name}"
        begun = self._spool.note(note) or {"after": None, "done": False}
        while not begun["done"]:
            size = self._options.pace.chunk(_CHUNK)
            with self._spool.step():
                done, last = self._compare_chunk(of, of.after(begun["after"], size))
                begun = {"after": last or begun["after"], "done": done < size}
                self._save(note, begun)
            self._look.source.end_snapshot()
            self._say(name, self._report.counts(name).expected, done, "documents compared")
            self._options.pace.after(done)

    def _compare_chunk(self, of: Statement, sql: str) -> tuple[int, tuple[str, ...] | None]:
        done = 0
        last: tuple[str, ...] | None = None
        stream = self._look.source.documents(of, sql, self._look.tokens)
        while part := list(islice(stream, _LOOKED_AT_ONCE)):
            self._compare(part, of)
            done += len(part)
            last = part[-1].position
        return done, last

    def _compare(self, part: list[Expected], of: Statement) -> None:
        name = of.aggregate.name
        suspects: dict[str, Expected] = {}
        for expected in part:
            self._report.counts(name).expected += 1
            entry = self._spool.take(pk := document_pk(name, expected.key))
            if entry is not None and entry.state is State.PARKED:
                count(self._report, name, Outcome.PARKED)
            elif entry is not None and entry.state is State.LIVE and entry.digest == digest(expected.body, of.shape):
                count(self._report, name, Outcome.EQUAL)
            else:
                suspects[pk] = expected
        stored = self._look.documents.get(suspects) if suspects else {}
        for pk, expected in suspects.items():
            verdict = judge(pk, of, expected, stored.get(pk))
            if isinstance(verdict, Outcome):
                count(self._report, name, verdict)
            else:
                first = Suspect(pk, expected.position, counted=True)
                self._spool.suspect([seen(Sight(first, of, expected, stored.get(pk)))])

    def _suspect_the_rest(self) -> None:
        """What no row of the source made: as first seen, it is still there and nothing is expected of it."""
        after = self._spool.note("rest") or ""
        while left := self._spool.rest(after, _LOOKED_AT_ONCE):
            after = left[-1].pk
            bodies = [entry for entry in left if entry.has_body]
            stored = self._look.documents.get(entry.pk for entry in bodies)
            with self._spool.step():
                for entry in left:
                    if not entry.has_body and entry.state is State.PARKED:
                        count(self._report, entry.pk.partition("#")[0], Outcome.PARKED)
                versions = {pk: document.version for pk, document in stored.items()}
                self._spool.suspect(Suspect(entry.pk, version=versions.get(entry.pk)) for entry in bodies)
                self._save("rest", after)
            self._options.pace.after(len(left))
