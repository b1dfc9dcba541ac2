"""HTTP replies as bytes, whole and spoilt. Pure."""

from __future__ import annotations

import binascii
import email.utils
import random
from dataclasses import dataclass
from typing import Any, Final

import orjson

from tests.faults.weather import Fault

PROXY_PAGE: Final = b"<html><body><h1>502 Bad Gateway</h1></body></html>"


@dataclass(frozen=True, slots=True)
class Reply:
    """Bytes to send. `then`: `keep`, `close`, `reset` the connection, or say nothing more on it (`hang`).

    `slowly`: only the first half goes at once.
    """

    data: bytes
    then: str = "keep"
    slowly: bool = False


def written(status: int, body: bytes, now: float, *, checksum: int | None = None) -> bytes:
    """A whole reply as DynamoDB sends it."""
    crc = binascii.crc32(body) if checksum is None else checksum
    date = email.utils.formatdate(now, usegmt=True)
    return (
        f"HTTP/1.1 {status} Whatever\r\nServer: Server\r\nDate: {date}\r\n"
        f"Content-Type: application/x-amz-json-1.0\r\nContent-Length: {len(body)}\r\n"
        f"x-amzn-RequestId: FAULTS\r\nx-amz-crc32: {crc}\r\n\r\n"
    ).encode() + body


def error(code: str, status: int, now: float, message: str = "of the test") -> bytes:
    """An error as DynamoDB sends it."""
    body = {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": message}
    return written(status, orjson.dumps(body), now)


def spoilt(fault: Fault, data: bytes, dice: random.Random) -> Reply:
    """What becomes of a reply on its way. Whatever arrives is never a wrong reply that looks right."""
    head, _, body = data.partition(b"\r\n\r\n")
    if fault in (Fault.LOST_REPLY, Fault.LOST_REQUEST):
        return Reply(b"", dice.choice(("close", "reset")))
    if fault is Fault.RESET:
        return Reply(data[: dice.randrange(len(data))], "reset")
    if fault is Fault.HALF_OPEN:
        return Reply(data[: dice.choice((0, 0, len(data) // 2))], "hang")
    if fault is Fault.SLOW_BODY:
        return Reply(data, slowly=True)
    if fault is Fault.CUT_BODY:
        return Reply(data[: len(head) + 4 + dice.randrange(len(body) or 1)], "close")
    if fault is Fault.GARBLED_BODY:  # as long as it was; the checksum tells
        at = dice.randrange(len(body))
        return Reply(head + b"\r\n\r\n" + body[:at] + bytes([body[at] ^ (1 << dice.randrange(8))]) + body[at + 1 :])
    if fault is Fault.WRONG_CHECKSUM:
        wrong = (binascii.crc32(body) + 1 + dice.randrange(1000)) % (1 << 32)
        return Reply(_with_checksum(head, wrong) + b"\r\n\r\n" + body)
    return Reply(data)


def _with_checksum(head: bytes, checksum: int) -> bytes:
    lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"x-amz-crc32:")]
    return b"\r\n".join([*lines, b"x-amz-crc32: %d" % checksum])


def proxy_page(now: float, dice: random.Random) -> Reply:
    """A page of something between, with the status of an error, or of none."""
    status = dice.choice((502, 503, 504, 200))
    date = email.utils.formatdate(now, usegmt=True)
    head = (
        f"HTTP/1.1 {status} x\r\nDate: {date}\r\nContent-Type: text/html\r\nContent-Length: {len(PROXY_PAGE)}\r\n\r\n"
    )
    return Reply(head.encode() + PROXY_PAGE)


def json_of(body: Any) -> bytes:
    """As DynamoDB writes it."""
    return orjson.dumps(body)
