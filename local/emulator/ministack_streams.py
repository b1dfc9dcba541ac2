"""MiniStack whose streams of tables show statements (PartiQL) as well, as on AWS; version 1.5.33 leaves them out.

Global tables are replicated from the streams, and the worker writes with statements.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable
from typing import Any, Final

from ministack.app import main
from ministack.services import dynamodb

STATEMENTS: Final = ("_partiql_insert", "_partiql_update", "_partiql_delete")
_inside = threading.local()


def install() -> None:
    """Make writes of statements show."""
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
    install()
    main()
