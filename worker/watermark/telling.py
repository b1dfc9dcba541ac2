"""The supervisor's thread that tells up to when documents are complete; its failures are logged and change nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Final

from contract.values import Item
from worker.log import Event, Log
from worker.parked.parking import Parking
from worker.patience import Patience
from worker.records.incarnations import FIRST, Incarnations
from worker.replay.lease_rows import LeaseRows
from worker.settings import Settings
from worker.source_notes import SourceNotes
from worker.source_settings import read_mapping
from worker.store.dynamodb import dynamodb_client
from worker.store.engine import engine_store
from worker.supervisor.aws import reason
from worker.watermark.complete import Part, Teller
from worker.watermark.publisher import Publisher

SHARD_END: Final = "SHARD_END"
SEQUENCE: Final = "sequence"
"""In the place of an engine: positions are DMS's own count of changes."""
ATTEMPTS: Final = 5
LOOKS_PER_PERIOD: Final = 2
"""A turn that somebody has just missed is taken by the next to look."""
LONGEST_PAUSE_SECONDS: Final = 5.0


def make_publisher(settings: Settings, log: Log) -> Publisher:
    """This worker's part in telling it. Raises SettingsError."""
    client = dynamodb_client(settings.region, settings.endpoint_url)
    leases = LeaseRows(client, settings.application)
    store = engine_store(settings.region, settings.endpoint_url, settings.rows_table, settings.documents_table, log)
    parking = Parking(client, settings.parked_table, log)
    tables = list(read_mapping(Path(settings.mappings)).tables)
    notes = SourceNotes(client, settings.parked_table, Patience("the parking table", log, attempts=ATTEMPTS))
    order = SEQUENCE if settings.change_sequence_column else settings.source_engine
    return Publisher(
        store,
        tables,
        lambda: parts_of(leases.rows().values()),
        parking.tables,
        time.time,
        settings.complete_millis,
        Tellers(Teller(settings.region, order), notes.incarnations),
    )


class Tellers:
    """Who tells it; the list of incarnations is read when a mark is of one that is not known yet."""

    def __init__(self, teller: Teller, incarnations: Callable[[], Incarnations]) -> None:
        self._teller = teller
        self._incarnations = incarnations

    def __call__(self, incarnation: int) -> Teller:
        if incarnation > FIRST + len(self._teller.starts):
            self._teller = replace(self._teller, starts=self._incarnations().starts)
        return self._teller


def parts_of(rows: Iterable[Item]) -> list[Part]:
    """The shards that are not read to their end, by the rows of their leases."""
    return [Part(row["leaseKey"]["S"], _hash_keys(row)) for row in rows if row["checkpoint"].get("S") != SHARD_END]


def _hash_keys(row: Item) -> tuple[int, int] | None:
    if "startingHashKey" not in row or "endingHashKey" not in row:
        return None
    return int(row["startingHashKey"]["S"]), int(row["endingHashKey"]["S"])


def keep_telling(publisher: Publisher, period_millis: int, stop: threading.Event, log: Log) -> None:
    """Go on until `stop`."""
    pause = min(LONGEST_PAUSE_SECONDS, period_millis / 1000 / LOOKS_PER_PERIOD)
    while not stop.wait(pause):
        try:
            publisher.go()
        except Exception as error:  # noqa: BLE001 - nothing waits for it; the next round tries again
            log.warning(Event.COMPLETE_UNKNOWN, reason=reason(error))
            stop.wait(LONGEST_PAUSE_SECONDS)
