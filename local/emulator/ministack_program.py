"""MiniStack 1.5.33 as the local stack runs it: streams whose calls stay quick however much they hold.

As it is, every call to Kinesis looks at all records of the stream and at all iterators of the last five minutes: after
an hour of load a put takes longer than the load leaves between two of them, and times say more of MiniStack than of
nearview. Records and iterators lie in the order of their age, so it is enough to look at the oldest.

Connections stay open however often they are used: the web server closes one of HTTP/2 with its thousandth request, and
that answer is lost. KCL has one for all shards, and then reads nothing of a shard for ten seconds.

Python's collector looks at what is stored only once: to look at all of it again and again takes longer and longer.

With `statements-in-streams` the streams of tables show statements (PartiQL) too, as on AWS: global tables are
replicated from these streams, and the worker writes with statements.
"""

from __future__ import annotations

import copy
import gc
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, Final

from hypercorn.config import Config
from ministack.app import main
from ministack.services import dynamodb, kinesis

STATEMENTS_IN_STREAMS: Final = "statements-in-streams"
STATEMENTS: Final = ("_partiql_insert", "_partiql_update", "_partiql_delete")
_OLDEST: Final = 2  # of the collector's generations
_inside = threading.local()


def look_at_the_oldest() -> None:
    """Let records and iterators of Kinesis expire without a walk over all that are still good."""
    kinesis._expire_records = _expire_records  # noqa: SLF001
    kinesis._expire_iterators = _expire_iterators  # noqa: SLF001


def _expire_records(stream: dict[str, Any]) -> None:
    cutoff = time.time() - stream["RetentionPeriodHours"] * 3600
    for shard in stream["shards"].values():
        records = shard["records"]
        if records and records[0]["ApproximateArrivalTimestamp"] < cutoff:
            shard["records"] = [one for one in records if one["ApproximateArrivalTimestamp"] >= cutoff]


def _expire_iterators() -> None:
    iterators = kinesis._shard_iterators._data  # noqa: SLF001
    cutoff = time.time() - kinesis.ITERATOR_EXPIRY_SECONDS
    try:
        while iterators and iterators[token := next(iter(iterators))]["created_at"] < cutoff:
            iterators.pop(token, None)
    except (KeyError, RuntimeError):  # another thread added or took one at this moment: the next call goes on
        return


def keep_connections() -> None:
    """Let no connection end with the number of its requests."""
    Config.keep_alive_max_requests = sys.maxsize


def collect_without_pauses() -> None:
    """Let Python's collector never look at what is stored more than once.

    Every few seconds it looks at all objects, all items of all tables among them: after some minutes of load every
    answer that is asked for meanwhile is a third of a second late.
    """
    gc.callbacks.append(_freeze)


def _freeze(phase: str, info: dict[str, int]) -> None:
    if phase == "stop" and info["generation"] == _OLDEST:
        gc.freeze()


def show_statements() -> None:
    """Make writes of statements show in the streams of their tables."""
    for name in STATEMENTS:
        setattr(dynamodb, name, _as_statement(getattr(dynamodb, name)))
    dynamodb._set_item = _shown(dynamodb._set_item)  # noqa: SLF001
    dynamodb._remove_item = _shown(dynamodb._remove_item)  # noqa: SLF001


def _as_statement(work: Callable[..., Any]) -> Callable[..., Any]:
    def run(*arguments: Any) -> Any:
        _inside.statement = True
        try:
            return work(*arguments)
        finally:
            _inside.statement = False

    return run


def _shown(write: Callable[..., Any]) -> Callable[..., Any]:
    def run(table: Any, partition: str, sort: str, *item: Any) -> Any:
        old = write(table, partition, sort, *item)
        if getattr(_inside, "statement", False):
            new = copy.deepcopy(item[0]) if item else None
            if new is not None or old is not None:
                kind = "REMOVE" if new is None else "MODIFY" if old else "INSERT"
                dynamodb._emit_stream_event(table["TableName"], kind, copy.deepcopy(old), new)  # noqa: SLF001
        return old

    return run


if __name__ == "__main__":
    look_at_the_oldest()
    keep_connections()
    collect_without_pauses()
    if STATEMENTS_IN_STREAMS in sys.argv:
        sys.argv.remove(STATEMENTS_IN_STREAMS)  # the rest is MiniStack's own
        show_statements()
    main()
