"""The API's functions as they are packed for this machine: open to everybody, described with the mappings' examples."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from api_lambdas.package import COMMANDS_FILE, build
from contract.mapping import Mapping
from worker.examples.compare import shown
from worker.examples.suite import read_suite

ACCESS: Final = "default: public"
"""MiniStack checks no signatures, and nobody issues tokens here."""


def packed(mapping: Mapping, folder: Path) -> bytes:
    """The functions' zip file for the mappings of a folder. Raises PackageError."""
    commands = COMMANDS_FILE.read_text("utf-8")
    return build(mapping.to_json(), commands, access_yaml=ACCESS, examples=_examples(mapping, folder))


def _examples(mapping: Mapping, folder: Path) -> dict[str, dict[str, Any]]:
    """By collection and key, the first document that the examples beside the mappings expect of each aggregate."""
    texts = {path.name: path.read_text("utf-8") for path in sorted(folder.glob("*.y*ml"))}
    collections = {aggregate.name: aggregate.collection for aggregate in mapping.aggregates}
    found: dict[str, dict[str, Any]] = {}
    for example, _ in read_suite(texts, mapping)[0]:
        for one in example.expected:
            if one.document is not None and one.key.isalnum() and collections[example.aggregate] not in found:
                found[collections[example.aggregate]] = {one.key: json.loads(shown(one.document))}
    return found
