"""Composition root of a child: settings to a pipeline."""

from __future__ import annotations

import time
import uuid
from pathlib import Path

from contract.confirmation import Instant
from worker.errors import SettingsError
from worker.fencing import Fence, RegionsReplica, begin, peers_of
from worker.holding import Holding
from worker.log import Event, Log
from worker.metrics import observe_document_limit, observe_retries
from worker.parked.keys import problems, sealer
from worker.parked.limit import ParkingLimit
from worker.parked.parking import Parking
from worker.patience import Patience
from worker.pipeline import ParkingPlace, Pipeline
from worker.projection.due import Dues
from worker.projection.plan import make_plan
from worker.projection.referrers import limits
from worker.settings import Settings
from worker.settled import Settled, digest
from worker.source_notes import SourceNotes
from worker.source_settings import read_mapping, source
from worker.store.dynamodb import dynamodb_client
from worker.store.engine import engine_store
from worker.watermark.shard import ShardProgress


def build_fence(settings: Settings, holding: Holding) -> Fence | None:
    """What keeps a region that is no primary any more from writing; None without peers."""
    peers = peers_of(settings.peer_regions, settings.region)
    if not peers:
        return None

    def replica(region: str, endpoint_url: str) -> RegionsReplica:
        return RegionsReplica(dynamodb_client(region, endpoint_url or settings.endpoint_url), settings.regions_table)

    return Fence(
        settings.region,
        replica(settings.region, ""),
        {region: replica(region, endpoint_url) for region, endpoint_url in peers.items()},
        settings.fence_seconds,
        lambda: Instant(time.monotonic(), time.time()),
        holding,
    )


def build_pipeline(settings: Settings, shard_id: str, log: Log | None = None) -> Pipeline:
    """Everything between the stream and the tables for one shard. Raises SettingsError with all mapping problems."""
    log = (log or Log(settings.log_level)).bind(shard=shard_id)
    holding = Holding(shard_id, log)
    client = dynamodb_client(settings.region, settings.endpoint_url)
    parking = Parking(
        client, settings.parked_table, log, sealer=sealer(settings), telling=holding, retried=observe_retries
    )
    limit = ParkingLimit(
        settings.parked_limit, settings.parked_window_seconds, lambda: parking.is_allowed(shard_id), holding
    )
    fence = build_fence(settings, holding)
    pipeline = _pipeline(settings, log, parking, limit, shard_id, fence)
    if fence:
        begin(fence)
    return pipeline


def build_retry(settings: Settings, parking: ParkingPlace, log: Log) -> Pipeline:
    """The same for records that were parked: `parking` learns which of them stay so. Raises SettingsError."""
    return _pipeline(settings, log, parking)


def _pipeline(
    settings: Settings,
    log: Log,
    parking: ParkingPlace,
    limit: ParkingLimit | None = None,
    shard_id: str = "",
    fence: Fence | None = None,
) -> Pipeline:
    """Without a shard, for records that come one by one from elsewhere."""
    mapping = read_mapping(Path(settings.mappings))
    log.info(Event.MAPPINGS_LOADED, count=len(mapping.aggregates), path=settings.mappings)
    observe_document_limit(settings.max_document_bytes)
    read_as = source(settings, mapping)
    if shard_id and (found := problems(settings, mapping)):
        raise SettingsError(found)
    client = dynamodb_client(settings.region, settings.endpoint_url)
    progress = ShardProgress(shard_id, read_as, mapping.tables, time.time) if shard_id else None
    plan = make_plan(mapping, settings.max_document_bytes)
    return Pipeline(
        plan=plan,
        store=engine_store(
            settings.region,
            settings.endpoint_url,
            settings.rows_table,
            settings.documents_table,
            log,
            settings.conditional_writes,
            observe_retries,
            fence.check if fence else None,
        ),
        parking=parking,
        notes=SourceNotes(client, settings.parked_table, Patience("the parking table", log, retried=observe_retries)),
        source=read_as,
        log=log,
        notes_tables=bool(shard_id),
        dues=_dues(settings, shard_id, progress) if progress else None,
        limit=limit,
        progress=progress,
        settled=Settled(shard_id, digest(plan), time.monotonic) if shard_id else None,
    )


def _dues(settings: Settings, shard_id: str, progress: ShardProgress) -> Dues:
    return Dues(shard_id, lambda: uuid.uuid4().hex, limits(settings.large_fan_out), complete=progress.before)
