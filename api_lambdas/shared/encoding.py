"""Answers as they travel: gzip where the caller takes it, and never more than a Lambda can hand over. Pure."""

from __future__ import annotations

import base64
import zlib
from dataclasses import replace
from typing import Final

from api_lambdas.shared.http import Kind, Problem, Response

MIN_BYTES: Final = 1_400
"""What fits into one packet of a network gains nothing by being smaller."""

MAX_PAYLOAD_BYTES: Final = 6_000_000
"""A function hands over 6 MB (6,291,556 bytes) at most, the body as a JSON string and the headers with it."""

_GZIP: Final = 31  # zlib's window bits for gzip's header
_LEVEL: Final = 3  # of a document of 100 KB a fifth of what level 6 takes, for a tenth more bytes


def encoded(response: Response, accept_encoding: str | None) -> Response:
    """The response as the caller takes it. Raises Problem if it cannot be handed over."""
    if len(response.body) < MIN_BYTES:
        return response
    headers = {**response.headers, "vary": "accept-encoding"}
    if not takes_gzip(accept_encoding):
        if _string_bytes(response.body) > MAX_PAYLOAD_BYTES:
            detail = "ask for fewer documents, name `fields`, or send Accept-Encoding: gzip"
            raise Problem(Kind.ANSWER_TOO_LARGE, detail)
        return replace(response, headers=headers)
    compress = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
    packed = compress.compress(response.body.encode()) + compress.flush()
    body = base64.b64encode(packed).decode()
    if len(body) > MAX_PAYLOAD_BYTES:
        raise Problem(Kind.ANSWER_TOO_LARGE, "ask for fewer documents, or name `fields`")
    if "etag" in headers:  # other bytes than without gzip, so the tag cannot be a strong one (RFC 9110, 8.8.3.3)
        headers["etag"] = f"W/{headers['etag'].removeprefix('W/')}"
    return replace(response, body=body, headers={**headers, "content-encoding": "gzip"}, is_base64=True)


def takes_gzip(accept_encoding: str | None) -> bool:
    """Whether an Accept-Encoding header allows gzip (RFC 9110, 12.5.3)."""
    weights: dict[str, bool] = {}
    for entry in (accept_encoding or "").lower().split(","):
        coding, _, parameters = entry.partition(";")
        weight = parameters.strip().removeprefix("q=").strip()
        weights[coding.strip()] = weight.rstrip("0") not in ("0.", "") if weight else True
    return weights.get("gzip", weights.get("x-gzip", weights.get("*", False)))


def _string_bytes(body: str) -> int:
    """Bytes of the body as a JSON string; no other characters than these two are escaped in JSON text."""
    if len(body) * 6 <= MAX_PAYLOAD_BYTES:
        return len(body)
    return len(body.encode()) + body.count('"') + body.count("\\")
