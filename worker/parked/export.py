"""Parked records as JSON lines, one each, and back.

A sealed payload goes out as it is sealed: whoever has the key can use it, in any installation. An opened one is
business data.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from contract.values import Item
from worker.errors import FatalError
from worker.parked.commands import Payload, entry_id
from worker.parked.items import ParkedItem
from worker.parked.parking import RECORD_PK_PREFIX, Entry, stored_items, with_payload
from worker.records.errors import Reason
from worker.records.stream import StreamRecord
from worker.sealing import Seal, Sealer

FORM: Final = 1
_TEXTS: Final = ("pk", "sk", "table", "reason", "detail", "shard", "sequence_number", "parked_at")
_NUMBERS: Final = ("arrival_millis", "payload_bytes")


@dataclass(frozen=True, slots=True)
class Line:
    """A record that was exported."""

    texts: dict[str, str]
    numbers: dict[str, int]
    payload: Payload


def to_line(item: ParkedItem, payload: Payload) -> str:
    """One line, which `from_line` reads."""
    seal = payload.seal
    fields: dict[str, Any] = {"nearview_parked": FORM, "id": entry_id(item)}
    fields |= {name: getattr(item, name) for name in (*_TEXTS, *_NUMBERS)}
    fields["sealed"] = seal and {"by": seal.by, "key": _base64(seal.wrapped), "nonce": _base64(seal.nonce)}
    fields["payload"] = _base64(payload.data)
    return json.dumps(fields)


def from_line(text: str, where: str) -> Line:
    """Raises FatalError, with `where` and without the line's text, if it is none."""
    try:
        fields = json.loads(text)
        if fields["nearview_parked"] != FORM:
            raise FatalError(f"{where}: an export of another version of nearview")
        texts = {name: _checked(fields[name], str) for name in _TEXTS}
        numbers = {name: _checked(fields[name], int) for name in _NUMBERS}
        sealed = fields["sealed"]
        seal = sealed and Seal(_checked(sealed["by"], str), _bytes(sealed["key"]), _bytes(sealed["nonce"]))
        int(texts["sk"].rpartition("#")[2])
        Reason(texts["reason"])
        if texts["pk"] != f"{RECORD_PK_PREFIX}{texts['table']}":
            raise ValueError
        return Line(texts, numbers, Payload(_bytes(fields["payload"]), seal))
    except (ValueError, LookupError, TypeError, RecursionError, binascii.Error):
        raise FatalError(f"{where}: not a line of `nearview parked export`") from None


def to_items(line: Line, sealer: Sealer | None) -> Iterator[Item]:
    """The items of the parking table that the line was made of; an open payload is sealed if there is a key."""
    texts, numbers = line.texts, line.numbers
    if line.payload.seal is None:
        sub_sequence_number = int(texts["sk"].rpartition("#")[2])
        data, arrival = line.payload.data, numbers["arrival_millis"]
        record = StreamRecord(texts["shard"], texts["sequence_number"], sub_sequence_number, "", data, arrival)
        entry = Entry(texts["pk"], texts["sk"], texts["table"], Reason(texts["reason"]), texts["detail"], record)
        yield from stored_items(entry, sealer, texts["parked_at"])
        return
    head: Item = {name: {"S": text} for name, text in texts.items()}
    head |= {name: {"N": str(number)} for name, number in numbers.items()}
    yield from with_payload(head, line.payload.seal, line.payload.data)


def _checked(value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise TypeError
    return value


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _bytes(text: Any) -> bytes:
    return base64.b64decode(_checked(text, str), validate=True)
