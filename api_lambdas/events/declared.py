"""Declared events: what may be posted under which name. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from api_lambdas.shared.bodies import check_body


@dataclass(frozen=True, slots=True)
class DeclaredEvent:
    """One kind of event; `schema` holds the JSON Schema of its body as text."""

    name: str
    schema: str

    def check(self, body: Any) -> None:
        """Hold a body to the schema. Raises InvalidBody."""
        check_body(self.schema, body)


def to_json(events: Iterable[DeclaredEvent]) -> str:
    """Text for `from_json`; packed into the function, which then needs no YAML."""
    return json.dumps([asdict(event) for event in events], indent=1, sort_keys=True)


def from_json(text: str) -> dict[str, DeclaredEvent]:
    """The events that `to_json` wrote, by name."""
    return {document["name"]: DeclaredEvent(**document) for document in json.loads(text)}
