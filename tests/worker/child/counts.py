"""A batch report for tests."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Counts:
    """What a pipeline reports of a batch."""

    records: int
    ignored: int = 0
    folded: int = 0
    stale: int = 0
    unchanged: int = 0
    settled: int = 0
    rows_written: int = 0
    documents_written: int = 0
    documents_skipped: int = 0
    documents_parked: int = 0
    documents_waiting: int = 0
    documents_in_parts: int = 0
    largest_document: int = 0
    retries: int = 0
    newest_commit_micros: int | None = None
    changes: Counter[tuple[str, str]] = field(default_factory=Counter)
    parked: Counter[str] = field(default_factory=Counter)
    drift: Counter[str] = field(default_factory=Counter)
    read_units: dict[str, float] = field(default_factory=dict)
    write_units: dict[str, float] = field(default_factory=dict)
