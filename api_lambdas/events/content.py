"""What an event is, by whatever region it comes: name and body under an id, and the items made of it. Pure.

An event's content is one text with one hash. So the same event is the same item wherever and however often it is
written, and a replica that takes the later of two writes takes an equal one.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from api_lambdas.shared.json_text import dumps

# EventBridge counts source, type and detail of an entry, in UTF-8, against 256 KB
MAX_DETAIL_BYTES: Final = 255_000
SOURCE: Final = "nearview"
EFFECT: Final = "#"
_ID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MEMBERS: Final = ("id", "name", "body", "sha256")


class NotAnEvent(ValueError):
    """What came is no event of ours; str() says why and holds nothing of it."""


@dataclass(frozen=True, slots=True)
class Content:
    """An event: `body` is the JSON text that equal bodies share, `sha256` that of name and body."""

    id: str
    name: str
    body: str
    sha256: str


class Outcome(Enum):
    """What a region made of an event."""

    STORED = "stored"
    REFUSED = "refused"


def event_id(text: str) -> str | None:
    """The id as it is stored, lower-case; None if it is no UUID."""
    return found if _ID.fullmatch(found := text.strip().strip('"').lower()) else None


def content(id_: str, name: str, body: Any) -> Content:
    """The event of a body; order and spacing of its members do not matter."""
    text = dumps(body, sort_keys=True)
    return Content(id_, name, text, _hash(name, text))


def detail(event: Content) -> str:
    """The event as it goes over the bus. The body is a text: whoever reads JSON on the way may round its numbers."""
    return json.dumps({name: getattr(event, name) for name in _MEMBERS}, ensure_ascii=False, separators=(",", ":"))


def from_detail(value: Any) -> Content:
    """The event that `detail` wrote. Raises NotAnEvent."""
    if not isinstance(value, Mapping):
        raise NotAnEvent("no detail")
    members = [value.get(name) for name in _MEMBERS]
    if not all(isinstance(member, str) for member in members):
        raise NotAnEvent("id, name, body or sha256 is missing")
    event = Content(*map(str, members))
    if event_id(event.id) != event.id:
        raise NotAnEvent("the id is no UUID in lower case")
    if _hash(event.name, event.body) != event.sha256:
        raise NotAnEvent("sha256 is not that of name and body")
    return event


def effect_item(event: Content) -> dict[str, Any]:
    """The effect: one item for an id, the same in every region."""
    return {"pk": event.id, "sk": EFFECT, "name": event.name, "body": event.body, "sha256": event.sha256}


def receipt_item(event: Content, region: str, outcome: Outcome) -> dict[str, Any]:
    """That a region has dealt with an event, and how. Only this region writes it, so no replica overwrites it."""
    return {**effect_item(event), "sk": f"{region}#{event.sha256}", "region": region, "outcome": outcome.value}


def _hash(name: str, body: str) -> str:
    return hashlib.sha256(dumps([name, body]).encode()).hexdigest()
