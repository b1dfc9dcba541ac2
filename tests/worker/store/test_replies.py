"""The heads of replies: the standard library's reader is the oracle for all that is understood here."""

from __future__ import annotations

import http.client
import io
import random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from worker.store.replies import LARGEST_BODY_BYTES, Garbled, Head, parse_head

GOOD = (
    b"HTTP/1.1 200 OK\r\nServer: Server\r\nDate: Sat, 21 Nov 2026 17:00:00 GMT\r\n"
    b"Content-Type: application/x-amz-json-1.0\r\nContent-Length: 123\r\nConnection: keep-alive\r\n"
    b"x-amzn-RequestId: 0123456789ABCDEF\r\nx-amz-crc32: 2745614147"
)


class _Socket:
    """What http.client reads from."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, _: str) -> io.BytesIO:
        return io.BytesIO(self._data)


def by_http_client(head: bytes) -> http.client.HTTPResponse:
    """As the standard library reads it."""
    response = http.client.HTTPResponse(_Socket(head + b"\r\n\r\n"), method="POST")  # type: ignore[arg-type]
    response.begin()
    return response


def test_a_head_of_dynamodb_is_understood() -> None:
    """Status, length, whether the connection stays, checksum."""
    assert parse_head(GOOD) == Head(200, 123, True, 2745614147)


@pytest.mark.parametrize(
    ("head", "found"),
    [
        (b"HTTP/1.1 400 Bad Request\r\ncontent-length:7", Head(400, 7, True, None)),
        (b"HTTP/1.1 503\r\nCONTENT-LENGTH: \t 7 \r\nConnection: Close", Head(503, 7, False, None)),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive", Head(200, 0, False, None)),
    ],
)
def test_other_forms_of_the_same_are_understood(head: bytes, found: Head) -> None:
    """Letters of any size, blanks, no reason; an old protocol's connection is not used again."""
    assert parse_head(head) == found


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"<html>",
        b"HTTP/2 200 OK\r\nContent-Length: 1",
        b"HTTP/1.1 20 OK\r\nContent-Length: 1",
        b"HTTP/1.1 2000 OK\r\nContent-Length: 1",
        b"HTTP/1.1 100 Continue\r\nContent-Length: 0",
        b"HTTP/1.1 204 No Content\r\nContent-Length: 1",
        b"HTTP/1.1 302 Found\r\nContent-Length: 1",
        b"HTTP/1.1 200 OK",
        b"HTTP/1.1 200 OK\r\nContent-Length:",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1",
        b"HTTP/1.1 200 OK\r\nContent-Length: +1",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1_0",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1, 1",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1",
        b"HTTP/1.1 200 OK\r\nContent-Length : 1",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n Transfer-Encoding: chunked",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked",
        b"HTTP/1.1 200 OK\r\nX: 1\nContent-Length: 1",
        b"HTTP/1.1 200 OK\nContent-Length: 1",
        b"HTTP/1.1 200 OK\r\nX: 1\rContent-Length: 1",
        f"HTTP/1.1 200 OK\r\nContent-Length: {LARGEST_BODY_BYTES + 1}".encode(),
        b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000,
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nx-amz-crc32: x",
    ],
)
def test_what_could_be_read_in_two_ways_is_garbled(head: bytes) -> None:
    """A reply whose end is not sure could be taken for the next one's."""
    with pytest.raises(Garbled):
        parse_head(head)


PIECES = st.sampled_from(
    [
        b"\r\n",
        b"\n",
        b"\r",
        b" ",
        b"\t",
        b":",
        b"content-length: 5",
        b"Transfer-Encoding: chunked",
        b"close",
        b"0",
        b"\x00",
    ]
)


@given(st.integers(), st.lists(PIECES | st.binary(max_size=3), max_size=4))
@example(0, [])
def test_whatever_is_understood_is_what_the_standard_library_reads(seed: int, pieces: list[bytes]) -> None:
    """Heads with pieces put in and taken out somewhere."""
    rng = random.Random(seed)
    head = GOOD
    for piece in pieces:
        at, length = rng.randrange(len(head) + 1), rng.choice((0, 0, 1, 5))
        head = head[:at] + piece + head[at + length :]
    head = head.partition(b"\r\n\r\n")[0]
    try:
        found = parse_head(head)
    except Garbled:
        return
    response = by_http_client(head)
    assert (response.status, response.length, response.chunked) == (found.status, found.length, False)
    assert not (found.keeps_alive and response.will_close)
    checksum = response.headers.get("x-amz-crc32")
    assert checksum is None or int(checksum) == found.checksum  # as a number: a zero in front says nothing
