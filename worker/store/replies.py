"""The head of an HTTP reply, read strictly: what DynamoDB sends is understood, anything else is garbled. Pure."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

LARGEST_HEAD_BYTES: Final = 65_536
LARGEST_BODY_BYTES: Final = 256 * 1024 * 1024
"""16 MB of items, the most that DynamoDB returns, are less than this as JSON however much has to be escaped."""

_MOST_DIGITS: Final = 12
# in small letters: a status line with what DynamoDB may say, then whole headers and nothing else
_HEAD: Final = re.compile(
    rb"http/1\.([01]) (200|[45][0-9][0-9])(?: [^\r\n]*)?\r\n"
    rb"(?:[!-9;-~]+:[^\r\n]*\r\n)*"
)
_LENGTH: Final = b"\r\ncontent-length:"
_CHECKSUM: Final = b"\r\nx-amz-crc32:"
_CONNECTION: Final = b"\r\nconnection:"
_ENCODING: Final = b"\r\ntransfer-encoding:"


class Garbled(ValueError):
    """Not a reply of DynamoDB, or not the whole of it."""


class Head(NamedTuple):
    """What matters of a head. `checksum` is the CRC32 of the body, None if the server gave none."""

    status: int
    length: int
    keeps_alive: bool
    checksum: int | None


def parse_head(head: bytes) -> Head:
    """Of all before the empty line. Raises Garbled, above all where two readers could see different ends of a reply."""
    text = head.lower() + b"\r\n"
    status = _HEAD.fullmatch(text)
    if status is None:
        raise Garbled("not the head of a reply")
    if _ENCODING in text:
        raise Garbled("a reply in chunks")
    length = _number(text, _LENGTH)
    if length is None or length > LARGEST_BODY_BYTES:
        raise Garbled("no usable length")
    keeps_alive = status[1] == b"1" and b"close" not in _value(text, _CONNECTION)
    return Head(int(status[2]), length, keeps_alive, _number(text, _CHECKSUM))


def _value(text: bytes, name: bytes) -> bytes:
    """A header's value, empty without one."""
    start = text.find(name)
    if start < 0:
        return b""
    if text.find(name, start + 1) >= 0:
        raise Garbled("a header that is there twice")
    return text[start + len(name) : text.index(b"\r\n", start + 1)].strip(b" \t")


def _number(text: bytes, name: bytes) -> int | None:
    value = _value(text, name)
    if not value:
        return None
    if not value.isdigit() or len(value) > _MOST_DIGITS:
        raise Garbled("a number that is none")
    return int(value)
