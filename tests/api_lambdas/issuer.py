"""An issuer of tokens: signs with the library that others use, and serves its public keys on 127.0.0.1."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
ISSUER = "https://issuer.example/"
AUDIENCE = "nearview"
NOW = 1_800_000_000


@cache
def rsa_key(number: int, bits: int = 2048) -> rsa.RSAPrivateKey:
    """Always the same one for a number: making one takes time."""
    return rsa.generate_private_key(65537, bits)


@cache
def ec_key(number: int) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def jwk(key: PrivateKey, kid: str | None = None, **members: Any) -> dict[str, Any]:
    """The public half, as it stands in a set."""
    if isinstance(key, rsa.RSAPrivateKey):
        found = json.loads(RSAAlgorithm.to_jwk(key.public_key()))
    else:
        found = json.loads(ECAlgorithm.to_jwk(key.public_key()))
    return {**found, "use": "sig", **({} if kid is None else {"kid": kid}), **members}


def token(key: PrivateKey | str, kid: str | None = "k1", *, now: float = NOW, alg: str = "", **claims: Any) -> str:
    """A token with what is needed; a claim that is None is left out."""
    values = {"iss": ISSUER, "aud": AUDIENCE, "exp": now + 300, "iat": now, "sub": "ada", **claims}
    algorithm = alg or ("RS256" if isinstance(key, rsa.RSAPrivateKey) else "ES256")
    headers = {} if kid is None else {"kid": kid}
    return jwt.encode({n: v for n, v in values.items() if v is not None}, key, algorithm, headers=headers)


class Issuer:
    """Its keys' URL; `body` and `status` of the answers can be changed; it says nothing until `stalled` is set."""

    def __init__(self) -> None:
        self.body = b""
        self.status = 200
        self.asked = 0
        self.paths: list[str] = []
        self.stalled = threading.Event()
        self.stalled.set()
        self.url = ""

    def publish(self, *keys: dict[str, Any]) -> None:
        """From now on these keys."""
        self.body = json.dumps({"keys": keys}).encode()


@contextmanager
def issuer(*keys: dict[str, Any]) -> Iterator[Issuer]:
    """An issuer that serves."""
    found = Issuer()
    found.publish(*keys)

    class Keys(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.asked += 1
            found.paths.append(self.path)
            found.stalled.wait(30)
            with suppress(OSError):  # who asked may have gone
                self.send_response(found.status)
                self.send_header("Content-Length", str(len(found.body)))
                self.end_headers()
                self.wfile.write(found.body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base class's name
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Keys)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    found.url = f"http://127.0.0.1:{server.server_address[1]}/.well-known/jwks.json"
    try:
        yield found
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
