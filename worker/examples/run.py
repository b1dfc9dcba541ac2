"""One example through the worker's own path: in whatever order its records come, the documents must be right."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from contract.keys import DOCUMENT_SK, document_pk, scalar_text
from contract.values import from_item
from worker.examples.compare import differences, text_of
from worker.examples.model import Example, Expectation, Position
from worker.projection.engine import project
from worker.projection.operations import TableName
from worker.projection.overflow_parts import read_document
from worker.projection.plan import Plan
from worker.records.envelope import ChangeEvent
from worker.records.errors import PoisonRecord, TableLacks
from worker.records.incarnations import FIRST
from worker.records.protect import Protection, TokenKey
from worker.records.rows import RowChange, row_changes
from worker.records.source import Source
from worker.store.memory import MemoryStore

_AS_OF: Final = "2026-01-01T00:00:00.000000Z"


class ExampleKey(TokenKey):
    """Tokens that can be read, so that an example can expect them: `tok:example:` and the value."""

    def token(self, value: Any) -> str:
        """The value itself, marked."""
        return f"tok:{self.id}:{scalar_text(value)}"


class Arrival(StrEnum):
    """A way in which the records of an example reach the worker; versions stay those of the source."""

    ONE_BY_ONE = "one by one"
    TOGETHER = "in one batch"
    REVERSED = "in reverse order"
    REPLAYED = "replayed"


@dataclass(frozen=True, slots=True)
class Failure:
    """What is wrong, where the file says otherwise, and in which ways of arrival; `always`: in all that were tried."""

    at: Position
    message: str
    arrivals: tuple[Arrival, ...]
    always: bool

    def __str__(self) -> str:
        ways = "" if self.always else f" ({', '.join(self.arrivals)})"
        return f"{self.at}: {self.message}{ways}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """An example that was run. `store` is what the first way led to, for the coverage."""

    example: Example
    failures: tuple[Failure, ...]
    store: MemoryStore = field(repr=False)


def run_example(example: Example, records: list[bytes], plan: Plan) -> Outcome:
    """Run an example in every way of arrival; one that holds in order only, in that order and replayed."""
    arrivals = (Arrival.ONE_BY_ONE, Arrival.REPLAYED) if example.in_order else tuple(Arrival)
    found: dict[tuple[Position, str], list[Arrival]] = {}
    stores: list[MemoryStore] = []
    for arrival in arrivals:
        store = MemoryStore()
        stores.append(store)
        for at, message in _run(example, records, plan, arrival, store):
            found.setdefault((at, message), []).append(arrival)
    failures = (Failure(at, message, tuple(ways), len(ways) == len(arrivals)) for (at, message), ways in found.items())
    return Outcome(example, tuple(sorted(failures, key=lambda failure: failure.at)), stores[0])


def _run(
    example: Example, records: list[bytes], plan: Plan, arrival: Arrival, store: MemoryStore
) -> Iterator[tuple[Position, str]]:
    changes: list[tuple[RowChange, ...]] = []
    for change, record in zip(example.changes, records, strict=True):
        try:
            changes.append(_decoded(record, plan))
        except (PoisonRecord, TableLacks) as problem:
            yield change.at, f"{change.operation} of {change.table} would be parked: {problem}"
            return
    for batch in _batches(changes, arrival):
        try:
            store.drive(project(plan, batch, _AS_OF))
        except TableLacks as problem:
            yield example.at, f"the table would be parked: {problem}"
            return
    for expectation in example.expected:
        yield from _compare(example.aggregate, expectation, store)


def _decoded(record: bytes, plan: Plan) -> tuple[RowChange, ...]:
    source = Source(protection=Protection(plan.mapping.policies, ExampleKey("example", b"")))
    event = source.decode(record)
    if not isinstance(event, ChangeEvent):
        return ()
    event = source.protection.event(event)
    return row_changes(event, plan.mapping.tables[event.table], FIRST, source.order)


def _batches(changes: list[tuple[RowChange, ...]], arrival: Arrival) -> list[list[RowChange]]:
    single = [list(change) for change in changes]
    if arrival is Arrival.TOGETHER:
        return [[change for batch in single for change in batch]]
    if arrival is Arrival.REVERSED:
        return single[::-1]
    return single * 2 if arrival is Arrival.REPLAYED else single


def _compare(aggregate: str, expectation: Expectation, store: MemoryStore) -> Iterator[tuple[Position, str]]:
    document, parked = stored_document(store, aggregate, expectation.key)
    what = f"document {expectation.key}"
    if expectation.parked or parked is not None:
        if parked is None:
            yield expectation.at, f"{what}: expected to be parked, it fits"
        elif not expectation.parked:
            yield expectation.at, f"{what}: it is parked: {parked}"
    elif expectation.document is None:
        if document is not None:
            yield expectation.at, f"{what}: expected none, is {text_of(document)}"
    elif document is None:
        keys = ", ".join(_keys(store, aggregate)) or "none"
        yield expectation.at, f"{what}: there is no such document (there are: {keys})"
    else:
        for difference in differences(expectation.document, document):
            where = f"{what}: {difference.path}" if difference.path else what
            yield difference.at, f"{where}: {difference.message}"


def stored_document(store: MemoryStore, aggregate: str, key: str) -> tuple[dict[str, Any] | None, str | None]:
    """A document's own attributes (None: there is none), and why it is parked, if it is."""
    item = store.drive(read_document(document_pk(aggregate, key)))
    if item is None:
        return None, None
    values = from_item(item)
    body = {name: value for name, value in values.items() if not name.startswith("_") and name not in ("pk", "sk")}
    return (None if "_deleted" in values else body), values.get("_parked")


def _keys(store: MemoryStore, aggregate: str) -> list[str]:
    prefix = document_pk(aggregate, "")
    documents = (pk for table, pk, sk in store.items if table is TableName.DOCUMENTS and sk == DOCUMENT_SK)
    pks = [pk for pk in documents if pk.startswith(prefix)]
    keys = sorted(pk.removeprefix(prefix) for pk in pks)
    return [key for key in keys if stored_document(store, aggregate, key)[0] is not None]
