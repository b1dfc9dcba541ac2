"""The metrics of a child process; the supervisor collects those of all its children.

prometheus_client decides at its first import, by PROMETHEUS_MULTIPROC_DIR, whether values live in files that survive
their process: the supervisor sets it for its children. Counters and the histograms are summed over all processes; the
gauges of a shard vanish with the process that held it. Labels are bounded: table, operation, shard, reason.

Everything is counted once for a batch, never for a record, and only what is not zero.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.multiprocess import mark_process_dead

MICROS = 1_000_000
SECONDS_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 1, 1.5, 2.5, 5, 10, 30, 60, 300, 1800, 7200, 43200)

RECORDS = Counter("nearview_records", "Stream records that were made durable.")
IGNORED = Counter("nearview_records_ignored", "Stream records that no mapping asks for, and control records.")
CHANGES = Counter("nearview_changes", "Row changes by table and operation.", ["table", "operation"])
PARKED = Counter("nearview_parked", "Parked records and documents by reason.", ["reason"])
DRIFT = Counter("nearview_drift", "Columns that appeared, vanished or changed their type, by table.", ["table"])
FOLDED = Counter("nearview_changes_folded", "Changes merged into a newer change of the same row in their batch.")
STALE = Counter("nearview_changes_stale", "Changes that were not newer than the stored row image.")
SETTLED = Counter(
    "nearview_changes_settled",
    "Changes seen before, as in a replay, whose rows were in place: their documents were not looked at again.",
)
UNCHANGED = Counter("nearview_changes_unchanged", "Changes whose content was equal to the stored row image.")
ROW_WRITES = Counter("nearview_row_writes", "Row images written.")
DOCUMENT_WRITES = Counter("nearview_document_writes", "Documents written.")
DOCUMENT_SKIPS = Counter("nearview_document_skips", "Documents found unchanged and not written.")
DOCUMENTS_PARKED = Counter("nearview_documents_parked", "Documents whose newest state was parked.")
DOCUMENTS_WAITING = Counter(
    "nearview_documents_waiting", "Documents left as they are until a rebuild has put the edges of new relations."
)
DOCUMENTS_IN_PARTS = Counter(
    "nearview_documents_in_parts", "Documents written that are too large for one item; they count as written, too."
)
LARGEST_DOCUMENT = Gauge(
    "nearview_largest_document_bytes",
    "The largest document too large for one item that was met since the worker's start, stored or parked; else 0.",
    multiprocess_mode="max",
)
DOCUMENT_LIMIT = Gauge(
    "nearview_document_limit_bytes",
    "NEARVIEW_MAX_DOCUMENT_BYTES: larger documents are parked.",
    multiprocess_mode="livemostrecent",
)
DUE = Gauge(
    "nearview_due",
    "Changed rows of the shard, pointed at by very many, whose documents are being rebuilt in slices.",
    ["shard"],
    multiprocess_mode="livemostrecent",
)
DUE_DOCUMENTS = Counter("nearview_due_documents", "Documents written by such slices; they count as written, too.")
READ_UNITS = Counter(
    "nearview_read_units", "Capacity units charged for reads of the rows and documents tables.", ["table"]
)
WRITE_UNITS = Counter(
    "nearview_write_units",
    "Capacity units charged in the worker's region for writes to the rows and documents tables.",
    ["table"],
)
RETRIES = Counter("nearview_retries", "Requests to the store that were tried again.")
BATCH_SECONDS = Histogram("nearview_batch_seconds", "Time to make one batch durable.", buckets=SECONDS_BUCKETS)
COMMIT_SECONDS = Histogram(
    "nearview_commit_to_document_seconds",
    "From the newest commit of a batch on the source to its documents being written.",
    buckets=SECONDS_BUCKETS,
)
BEHIND_MILLIS = Gauge(
    "nearview_millis_behind_latest",
    "How far the last read of the shard was behind its end, in milliseconds.",
    ["shard"],
    multiprocess_mode="livemostrecent",
)
COMMIT_TIME = Gauge(
    "nearview_newest_commit_timestamp_seconds",
    "Time of the newest commit on the source in the shard's last batch with changes.",
    ["shard"],
    multiprocess_mode="livemostrecent",
)
CHECKPOINT_TIME = Gauge(
    "nearview_checkpoint_timestamp_seconds",
    "When the shard's checkpoint last covered everything delivered so far.",
    ["shard"],
    multiprocess_mode="livemostrecent",
)
HELD = Gauge(
    "nearview_shard_held",
    "1 while the shard holds: too much is parked, or the place to park does not answer.",
    ["shard", "reason"],
    multiprocess_mode="livemostrecent",
)
LEASES = Gauge("nearview_leases", "Shards held by this worker.", multiprocess_mode="livesum")


_largest = [0]


class DocumentCounts(Protocol):
    """What became of documents."""

    documents_written: int
    documents_skipped: int
    documents_parked: int
    documents_waiting: int
    documents_in_parts: int
    largest_document: int


class UnitCounts(Protocol):
    """What was charged."""

    @property
    def read_units(self) -> Mapping[str, float]:
        """Capacity units that DynamoDB charged for reads, by table: rows or documents."""

    @property
    def write_units(self) -> Mapping[str, float]:
        """Capacity units that DynamoDB charged for writes, by table: rows or documents."""


class BatchCounts(DocumentCounts, UnitCounts, Protocol):
    """What a batch reports (worker.pipeline.BatchReport)."""

    records: int
    ignored: int
    folded: int
    stale: int
    settled: int
    unchanged: int
    rows_written: int
    newest_commit_micros: int | None

    @property
    def changes(self) -> Mapping[tuple[str, str], int]:
        """Number of changes by (table, operation)."""

    @property
    def parked(self) -> Mapping[str, int]:
        """Number of parked records by reason code."""

    @property
    def drift(self) -> Mapping[str, int]:
        """Number of things noticed about the columns of a table, by table."""


class DueCounts(UnitCounts, Protocol):
    """What a slice reports (worker.due_work.DueReport)."""

    @property
    def counts(self) -> DocumentCounts:
        """What became of its documents."""

    @property
    def outstanding(self) -> int:
        """Items that the shard has left."""


def observe_batch(shard: str, batch: BatchCounts, seconds: float, now_seconds: float) -> None:
    """Count one durable batch; `seconds` is what it took, `now_seconds` the time since the epoch."""
    _count_all(
        (RECORDS, batch.records),
        (IGNORED, batch.ignored),
        (FOLDED, batch.folded),
        (STALE, batch.stale),
        (SETTLED, batch.settled),
        (UNCHANGED, batch.unchanged),
        (ROW_WRITES, batch.rows_written),
    )
    _count_documents(batch)
    _count(CHANGES, batch.changes.items())
    for labelled, counts in ((PARKED, batch.parked), (DRIFT, batch.drift)):
        _count(labelled, (((label,), count) for label, count in counts.items()))
    _count_units(batch)
    BATCH_SECONDS.observe(seconds)
    if batch.newest_commit_micros is not None:
        commit_seconds = batch.newest_commit_micros / MICROS
        COMMIT_SECONDS.observe(max(0.0, now_seconds - commit_seconds))
        _labelled(COMMIT_TIME, (shard,)).set(commit_seconds)


def observe_retries(count: int) -> None:
    """Count requests that are tried again, when they are: the batch they belong to may wait for long."""
    RETRIES.inc(count)


def observe_slice(shard: str, due: DueCounts) -> None:
    """Count one slice of what is due, beside the stream's batches."""
    _count_documents(due.counts)
    _count_all((DUE_DOCUMENTS, due.counts.documents_written))
    _count_units(due)
    observe_due(shard, due.outstanding)


def observe_due(shard: str, outstanding: int) -> None:
    """Record how much the shard has due."""
    _labelled(DUE, (shard,)).set(outstanding)


def _count_documents(counts: DocumentCounts) -> None:
    _count_all(
        (DOCUMENT_WRITES, counts.documents_written),
        (DOCUMENT_SKIPS, counts.documents_skipped),
        (DOCUMENTS_PARKED, counts.documents_parked),
        (DOCUMENTS_WAITING, counts.documents_waiting),
        (DOCUMENTS_IN_PARTS, counts.documents_in_parts),
    )
    if counts.largest_document > _largest[0]:
        _largest[0] = counts.largest_document
        LARGEST_DOCUMENT.set(counts.largest_document)


def observe_document_limit(limit_bytes: int) -> None:
    """Record the size of the largest document that is stored."""
    DOCUMENT_LIMIT.set(limit_bytes)


def _count_units(used: UnitCounts) -> None:
    for counter, units in ((READ_UNITS, used.read_units), (WRITE_UNITS, used.write_units)):
        _count(counter, (((table,), count) for table, count in units.items()))


def _count_all(*counts: tuple[Counter, int]) -> None:
    for counter, count in counts:
        if count:
            counter.inc(count)


def _count(counter: Counter, counts: Iterable[tuple[tuple[str, ...], float]]) -> None:
    for labels, count in counts:
        if count:
            _labelled(counter, labels).inc(count)


@cache
def _labelled(metric: Any, labels: tuple[str, ...]) -> Any:
    """The child of a metric: looking it up costs more than counting."""
    return metric.labels(*labels)


def observe_delivery(shard: str, millis_behind: int | None) -> None:
    """Record the lag that came with a delivery; empty deliveries count, they are the heartbeat of an idle shard."""
    if millis_behind is not None:
        _labelled(BEHIND_MILLIS, (shard,)).set(millis_behind)


def observe_covered(shard: str, now_seconds: float) -> None:
    """Record that the shard's checkpoint covers everything delivered so far."""
    _labelled(CHECKPOINT_TIME, (shard,)).set(now_seconds)


def observe_held(shard: str, reason: str, *, held: bool) -> None:
    """Record that a shard holds, or does no more."""
    _labelled(HELD, (shard, reason)).set(held)


def shard_held(shard: str, now_seconds: float) -> None:
    """Record that this process holds the shard from now on."""
    LEASES.set(1)
    observe_covered(shard, now_seconds)


def process_ended(pid: int, folder: Path) -> None:
    """Withdraw the gauges of a process that ends or has ended; `folder` is PROMETHEUS_MULTIPROC_DIR."""
    mark_process_dead(pid, str(folder))  # type: ignore[no-untyped-call]
