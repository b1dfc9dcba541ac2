"""The rows that point at a row by one foreign key, looked up through edges; never more of them than a limit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from contract.keys import edge_sk_prefix
from worker.projection.operations import Operation, Query, Steps, TableName
from worker.projection.plan import Plan

ROWS_AT_ONCE: Final = 100
"""Looked-up rows whose referrers are asked for together; with the limit of each it bounds memory."""


class Referrers(NamedTuple):
    """The rows of `table` that point at the row of `parent` with that key, by these columns."""

    table: str
    columns: tuple[str, ...]
    parent: str
    key: str


class FanOut(NamedTuple):
    """Referrers that are too many to be followed at once, and where their documents are.

    `path` leads to the place of the row they point at: the aggregate and the names of relations. Without one they are
    those that may lack a copy of it.
    """

    referrers: Referrers
    path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Limits:
    """How many referrers are followed at once: of one row, and in all. What is beyond that is followed in slices.

    `in_slice`: documents, and at first referrers, of a slice. `loading`: by so much more is followed at once while
    tables are loaded.
    """

    of_one_row: int = 25
    in_all: int = 2_500
    in_slice: int = 25
    loading: int = 8


def limits(of_one_row: int) -> Limits:
    """Those of a worker that is told only the first.

    A batch may be about many rows with some referrers each, above all while tables are loaded: their documents are
    mostly the same, and followed together each of them is built once.
    """
    return Limits(of_one_row, 100 * of_one_row)


def while_loading(limits: Limits) -> Limits:
    """Those of a batch with loaded rows: more, for looked-up rows come after many that point at them.

    Slices would build the documents that such rows share once for each; and changes, which a long batch would hold up,
    come after the load.
    """
    times = limits.loading
    return replace(limits, of_one_row=times * limits.of_one_row, in_all=times * limits.in_all)


def look_up(plan: Plan, asked: Iterable[Referrers], limits: Limits) -> Steps[dict[Referrers, tuple[str, ...]]]:
    """The keys of the referrers of each row, as far as the limits allow it: those that are too many are left out."""
    order = list(dict.fromkeys(asked))
    left = limits.in_all
    found: dict[Referrers, tuple[str, ...]] = {}
    for start in range(0, len(order), ROWS_AT_ONCE):
        part = order[start : start + ROWS_AT_ONCE]
        queries: list[Operation] = []
        ends: list[tuple[int, int]] = []
        for referrers in part:
            partitions = edge_queries(plan, referrers)
            limit = -(-min(limits.of_one_row, left) // len(partitions)) + 1
            queries += [Query(TableName.ROWS, pk, prefix, limit) for pk, prefix in partitions]
            ends.append((len(queries), limit))
        replies = yield queries
        begin = 0
        for referrers, (end, limit) in zip(part, ends, strict=True):
            parts = replies[begin:end]
            begin = end
            count = sum(map(len, parts))
            if count <= min(limits.of_one_row, left) and all(len(sort_keys) < limit for sort_keys in parts):
                left -= count
                found[referrers] = tuple(key for sort_keys in parts for key in row_keys(referrers, sort_keys))
    return found


def edge_queries(plan: Plan, referrers: Referrers) -> list[tuple[str, str]]:
    """Partition and prefix of each Query that together find the rows."""
    return plan.edge_queries(referrers.table, referrers.columns, referrers.parent, referrers.key)


def row_keys(referrers: Referrers, sort_keys: Iterable[str]) -> list[str]:
    """The rows' keys in the sort keys of their edges."""
    start = len(edge_sk_prefix(referrers.table, referrers.columns))
    return [sort_key[start:] for sort_key in sort_keys]
