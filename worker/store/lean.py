"""The worker's way to DynamoDB: botocore for credentials and endpoint, the rest as little work as it can be.

botocore spends about a millisecond of processor time on every call, most of it on building, checking and parsing what
is ready here. Certificates and proxies are those that botocore's clients use. Errors are botocore's, too.
"""

from __future__ import annotations

import binascii
import ssl
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

import orjson
from botocore.exceptions import ClientError, NoCredentialsError
from botocore.httpsession import ProxyConfiguration, get_cert_path
from botocore.session import Session
from botocore.utils import get_environ_proxies

from worker.errors import SettingsError
from worker.store.clock import CLOCK
from worker.store.connections import READ_SECONDS, Connections, Endpoint, Exchange
from worker.store.replies import Garbled
from worker.store.signing import Signer

_OK: Final = 200
_PORTS: Final = {"http": 80, "https": 443}


class LeanDynamoDB:
    """Calls under way on keep-alive connections: send some, then take their answers. For one thread."""

    def __init__(
        self,
        region: str,
        endpoint_url: str,
        session: Session | None = None,
        read_seconds: float = READ_SECONDS,
    ) -> None:
        """Raises SettingsError for a proxy or certificates that cannot be used."""
        session = session or Session()
        client = session.create_client("dynamodb", region_name=region, endpoint_url=endpoint_url or None)
        url = urlsplit(client.meta.endpoint_url)
        proxy = _proxy(client.meta.endpoint_url)
        self._credentials = session.get_credentials()
        # a proxy of plain HTTP is told the whole address and who asks; one of TLS is asked for a tunnel
        plainly_through = proxy is not None and url.scheme == "http"
        host, target = _host(url), url.path or "/"
        more = proxy[2] if proxy and plainly_through else {}
        self._signer = Signer(
            region,
            host,
            target,
            f"http://{host}{target}" if plainly_through else target,
            "".join(f"{name}: {value}\r\n" for name, value in more.items()),
        )
        tls = None if url.scheme == "http" else _tls(session.get_config_variable("ca_bundle"))
        self._connections = Connections(
            Endpoint(url.hostname or "", url.port or _PORTS[url.scheme], tls, proxy), read_seconds
        )

    def send(self, operation: str, body: bytes) -> Exchange:
        """Put a call on its way: its name and its request as JSON. Raises OSError and botocore's errors."""
        if self._credentials is None:
            raise NoCredentialsError
        # frozen at every call: refreshed credentials are used as soon as botocore has them
        credentials = self._credentials.get_frozen_credentials()
        return self._connections.send(self._signer.head(credentials, operation, body, CLOCK.now()) + body)

    def receive(self, exchange: Exchange) -> dict[str, Any]:
        """The answer. Raises ClientError as boto3 does, OSError, and ValueError for what is no answer."""
        head, body = self._connections.receive(exchange)
        if head.checksum is not None and binascii.crc32(body) != head.checksum:
            raise Garbled("the checksum is wrong")
        if head.status != _OK:
            error = _error(head.status, body)
            CLOCK.learn(error.response["Error"]["Code"], head.date)
            raise error
        answer = orjson.loads(body)
        if not isinstance(answer, dict):
            raise Garbled("an answer that is no object")
        return answer

    def abandon(self, exchange: Exchange) -> None:
        """Nobody waits for this answer any more."""
        self._connections.abandon(exchange)

    def close(self) -> None:
        """Close what is open; calls under way are the caller's to abandon."""
        self._connections.close()


def _host(url: SplitResult) -> str:
    """What the Host header says, as botocore signs it."""
    host = f"[{url.hostname}]" if ":" in (url.hostname or "") else url.hostname or ""
    return host if url.port in (None, _PORTS[url.scheme]) else f"{host}:{url.port}"


def _tls(bundle: str | None) -> ssl.SSLContext:
    path = get_cert_path(bundle or True)
    try:
        return ssl.create_default_context(cafile=path)
    except OSError as error:
        raise SettingsError(
            [f"no certificates can be read from {path} (AWS_CA_BUNDLE): {type(error).__name__}"]
        ) from None


def _proxy(url: str) -> tuple[str, int, dict[str, str]] | None:
    """Host, port and headers of the proxy that the environment names for an address."""
    known = ProxyConfiguration(get_environ_proxies(url))
    address = known.proxy_url_for(url)
    if not address:
        return None
    parts = urlsplit(address)
    if parts.scheme != "http" or not parts.hostname or parts.path not in ("", "/"):
        raise SettingsError(["HTTPS_PROXY and HTTP_PROXY must be http://host:port: no other proxy can be used"])
    return parts.hostname, parts.port or _PORTS["http"], known.proxy_headers_for(address)


def _error(status: int, body: bytes) -> ClientError:
    """As boto3 raises it; a reply without a code (a proxy's page) becomes its status, which is tried again."""
    try:
        found = orjson.loads(body)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        found = {}
    code = str(found.get("__type", "")).rpartition("#")[2] or f"HTTP {status}"
    response: Any = {"Error": {"Code": code, "Message": ""}, "ResponseMetadata": {"HTTPStatusCode": status}}
    if "Item" in found:
        response["Item"] = found["Item"]
    return ClientError(response, "DynamoDB")
