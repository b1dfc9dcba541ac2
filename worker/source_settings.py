"""From settings to the mapping and to how records are read (engine, before images, tokens). All problems at once."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from contract.mapping import Mapping
from worker.errors import SettingsError, TransientError
from worker.mapping.loader import load_mappings
from worker.records.envelope import BeforeColumns
from worker.records.positions import NAMES, NEEDS_SEQUENCE, Engine, Order, sequence_rule
from worker.records.protect import KEY_ID, LEAST_KEY_BYTES, Protection, TokenKey, needs_key, read_secret
from worker.records.source import Source
from worker.settings import Settings
from worker.store.secrets_manager import StoredSecret, secrets_client


def read_mapping(folder: Path) -> Mapping:
    """The mapping of a folder's files. Raises SettingsError with a line for each problem."""
    mapping, problems = load_mappings(folder)
    if mapping is None:
        raise SettingsError([str(problem) for problem in problems])
    return mapping


def source(settings: Settings, mapping: Mapping) -> Source:
    """How to read the records of the task. Raises SettingsError with a line for each problem."""
    engine = Engine(settings.source_engine)
    problems = []
    if engine in NEEDS_SEQUENCE and not settings.change_sequence_column:
        problems.append(
            f"NEARVIEW_CHANGE_SEQUENCE_COLUMN is not set: log positions of {NAMES[engine]} are not known to order"
            f" changes; {sequence_rule()}"
        )
    key, key_problems = _token_key(settings) if needs_key(mapping.policies) else (None, [])
    problems += key_problems
    if settings.heartbeat_table in mapping.tables:
        problems.append(
            f"NEARVIEW_HEARTBEAT_TABLE: {settings.heartbeat_table} is a table of the mappings; heartbeats need one that"
            " no document shows"
        )
    if problems:
        raise SettingsError(problems)
    before_columns = BeforeColumns(settings.before_column_prefix, settings.before_column_suffix)
    return Source(
        settings.before_image_field,
        before_columns,
        Order(engine, settings.change_sequence_column),
        Protection(mapping.policies, key, before_columns),
        settings.heartbeat_table,
    )


_TOKEN_KEY: Final = "NEARVIEW_TOKEN_KEY"  # noqa: S105  a setting's name


def _token_key(settings: Settings) -> tuple[TokenKey | None, list[str]]:
    given = {
        _TOKEN_KEY: settings.token_key,
        f"{_TOKEN_KEY}_FILE": settings.token_key_file,
        f"{_TOKEN_KEY}_SECRET": settings.token_key_secret,
    }
    names = [name for name, value in given.items() if value]
    problems, text = [], ""
    if len(names) > 1:
        problems.append(f"{' and '.join(names)} are {'both' if len(names) == 2 else 'all'} set: keep one of them")
    elif names:
        try:
            text = _token_text(settings, names[0])
        except (OSError, ValueError) as error:
            problems.append(f"{names[0]} cannot be read: {type(error).__name__}")
        except TransientError as error:
            problems.append(str(error))
    if not KEY_ID.fullmatch(settings.token_key_id):
        problems.append("NEARVIEW_TOKEN_KEY_ID must be 1 to 16 letters, digits, - or _")
    secret = read_secret(text)
    if not problems and not text:
        problems.append("NEARVIEW_TOKEN_KEY is not set, and the mappings have sensitive columns that become tokens")
    elif not problems and secret is None:
        problems.append(f"{names[0]} is too short: at least {LEAST_KEY_BYTES} bytes, as text or base64")
    return (None, problems) if problems or secret is None else (TokenKey(settings.token_key_id, secret), [])


def _token_text(settings: Settings, name: str) -> str:
    if settings.token_key_file:
        return Path(settings.token_key_file).read_text("utf-8")
    if settings.token_key_secret:
        client = secrets_client(settings.region, settings.endpoint_url)
        return StoredSecret(client, settings.token_key_secret, name).text()
    return settings.token_key
