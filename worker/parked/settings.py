"""What the commands for parked things need of the worker's settings, and the places they make of them."""

from __future__ import annotations

import os
from typing import Final

from worker.operator_cli import operator_settings
from worker.parked.commands import Parked
from worker.parked.keys import sealer
from worker.settings import Settings
from worker.store.dynamodb import dynamodb_client

LOOKS: Final = ("region", "endpoint_url", "parked_table", "documents_table")
KEYS: Final = ("parked_key", "parked_key_file", "parked_key_secret", "parked_kms_key")
DECODES: Final = (
    "mappings",
    "before_image_field",
    "before_column_prefix",
    "before_column_suffix",
    "source_engine",
    "change_sequence_column",
    "token_key",
    "token_key_file",
    "token_key_secret",
    "token_key_id",
)
RETRIES: Final = (*LOOKS, "rows_table", "max_document_bytes", *DECODES, *KEYS)


def environment(needed: tuple[str, ...]) -> Settings:
    """Those of the shell. Raises SettingsError."""
    return operator_settings(os.environ, needed)


def open_parked(settings: Settings) -> Parked:
    """What the settings name, with the keys they give. Raises SettingsError."""
    client = dynamodb_client(settings.region, settings.endpoint_url)
    return Parked(client, settings.parked_table, settings.documents_table, sealer=sealer(settings))
