"""The real tables, to look at: the rows and documents as the engine's store, and the noted incarnations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from worker.explain.overlay import Base
from worker.log import Log
from worker.operator_cli import operator_settings
from worker.patience import Patience
from worker.records.incarnations import Incarnations
from worker.source_notes import SourceNotes
from worker.store.dynamodb import dynamodb_client
from worker.store.engine import engine_store

_WHERE: Final = ("region", "endpoint_url")
_ATTEMPTS: Final = 5
"""A person waits for the answer."""


@contextmanager
def open_store(environ: Mapping[str, str]) -> Iterator[Base]:
    """The rows and documents tables that the environment names. Raises SettingsError."""
    settings = operator_settings(environ, (*_WHERE, "rows_table", "documents_table"))
    log = Log("warning")
    store = engine_store(settings.region, settings.endpoint_url, settings.rows_table, settings.documents_table, log)
    try:
        yield store
    finally:
        store.close()


def incarnations(environ: Mapping[str, str]) -> Incarnations:
    """The list in the parking table that the environment names. Raises SettingsError, FatalError, TransientError."""
    settings = operator_settings(environ, (*_WHERE, "parked_table"))
    client = dynamodb_client(settings.region, settings.endpoint_url)
    patience = Patience("the parking table", Log("warning"), attempts=_ATTEMPTS)
    return SourceNotes(client, settings.parked_table, patience).incarnations()
