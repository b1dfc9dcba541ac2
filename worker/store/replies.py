"""The head of an HTTP reply, read strictly: what DynamoDB sends is understood, anything else is garbled. Pure."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

LARGEST_HEAD_BYTES: Final = 65_536
LARGEST_BODY_BYTES: Final = 256 * 1024 * 1024
"""16 MB of items, the most that DynamoDB returns, are less than this as JSON however much has to be escaped."""

_MOST_DIGITS: Final = 12
_ERRORS: Final = 400
# in small letters, and only what DynamoDB may say
_STATUS: Final = re.compile(rb"http/1\.([01]) (200|[45][0-9][0-9])(?: .*)?", re.DOTALL)
_NAME: Final = re.compile(rb"[!-9;-~]+")
_ONCE: Final = frozenset({b"content-length", b"x-amz-crc32", b"connection"})
# their names need no look
_USUAL: Final = _ONCE | {b"server", b"date", b"content-type", b"x-amzn-requestid"}


class Garbled(ValueError):
    """Not a reply of DynamoDB, or not the whole of it."""


class Head(NamedTuple):
    """What matters of a head. `checksum` is the CRC32 of the body, None if the server gave none. `date`: of errors."""

    status: int
    length: int
    keeps_alive: bool
    checksum: int | None
    date: str | None = None


def parse_head(head: bytes) -> Head:
    """Of all before the empty line. Raises Garbled, above all where two readers could see different ends of a reply."""
    lines = head.lower().split(b"\r\n")
    if head.count(b"\n") >= len(lines) or head.count(b"\r") >= len(lines):
        raise Garbled("a line that ends otherwise")
    status = _STATUS.fullmatch(lines[0])
    if status is None:
        raise Garbled("no status line")
    fields: dict[bytes, bytes] = {}
    for line in lines[1:]:
        name, colon, value = line.partition(b":")
        if not colon or not (name in _USUAL or _NAME.fullmatch(name)):
            raise Garbled("a header that is none")
        if name in fields and name in _ONCE:
            raise Garbled("a header that is there twice")
        fields[name] = value
    if b"transfer-encoding" in fields:
        raise Garbled("a reply in chunks")
    length = _number(fields.get(b"content-length"))
    if length is None or length > LARGEST_BODY_BYTES:
        raise Garbled("no usable length")
    keeps_alive = status[1] == b"1" and b"close" not in fields.get(b"connection", b"")
    code = int(status[2])
    date = fields.get(b"date") if code >= _ERRORS else None
    checksum = _number(fields.get(b"x-amz-crc32"))
    return Head(code, length, keeps_alive, checksum, None if date is None else date.decode("latin-1"))


def _number(value: bytes | None) -> int | None:
    if value is None:
        return None
    digits = value.strip(b" \t")
    if not digits.isdigit() or len(digits) > _MOST_DIGITS:
        raise Garbled("a number that is none")
    return int(digits)
