"""Settings of the command function."""

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
    http_url,
    level_of_log,
    number,
    optional_secret,
    token_settings,
)

# An HTTP API gives up on its integration after 30 seconds; storing the answer needs some of them.
MAX_DISPATCH_TIMEOUT_SECONDS: Final = 25.0
DEFAULT_DISPATCH_TIMEOUT_SECONDS: Final = "10"


@dataclass(frozen=True, slots=True)
class CommandSettings:
    """What the command Lambda needs."""

    commands_table: str
    commands_file: Path
    access_file: Path
    tokens: TokenSettings | None
    monolith_url: str
    dispatch_timeout_seconds: float
    cursor_secret: bytes | None
    access: Access
    region: str
    log_level: str


def command_settings(environment: Mapping[str, str]) -> CommandSettings:
    """Settings of the command Lambda. Raises SettingsError with every problem at once."""
    read = Reader(environment)
    commands_table = read.text("COMMANDS_TABLE")
    commands_file = read.value("COMMANDS_FILE", str(CODE_FOLDER / "commands.json"), existing_file)
    access_file = read.value("ACCESS_FILE", str(CODE_FOLDER / "access.json"), existing_file)
    tokens = token_settings(read)
    monolith_url = read.value("MONOLITH_URL", None, http_url)
    timeout_seconds = read.value("DISPATCH_TIMEOUT_SECONDS", DEFAULT_DISPATCH_TIMEOUT_SECONDS, _dispatch_timeout)
    cursor_secret = read.value("CURSOR_SECRET", "", optional_secret)
    region = read.text("AWS_REGION")
    access = access_of(read, region)
    log_level = read.value("LOG_LEVEL", "info", level_of_log)
    if read.problems or commands_file is None or access_file is None or monolith_url is None:
        raise SettingsError(tuple(read.problems))
    if timeout_seconds is None or log_level is None:
        raise SettingsError(tuple(read.problems))
    return CommandSettings(
        commands_table=commands_table,
        commands_file=commands_file,
        access_file=access_file,
        tokens=tokens,
        monolith_url=monolith_url,
        dispatch_timeout_seconds=timeout_seconds,
        cursor_secret=cursor_secret or None,
        access=access,
        region=region,
        log_level=log_level,
    )


def _dispatch_timeout(text: str) -> float:
    wanted = f"a number of seconds above 0 and up to {MAX_DISPATCH_TIMEOUT_SECONDS:g}"
    seconds = number(text, wanted)
    if not 0 < seconds <= MAX_DISPATCH_TIMEOUT_SECONDS:
        raise ValueError(wanted)
    return seconds
