"""Settings of the two functions of events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from api_lambdas.shared.settings import (
    CODE_FOLDER,
    Access,
    Reader,
    SettingsError,
    TokenSettings,
    access_of,
    existing_file,
    level_of_log,
    token_settings,
)


@dataclass(frozen=True, slots=True)
class IngestSettings:
    """What the function needs that takes events."""

    bus: str
    events_table: str
    events_file: Path
    access_file: Path
    tokens: TokenSettings | None
    bus_access: Access
    access: Access
    region: str
    log_level: str


@dataclass(frozen=True, slots=True)
class StoringSettings:
    """What the function needs that stores them."""

    events_table: str
    access: Access
    region: str
    log_level: str


def ingest_settings(environment: Mapping[str, str]) -> IngestSettings:
    """Settings of the function that takes events. Raises SettingsError with every problem at once."""
    read = Reader(environment)
    bus = read.text("EVENT_BUS")
    events_file = read.value("EVENTS_FILE", str(CODE_FOLDER / "events.json"), existing_file)
    access_file = read.value("ACCESS_FILE", str(CODE_FOLDER / "access.json"), existing_file)
    tokens = token_settings(read)
    found = _storing(read)
    bus_access = access_of(read, found.region, "events", "AWS_ENDPOINT_URL_EVENTBRIDGE")
    if read.problems or events_file is None or access_file is None:
        raise SettingsError(tuple(read.problems))
    return IngestSettings(
        bus,
        found.events_table,
        events_file,
        access_file,
        tokens,
        bus_access,
        found.access,
        found.region,
        found.log_level,
    )


def storing_settings(environment: Mapping[str, str]) -> StoringSettings:
    """Settings of the function that stores them. Raises SettingsError with every problem at once."""
    read = Reader(environment)
    found = _storing(read)
    if read.problems:
        raise SettingsError(tuple(read.problems))
    return found


def _storing(read: Reader) -> StoringSettings:
    table = read.text("EVENTS_TABLE")
    region = read.text("AWS_REGION")
    access = access_of(read, region)
    return StoringSettings(table, access, region, read.value("LOG_LEVEL", "info", level_of_log) or "info")
