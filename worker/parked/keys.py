"""From settings to what seals and opens parked payloads. All problems at once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from contract.mapping import Mapping
from worker.errors import SettingsError, TransientError
from worker.sealing import LEAST_SECRET_BYTES, KmsWrapper, Sealer, Secret, SecretWrapper, Wrapper, read_secrets
from worker.settings import Settings
from worker.store.kms import failure, kms_client
from worker.store.secrets_manager import StoredSecret, secrets_client

_TEXT, _FILE, _KMS = "NEARVIEW_PARKED_KEY", "NEARVIEW_PARKED_KEY_FILE", "NEARVIEW_PARKED_KMS_KEY"
_SECRET = "NEARVIEW_PARKED_KEY_SECRET"  # noqa: S105  a setting's name


def sealer(settings: Settings) -> Sealer | None:
    """None without a key. Raises SettingsError."""
    given = _given(settings)
    if len(given) > 1:
        raise SettingsError([f"{' and '.join(given)} are set: keep one of them"])
    wrapper = _wrapper(settings)
    return Sealer(wrapper) if wrapper else None


def problems(settings: Settings, mapping: Mapping) -> list[str]:
    """What is wrong with the keys of parked payloads, one a line.

    What cannot be read cannot be protected column by column: with sensitive columns there must be a key that seals it.
    """
    try:
        sealer(settings)
    except SettingsError as error:
        return list(error.problems)
    if mapping.policies and not _given(settings):
        why = "the mappings have sensitive columns, and a record that cannot be read would be parked as it came"
        return [f"{_TEXT} is not set: {why}. Set it, {_FILE}, {_SECRET} or {_KMS}"]
    return []


def unusable_key(settings: Settings) -> list[str]:
    """One line if the key cannot be used now: its service is asked."""
    try:
        found = sealer(settings)
        if found is not None:
            found.seal(b"", "")
    except SettingsError as error:
        return list(error.problems)
    except TransientError as error:
        return [f"{error}: parked payloads could not be sealed"]
    return []


def _given(settings: Settings) -> list[str]:
    values = {
        _TEXT: settings.parked_key,
        _FILE: settings.parked_key_file,
        _SECRET: settings.parked_key_secret,
        _KMS: settings.parked_kms_key,
    }
    return [name for name, value in values.items() if value]


def _wrapper(settings: Settings) -> Wrapper | None:
    if settings.parked_kms_key:
        return KmsWrapper(kms_client(settings.region, settings.endpoint_url), settings.parked_kms_key, failure)
    if settings.parked_key_secret:
        return _stored(settings)
    if settings.parked_key_file:
        path = Path(settings.parked_key_file)
        try:
            _read_file(path)
        except TransientError as error:
            raise SettingsError([str(error)]) from None
        return SecretWrapper(lambda: _read_file(path))
    if settings.parked_key:
        secrets = read_secrets(settings.parked_key)
        if secrets is None:
            raise SettingsError([_too_short(_TEXT)])
        return SecretWrapper(lambda: secrets)
    return None


def _stored(settings: Settings) -> Wrapper:
    """With a rotation, the secret's version before still opens what it has sealed."""
    client = secrets_client(settings.region, settings.endpoint_url)
    stored = StoredSecret(client, settings.parked_key_secret, _SECRET)

    def more() -> Sequence[Secret]:
        previous = stored.previous()
        return [*_read(stored.renewed()), *((read_secrets(previous) or ()) if previous else ())]

    return SecretWrapper(lambda: _read(stored.text()), more)


def _read(text: str) -> Sequence[Secret]:
    secrets = read_secrets(text)
    if secrets is None:
        raise TransientError(_too_short(_SECRET))
    return secrets


def _read_file(path: Path) -> Sequence[Secret]:
    """Raises TransientError: a file that is being replaced is there again in a moment."""
    try:
        secrets = read_secrets(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise TransientError(f"{_FILE} cannot be read: {type(error).__name__}") from None
    if secrets is None:
        raise TransientError(_too_short(_FILE))
    return secrets


def _too_short(name: str) -> str:
    return f"{name} needs secrets of at least {LEAST_SECRET_BYTES} bytes each, as text without blanks or base64"
