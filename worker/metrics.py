"""The metrics of a child process; the supervisor collects those of all its children.

prometheus_client decides at its first import, by PROMETHEUS_MULTIPROC_DIR, whether values live in files that survive
their process: the supervisor sets it for its children. Counters and the histograms are summed over all processes; the
gauges of a shard vanish with the process that held it. Labels are bounded: table, operation, shard, reason.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

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
UNCHANGED = Counter("nearview_changes_unchanged", "Changes whose content was equal to the stored row image.")
ROW_WRITES = Counter("nearview_row_writes", "Row images written.")
DOCUMENT_WRITES = Counter("nearview_document_writes", "Documents written.")
DOCUMENT_SKIPS = Counter("nearview_document_skips", "Documents found unchanged and not written.")
DOCUMENTS_PARKED = Counter("nearview_documents_parked", "Documents whose newest state was parked.")
DOCUMENTS_WAITING = Counter(
    "nearview_documents_waiting", "Documents left as they are until a rebuild has put the edges of new relations."
)
DUE = Gauge(
    "nearview_due",
    "Changed rows of the shard, pointed at by very many, whose documents are being rebuilt in slices.",
    ["shard"],
    multiprocess_mode="livemostrecent",
)
DUE_DOCUMENTS = Counter("nearview_due_documents", "Documents written by such slices; they count as written, too.")
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
LEASES = Gauge("nearview_leases", "Shards held by this worker.", multiprocess_mode="livesum")


class BatchCounts(Protocol):
    """What a batch reports (worker.pipeline.BatchReport)."""

    records: int
    ignored: int
    folded: int
    stale: int
    unchanged: int
    rows_written: int
    documents_written: int
    documents_skipped: int
    documents_parked: int
    documents_waiting: int
    retries: int
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


class DocumentCounts(Protocol):
    """What became of documents."""

    documents_written: int
    documents_skipped: int
    documents_parked: int
    documents_waiting: int


class DueCounts(Protocol):
    """What a slice reports (worker.due_work.DueReport)."""

    @property
    def counts(self) -> DocumentCounts:
        """What became of its documents."""

    @property
    def outstanding(self) -> int:
        """Items that the shard has left."""

    @property
    def retries(self) -> int:
        """How often something had to be tried again."""


def observe_batch(shard: str, batch: BatchCounts, seconds: float, now_seconds: float) -> None:
    """Count one durable batch; `seconds` is what it took, `now_seconds` the time since the epoch."""
    RECORDS.inc(batch.records)
    IGNORED.inc(batch.ignored)
    FOLDED.inc(batch.folded)
    STALE.inc(batch.stale)
    UNCHANGED.inc(batch.unchanged)
    ROW_WRITES.inc(batch.rows_written)
    DOCUMENT_WRITES.inc(batch.documents_written)
    DOCUMENT_SKIPS.inc(batch.documents_skipped)
    DOCUMENTS_PARKED.inc(batch.documents_parked)
    DOCUMENTS_WAITING.inc(batch.documents_waiting)
    RETRIES.inc(batch.retries)
    for (table, operation), count in batch.changes.items():
        CHANGES.labels(table, operation).inc(count)
    for reason, count in batch.parked.items():
        PARKED.labels(reason).inc(count)
    for table, count in batch.drift.items():
        DRIFT.labels(table).inc(count)
    BATCH_SECONDS.observe(seconds)
    if batch.newest_commit_micros is not None:
        commit_seconds = batch.newest_commit_micros / MICROS
        COMMIT_SECONDS.observe(max(0.0, now_seconds - commit_seconds))
        COMMIT_TIME.labels(shard).set(commit_seconds)


def observe_slice(shard: str, due: DueCounts) -> None:
    """Count one slice of what is due, beside the stream's batches."""
    DOCUMENT_WRITES.inc(due.counts.documents_written)
    DOCUMENT_SKIPS.inc(due.counts.documents_skipped)
    DOCUMENTS_PARKED.inc(due.counts.documents_parked)
    DOCUMENTS_WAITING.inc(due.counts.documents_waiting)
    DUE_DOCUMENTS.inc(due.counts.documents_written)
    RETRIES.inc(due.retries)
    observe_due(shard, due.outstanding)


def observe_due(shard: str, outstanding: int) -> None:
    """Record how much the shard has due."""
    DUE.labels(shard).set(outstanding)


def observe_delivery(shard: str, millis_behind: int | None) -> None:
    """Record the lag that came with a delivery; empty deliveries count, they are the heartbeat of an idle shard."""
    if millis_behind is not None:
        BEHIND_MILLIS.labels(shard).set(millis_behind)


def observe_covered(shard: str, now_seconds: float) -> None:
    """Record that the shard's checkpoint covers everything delivered so far."""
    CHECKPOINT_TIME.labels(shard).set(now_seconds)


def shard_held(shard: str, now_seconds: float) -> None:
    """Record that this process holds the shard from now on."""
    LEASES.set(1)
    observe_covered(shard, now_seconds)


def process_ended(pid: int, folder: Path) -> None:
    """Withdraw the gauges of a process that ends or has ended; `folder` is PROMETHEUS_MULTIPROC_DIR."""
    mark_process_dead(pid, str(folder))  # type: ignore[no-untyped-call]
