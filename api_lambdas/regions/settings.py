"""Settings of what the functions do about regions; without REGIONS_TABLE there is one region and nothing to do."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from api_lambdas.shared.settings import (
    Access,
    Reader,
    SettingsError,
    access_of,
    dynamodb_endpoint,
    endpoint_url,
    http_url,
    level_of_log,
    number,
)

PAUSE_SECONDS: Final = 1.0
"""What may pass between the last look at the confirmations and the first byte to the monolith."""

_REGION: Final = re.compile(r"[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}")


@dataclass(frozen=True, slots=True)
class RegionSettings:
    """What the command function needs to know of regions.

    `peers`: the other regions, each with the endpoint of its DynamoDB. `forwarders`: the signers, roles of their
    functions, whose word counts about who has called. `fence_seconds`: for how long a confirmation counts.
    `cache_seconds`: the age of what is known, before it is read again; `stale_seconds`: while it cannot be.
    """

    table: str
    peers: Mapping[str, Access]
    cache_seconds: float
    stale_seconds: float
    fence_seconds: float
    breaker_failures: int
    breaker_open_seconds: float
    forwarders: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Place:
    """A region's API and where it is."""

    url: str
    place: str


@dataclass(frozen=True, slots=True)
class AlarmSettings:
    """What the alarm function needs."""

    table: str
    alarm_prefix: str
    regions: Mapping[str, Place]
    access: Access
    log_level: str


def region_settings(environment: Mapping[str, str], access: Access) -> RegionSettings | None:
    """None without a table of regions. Raises SettingsError with every problem at once."""
    read = Reader(environment)
    table = read.optional("REGIONS_TABLE")
    peers = read.value("PEER_REGIONS", "-", partial(_peers, access))
    cache_seconds = read.value("REGIONS_CACHE_SECONDS", "5", partial(_between, 0, 60))
    stale_seconds = read.value("REGIONS_STALE_SECONDS", "60", partial(_between, 0, 3600))
    fence_seconds = read.value("FENCE_SECONDS", "40", partial(_between, 1, 600))
    failures = read.value("BREAKER_FAILURES", "5", partial(_between, 1, 1000))
    open_seconds = read.value("BREAKER_OPEN_SECONDS", "30", partial(_between, 1, 3600))
    forwarders = frozenset(one.strip() for one in read.optional("FORWARDERS").split(",") if one.strip())
    if not table:
        return None
    if peers is None or cache_seconds is None or stale_seconds is None or fence_seconds is None:
        raise SettingsError(tuple(read.problems))
    if failures is None or open_seconds is None:
        raise SettingsError(tuple(read.problems))
    return RegionSettings(
        table, peers, cache_seconds, stale_seconds, fence_seconds, int(failures), open_seconds, forwarders
    )


def alarm_settings(environment: Mapping[str, str]) -> AlarmSettings:
    """Settings of the alarm function. Raises SettingsError with every problem at once."""
    read = Reader(environment)
    table = read.text("REGIONS_TABLE")
    alarm_prefix = read.text("ALARM_PREFIX")
    regions = read.value("REGIONS", None, _places)
    here = read.text("AWS_REGION")
    access = access_of(read, read.optional("REGIONS_TABLE_REGION") or here)
    log_level = read.value("LOG_LEVEL", "info", level_of_log)
    if read.problems or regions is None or log_level is None:
        raise SettingsError(tuple(read.problems))
    return AlarmSettings(table, alarm_prefix, regions, access, log_level)


def _peers(here: Access, text: str) -> Mapping[str, Access]:
    """`us-east-1, ap-south-1=http://host:port`: regions, with an endpoint of DynamoDB if it is not the usual one.

    `-` is none. A stand-in for DynamoDB stands in for it everywhere.
    """
    wanted = "other regions with commas between them, such as us-east-1"
    stand_in = "" if here.endpoint == dynamodb_endpoint(here.region) else here.endpoint
    found: dict[str, Access] = {}
    for entry in text.split(",") if text != "-" else ():
        region, _, endpoint = (part.strip() for part in entry.partition("="))
        if not _REGION.fullmatch(region) or region == here.region:
            raise ValueError(wanted)
        found[region] = Access(
            region, endpoint_url(endpoint or stand_in or dynamodb_endpoint(region)), here.credentials
        )
    return found


def _places(text: str) -> Mapping[str, Place]:
    wanted = 'JSON such as {"eu-west-1": {"url": "https://...", "place": "Ireland"}}'
    try:
        values: Any = json.loads(text)
        found = {region: Place(http_url(entry["url"]), str(entry.get("place", ""))) for region, entry in values.items()}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise ValueError(wanted) from None
    if not found or not all(_REGION.fullmatch(region) for region in found):
        raise ValueError(wanted)
    return found


def _between(low: int, high: int, text: str) -> float:
    wanted = f"a number from {low} to {high}"
    found = number(text, wanted)
    if not low <= found <= high:
        raise ValueError(wanted)
    return found
