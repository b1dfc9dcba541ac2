"""What the command function does about regions, made of its settings; imported only where there is a table of them."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING

from api_lambdas.commands.settings import CommandSettings
from api_lambdas.regions.settings import PAUSE_SECONDS, RegionSettings, region_settings
from api_lambdas.shared.dynamodb import DynamoDB
from api_lambdas.shared.log import Log
from api_lambdas.shared.settings import SettingsError

if TYPE_CHECKING:
    from api_lambdas.commands.dispatching import Dispatching


def composed_dispatching(
    environment: Mapping[str, str], settings: CommandSettings, longest_seconds: float
) -> Dispatching | None:
    """Raises SettingsError if settings are wrong, or no command could be over before its confirmation is."""
    regional = region_settings(environment, settings.access)
    if regional is None:
        return None
    least = longest_seconds + PAUSE_SECONDS + 2 * regional.cache_seconds
    if regional.peers and regional.fence_seconds < least:
        problem = f"FENCE_SECONDS must be at least {least:g}: the longest time-out of a command, and time to ask peers"
        raise SettingsError((problem,))
    return _dispatching(settings, regional)


def _dispatching(settings: CommandSettings, regional: RegionSettings) -> Dispatching:
    from api_lambdas.commands.dispatching import MONOLITH, Dispatching, GuardedMonolith
    from api_lambdas.regions.breaker import Breaker
    from api_lambdas.regions.forward import Forwarder
    from api_lambdas.regions.table import Regions
    from contract.confirmation import Instant

    def clock() -> Instant:
        return Instant(time.monotonic(), time.time())

    log = Log(settings.log_level)
    store = DynamoDB(settings.access)
    peers = {region: DynamoDB(access) for region, access in regional.peers.items()}
    regions = Regions(settings.region, regional, store, peers, clock, log, (MONOLITH,))
    owner = secrets.token_hex(16)

    @cache
    def breaker(target: str) -> Breaker:
        return Breaker(regions, regional, store, target, owner, log)

    monolith = GuardedMonolith(settings.monolith_url, regions, breaker(MONOLITH))
    forwarder = Forwarder(settings.region, settings.access.credentials, time.time)
    return Dispatching(regions, breaker, forwarder, monolith, regional.forwarders, log)
