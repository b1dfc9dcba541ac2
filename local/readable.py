"""What can be known of mappings and settings before anything is started."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from contract.mapping import Mapping
from local.running import StackError
from worker.errors import SettingsError
from worker.mapping.loader import load_mappings
from worker.operator_cli import operator_settings
from worker.source_settings import source

READING: Final = ("source_engine", "change_sequence_column", "token_key", "token_key_file", "token_key_id")


def readable_mapping(folder: Path) -> Mapping:
    """The mapping of a folder. Raises StackError with all its problems."""
    mapping, problems = load_mappings(folder)
    if mapping is None:
        raise StackError("\n".join(map(str, problems)))
    return mapping


def check_settings(mapping: Mapping) -> None:
    """What the worker needs of this shell's settings to read records, known now instead of when all else runs."""
    try:
        source(operator_settings(os.environ, READING), mapping)
    except SettingsError as error:
        raise StackError("\n".join(error.problems)) from None
