"""Settings of the query function."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from api_lambdas.shared.settings import (
    CODE_FOLDER,
    Access,
    Reader,
    SettingsError,
    TokenSettings,
    access_of,
    existing_file,
    level_of_log,
    number,
    secret,
    token_settings,
)

MAX_CONSISTENCY_WAIT_SECONDS: Final = 5.0
DEFAULT_CONSISTENCY_WAIT_SECONDS: Final = "1.5"


@dataclass(frozen=True, slots=True)
class QuerySettings:
    """What the query Lambda needs; `tokens` is None where no issuer is set."""

    documents_table: str
    mapping_file: Path
    openapi_file: Path
    access_file: Path
    tokens: TokenSettings | None
    cursor_secret: bytes
    consistency_wait_seconds: float
    access: Access
    region: str
    log_level: str


def query_settings(environment: Mapping[str, str]) -> QuerySettings:
    """Settings of the query Lambda. Raises SettingsError with every problem at once."""
    read = Reader(environment)
    documents_table = read.text("DOCUMENTS_TABLE")
    mapping_file = read.value("MAPPING_FILE", str(CODE_FOLDER / "mapping.json"), existing_file)
    openapi_file = read.value("OPENAPI_FILE", str(CODE_FOLDER / "openapi.json"), existing_file)
    access_file = read.value("ACCESS_FILE", str(CODE_FOLDER / "access.json"), existing_file)
    tokens = token_settings(read)
    cursor_secret = read.value("CURSOR_SECRET", None, secret)
    wait_seconds = read.value("CONSISTENCY_WAIT_SECONDS", DEFAULT_CONSISTENCY_WAIT_SECONDS, _consistency_wait)
    region = read.text("AWS_REGION")
    access = access_of(read, region)
    log_level = read.value("LOG_LEVEL", "info", level_of_log)
    if read.problems or mapping_file is None or openapi_file is None or access_file is None:
        raise SettingsError(tuple(read.problems))
    if cursor_secret is None or wait_seconds is None or log_level is None:
        raise SettingsError(tuple(read.problems))
    return QuerySettings(
        documents_table=documents_table,
        mapping_file=mapping_file,
        openapi_file=openapi_file,
        access_file=access_file,
        tokens=tokens,
        cursor_secret=cursor_secret,
        consistency_wait_seconds=wait_seconds,
        access=access,
        region=region,
        log_level=log_level,
    )


def _consistency_wait(text: str) -> float:
    wanted = f"a number of seconds from 0 to {MAX_CONSISTENCY_WAIT_SECONDS:g}"
    seconds = number(text, wanted)
    if not 0 <= seconds <= MAX_CONSISTENCY_WAIT_SECONDS:
        raise ValueError(wanted)
    return seconds
