"""What is served as it was packed: the description of the API, and the page that shows it."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from pathlib import Path
from typing import Final

from api_lambdas.shared.http import JSON, Request, Response, etag_matches

OPENAPI: Final = "/openapi.json"
DOCS: Final = "/openapi.html"
_HTML: Final = "text/html; charset=utf-8"
_BLOCK: Final = re.compile(r"<(script|style)>(.*?)</\1>", re.DOTALL)


class Pages:
    """Read at the first request for one, for most starts never see any."""

    def __init__(self, openapi_file: Path, docs_file: Path) -> None:
        self._files = {OPENAPI: openapi_file, DOCS: docs_file}
        self._read = cache(lambda path: self._files[path].read_text("utf-8"))

    def serves(self, path: str) -> bool:
        """Whether a request's path is one of these; no collection can have such a name."""
        return path in self._files

    def response(self, request: Request) -> Response:
        """The page at the request's path."""
        text: str = self._read(request.path)
        tag = f'"{hashlib.sha256(text.encode()).hexdigest()[:16]}"'
        headers = {"etag": tag, "cache-control": "no-cache"}
        if etag_matches(request.headers.get("if-none-match"), tag):
            return Response(304, "", headers)
        if request.path == OPENAPI:
            return Response(200, text, {"content-type": JSON, **headers})
        return Response(200, text, {"content-type": _HTML, "content-security-policy": policy(text), **headers})


def policy(page: str) -> str:
    """The page runs what stands in it and asks its own API, nothing else."""
    found: dict[str, list[str]] = {"script": [], "style": []}
    for kind, text in _BLOCK.findall(page):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        found[kind].append(f"'sha256-{digest}'")
    allowed = "; ".join(f"{kind}-src {' '.join(hashes)}" for kind, hashes in found.items() if hashes)
    return f"default-src 'none'; {allowed}; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'"
