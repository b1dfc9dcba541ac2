"""AWS Signature Version 4 for requests without a query. Pure."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote

_ALGORITHM: Final = "AWS4-HMAC-SHA256"
_NO_QUERY: Final = ""


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who signs; a session token belongs to temporary credentials, which are all that Lambda gives."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str = field(default="", repr=False)


def signed_headers(
    credentials: Credentials,
    region: str,
    service: str,
    moment: str,
    headers: Mapping[str, str],
    body: bytes,
    path: str = "/",
    method: str = "POST",
) -> dict[str, str]:
    """The headers to send: those given (lower-case names, `host` among them), date, token, signature.

    `path` is as it is sent; it is escaped once more, as every service but S3 asks for. `moment` is in UTC, like
    20260102T030405Z. All headers given are signed, so none may be changed on the way.
    """
    sent = {**headers, "x-amz-date": moment}
    if credentials.session_token:
        sent["x-amz-security-token"] = credentials.session_token
    names = ";".join(sorted(sent))
    canonical = "\n".join(
        [
            method,
            quote(path, safe="/-_.~"),
            _NO_QUERY,
            *(f"{name}:{' '.join(sent[name].split())}" for name in sorted(sent)),
            "",
            names,
            hashlib.sha256(body).hexdigest(),
        ]
    )
    scope = f"{moment[:8]}/{region}/{service}/aws4_request"
    to_sign = "\n".join([_ALGORITHM, moment, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = f"AWS4{credentials.secret_access_key}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
    scoped = f"{credentials.access_key_id}/{scope}"
    sent["authorization"] = f"{_ALGORITHM} Credential={scoped}, SignedHeaders={names}, Signature={signature}"
    return sent
