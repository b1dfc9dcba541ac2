"""The comparison itself: the documents table is spooled as digests, then every expected document is met with its own.

Only where digests differ, or a document is missing, is it read again and compared value for value: a document written
meanwhile is then compared as it is now. Memory holds some documents and the spool's cache, whatever the tables' size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import islice
from typing import Final

from contract.keys import document_pk
from contract.mapping import Aggregate, Mapping
from worker.verify.columns import with_policies
from worker.verify.compare import Shape, digest, first_difference
from worker.verify.errors import VerifyError
from worker.verify.expected import Expected
from worker.verify.marks import Marks
from worker.verify.problems import problems
from worker.verify.report import Counts, Finding, Kind, Report
from worker.verify.source import Source
from worker.verify.spool import Entry, Spool
from worker.verify.sql import Statement, statement
from worker.verify.target import Documents, State, Stored

Progress = Callable[[str], None]

_CHUNK: Final = 100
_PROGRESS_EVERY: Final = 10_000
_INDEX_WRONG: Final = b"index"  # no digest: such a document is looked at again
_NO_BODY: Final = b""


def verify(source: Source, documents: Documents, mapping: Mapping, *, limit: int, progress: Progress) -> Report:
    """Compare every document of the mapping, both ways. Raises VerifyError where the comparison cannot be made."""
    marks = Marks.new()
    catalog = with_policies(source.catalog(mapping.tables), mapping.policies)
    if found := problems(mapping, catalog, source.tables()):
        raise VerifyError("\n".join(found))
    statements = [statement(aggregate, catalog, marks) for aggregate in mapping.aggregates]
    report = Report(limit, {aggregate.name: Counts() for aggregate in mapping.aggregates})
    with closing(Spool()) as spool:
        _spool_documents(documents, {s.aggregate.name: s for s in statements}, spool, report, progress)
        for each in statements:
            done = 0
            for chunk in _chunks(source.documents(each)):
                _compare(chunk, each, documents, spool, report)
                done += len(chunk)
                if done % _PROGRESS_EVERY < len(chunk):
                    progress(f"{each.aggregate.name}: {done:,} documents compared")
        _report_surplus(spool, report)
    return report


def _chunks(stream: Iterator[Expected]) -> Iterator[list[Expected]]:
    while chunk := list(islice(stream, _CHUNK)):
        yield chunk


def _spool_documents(
    documents: Documents, statements: dict[str, Statement], spool: Spool, report: Report, progress: Progress
) -> None:
    progress("reading the documents table")
    stored = documents.scan()
    done = 0
    while page := list(islice(stored, _CHUNK)):
        spool.add([_entry(document, statements.get(document.aggregate)) for document in page])
        for document in page:
            if document.has_body:
                report.counts(document.aggregate).stored += 1
        done += len(page)
        if done % _PROGRESS_EVERY < len(page):
            progress(f"documents table: {done:,} items read")


def _entry(document: Stored, of: Statement | None) -> Entry:
    if of is None or not document.has_body:
        return Entry(document.pk, document.state, document.has_body, _NO_BODY)
    right = document.state is State.PARKED or document.index == _index(of.aggregate, document)
    mark = digest(document.body, of.shape) if right else _INDEX_WRONG
    return Entry(document.pk, document.state, document.has_body, mark)


def _index(aggregate: Aggregate, document: Stored) -> dict[str, str]:
    """The index attributes that belong to a stored body, which is itself compared elsewhere."""
    return aggregate.index_attributes(document.key, document.body)


def _compare(chunk: list[Expected], of: Statement, documents: Documents, spool: Spool, report: Report) -> None:
    name = of.aggregate.name
    counts = report.counts(name)
    suspects: list[Expected] = []
    for expected in chunk:
        counts.expected += 1
        entry = spool.take(document_pk(name, expected.key))
        if entry is not None and entry.state is State.PARKED:
            counts.parked += 1
        elif entry is not None and entry.state is State.LIVE and entry.digest == digest(expected.body, of.shape):
            counts.equal += 1
        else:
            suspects.append(expected)
    if suspects:
        _look_again(suspects, of, documents, report)


def _look_again(suspects: list[Expected], of: Statement, documents: Documents, report: Report) -> None:
    name = of.aggregate.name
    now = documents.get(document_pk(name, expected.key) for expected in suspects)
    for expected in suspects:
        document = now.get(document_pk(name, expected.key))
        if document is not None and document.state is State.PARKED:
            report.counts(name).parked += 1
        elif document is None or document.state is State.DELETED:
            report.add(Finding(Kind.MISSING, name, expected.key))
        elif (finding := _difference(expected, document, of.aggregate, of.shape)) is not None:
            report.add(finding)
        else:
            report.counts(name).equal += 1


def _difference(expected: Expected, document: Stored, aggregate: Aggregate, shape: Shape) -> Finding | None:
    found = first_difference(expected.body, document.body, shape)
    if found is None:
        found = first_difference(_index(aggregate, document), document.index, None)
    if found is None:
        return None
    return Finding(Kind.DIFFERENT, aggregate.name, expected.key, found.path, found.note, found.expected, found.stored)


def _report_surplus(spool: Spool, report: Report) -> None:
    for entry in spool.rest():
        if entry.has_body:
            aggregate, _, key = entry.pk.partition("#")
            report.add(Finding(Kind.SURPLUS, aggregate, key, note="" if entry.state is State.LIVE else "parked"))
        elif entry.state is State.PARKED:
            report.counts(entry.pk.partition("#")[0]).parked += 1
