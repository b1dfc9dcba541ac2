"""The worker's client and the store on it, against a server that misbehaves; sockets, TLS and proxies are real."""

from __future__ import annotations

import datetime
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from botocore.credentials import CredentialProvider, RefreshableCredentials
from botocore.exceptions import ClientError, NoCredentialsError
from botocore.session import Session

from tests.worker.store.server import Answer, Request, Server, closed, reply, reset, sent, silence, written
from worker.errors import FatalError, SettingsError
from worker.log import Log
from worker.projection.operations import APPLIED, Condition, Get, Insert, Replace, TableName, number, text
from worker.store.dynamodb import DynamoStore
from worker.store.lean import LeanDynamoDB
from worker.store.replies import Garbled

ROWS, DOCUMENTS = TableName.ROWS, TableName.DOCUMENTS
OK = reply({"a": 1})
APPLIED_ONE = reply({"Responses": [{}]})
INSERT = Insert(ROWS, "a", "#", {"pk": text("a"), "sk": text("#")})
REPLACE = Replace(DOCUMENTS, "a", "#", {"pk": text("a"), "sk": text("#")}, (Condition("_rev", "=", number(1)),))
QUICK_SECONDS = 0.2
"""How long a client waits for a server that does not answer; it decides nothing else."""


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings of the machine, and credentials."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "AWS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")


@cache
def _session() -> Session:
    """Loading DynamoDB's description takes longer than most tests."""
    return Session()


@contextmanager
def lean(url: str, session: Session | None = None) -> Iterator[LeanDynamoDB]:
    """A client of a server."""
    client = LeanDynamoDB("eu-west-1", url, session or _session(), read_seconds=QUICK_SECONDS)
    yield client
    client.close()


def ask(client: LeanDynamoDB, body: bytes = b"{}") -> dict[str, Any]:
    """One call."""
    return client.receive(client.send("Query", body))


def run(url: str, *group: Any, session: Session | None = None) -> tuple[list[Any], int]:
    """A group on a store: its replies, and how often something was tried again."""
    with lean(url, session) as client:
        store = DynamoStore(client, {ROWS: "rows", DOCUMENTS: "documents"}, Log("error"), lambda _: None)
        return store.run(group), store.retries


def test_calls_share_a_connection() -> None:
    """It is kept alive."""
    with Server(OK) as server, lean(server.url) as client:
        assert [ask(client) for _ in range(5)] == [{"a": 1}] * 5
        assert (len(server.requests), server.connections) == (5, 1)


def test_a_request_says_what_dynamodb_wants_to_hear() -> None:
    """One line, a target, a signature, a length."""
    with Server(OK) as server, lean(server.url) as client:
        ask(client, b'{"b": 2}')
        (request,) = server.requests
    assert (request.line, request.body) == ("POST / HTTP/1.1", b'{"b": 2}')
    assert request.headers["x-amz-target"] == "DynamoDB_20120810.Query"
    assert request.headers["host"] == f"127.0.0.1:{server.port}"
    assert request.headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/")


def test_each_of_several_calls_under_way_gets_its_own_answer() -> None:
    """Whatever order they are answered in."""

    def echo(connection: socket.socket, request: Request) -> bool:
        return reply(request.body)(connection, request)

    with Server(echo) as server, lean(server.url) as client:
        under_way = [client.send("Query", b'{"n": %d}' % number) for number in range(8)]
        assert [client.receive(exchange)["n"] for exchange in reversed(under_way)] == list(reversed(range(8)))
        assert server.connections == 8
        assert [ask(client, b'{"n": 9}')["n"] for _ in range(3)] == [9] * 3
        assert server.connections == 8


def test_a_reply_may_come_in_pieces() -> None:
    """A large one, and one byte by byte."""
    large = {"a": "x" * 3_000_000}

    def slowly(connection: socket.socket, _: Request) -> bool:
        for byte in written({"a": 2}):
            connection.sendall(bytes([byte]))
        return True

    with Server(reply(large), slowly, OK) as server, lean(server.url) as client:
        assert ask(client) == large
        assert ask(client) == {"a": 2}
        assert ask(client) == {"a": 1}


def test_a_connection_that_the_server_closed_meanwhile_is_replaced() -> None:
    """No failure, no pause: servers close what is idle."""
    with Server(OK) as server, lean(server.url) as client:
        ask(client)
        server.hang_up()
        assert ask(client) == {"a": 1}
        assert server.connections == 2


@pytest.mark.parametrize("end", [closed, reset])
def test_a_connection_closed_just_when_it_is_used_again_is_replaced(end: Answer) -> None:
    """The request is sent once more; only the first call on a connection of its own would fail."""
    with Server(OK, end, OK) as server, lean(server.url) as client:
        ask(client)
        assert ask(client, b'{"n": 2}') == {"a": 1}
        assert [request.body for request in server.requests[1:]] == [b'{"n": 2}'] * 2


def test_the_server_may_ask_to_close() -> None:
    """Then the connection is not used again."""
    with Server(reply({"a": 1}, connection="close"), OK) as server, lean(server.url) as client:
        ask(client)
        ask(client)
        assert server.connections == 2


def test_two_replies_to_one_request_are_none() -> None:
    """Which is the answer, nobody knows."""
    with Server(sent(written({"a": 1}) + written({"a": 2})), OK) as server, lean(server.url) as client:
        with pytest.raises(Garbled):
            ask(client)
        assert ask(client) == {"a": 1}
        assert server.connections == 2


def test_what_nobody_asked_for_is_never_taken_for_an_answer() -> None:
    """Such as a server's note that the connection was idle for too long."""
    taken = threading.Event()

    def later(connection: socket.socket, request: Request) -> bool:
        OK(connection, request)
        taken.wait()
        connection.sendall(written({"a": "not yours"}, 408))
        connection.recv(1)
        return False

    with Server(later, OK) as server, lean(server.url) as client:
        ask(client)
        taken.set()
        while not client._connections._idle[0].readable.poll(1000):
            pass
        assert ask(client) == {"a": 1}
        assert server.connections == 2


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (closed, ConnectionResetError),
        (reset, ConnectionResetError),
        (silence, TimeoutError),
        (sent(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", keeps=False), ConnectionResetError),
        (sent(b"HTTP/1.1 200 OK\r\nContent-Le", keeps=False), ConnectionResetError),
        (sent(b"<html>a proxy's page\r\n\r\n"), Garbled),
        (sent(b"x" * 100_000), Garbled),
        (reply({"a": 1}, x_amz_crc32="1"), Garbled),
        (reply(b"<html>"), ValueError),
        (reply(b""), ValueError),
        (reply(b"[1]"), Garbled),
        (reply(b'{"a": "\xff"}'), ValueError),
        (sent(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"), Garbled),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_bad_reply_is_a_failure_that_passes(answer: Answer, error: type[Exception]) -> None:
    """The client says so, the store asks again; nothing of the bad connection is used."""
    with Server(answer, OK) as server, lean(server.url) as client:
        with pytest.raises(error):
            ask(client)
        assert ask(client) == {"a": 1}
    with Server(answer, APPLIED_ONE) as server:
        assert run(server.url, INSERT) == ([APPLIED], 1)
        assert [request.body for request in server.requests] == [server.requests[0].body] * 2


def test_a_reply_that_never_ends_is_given_up() -> None:
    """However often a byte comes."""

    def drip(connection: socket.socket, _: Request) -> bool:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        while True:
            connection.sendall(b"x")
            connection.settimeout(QUICK_SECONDS / 20)
            try:
                connection.recv(1)
            except TimeoutError:
                continue
            return False

    with Server(drip) as server, lean(server.url) as client, pytest.raises(TimeoutError):
        ask(client)


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (reply(b"<html>", 503), "HTTP 503"),
        (reply(b"", 502), "HTTP 502"),
        (reply({"__type": "com.amazonaws.dynamodb.v20120810#ThrottlingException", "message": "slow"}, 400), None),
        (reply({"__type": "com.amazon.coral.service#ExpiredTokenException"}, 400), "ExpiredTokenException"),
        (reply({"__type": 7}, 500), "7"),
        (reply([], 500), "HTTP 500"),
    ],
)
def test_an_error_has_dynamodbs_code_or_its_status(answer: Answer, code: str | None) -> None:
    """It is tried again, and no message is repeated."""
    with Server(answer, APPLIED_ONE) as server, lean(server.url) as client:
        with pytest.raises(ClientError) as caught:
            ask(client)
        assert caught.value.response["Error"] == {"Code": code or "ThrottlingException", "Message": ""}
        assert server.connections == 1
    with Server(answer, APPLIED_ONE) as server:
        assert run(server.url, INSERT) == ([APPLIED], 1)


def test_what_stands_in_the_way_of_a_put_comes_with_the_refusal() -> None:
    """No failure."""
    refusal = {
        "__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException",
        "Item": {"_rev": {"N": "7"}},
    }
    with Server(reply(refusal, 400)) as server:
        (refused,), retries = run(server.url, REPLACE)
    assert (refused.item, retries) == ({"_rev": number(7)}, 0)


def test_only_the_throttled_statement_of_a_batch_is_sent_again() -> None:
    """The others are done."""
    group = [Insert(ROWS, key, "#", {"pk": text(key), "sk": text("#")}) for key in "abc"]
    first = reply({"Responses": [{}, {"Error": {"Code": "ThrottlingError"}}, {}]})
    with Server(first, APPLIED_ONE) as server:
        assert run(server.url, *group) == ([APPLIED] * 3, 1)
        assert [request.body.count(b'"Statement"') for request in server.requests] == [3, 1]
        assert b'{"S":"b"}' in server.requests[1].body


def test_a_wrong_number_of_outcomes_says_nothing_about_any() -> None:
    """Whose they are is not known."""
    group = [Insert(ROWS, key, "#", {"pk": text(key), "sk": text("#")}) for key in "ab"]
    with Server(reply({"Responses": [{}]}), reply({"Responses": [{}, {}]})) as server:
        assert run(server.url, *group) == ([APPLIED] * 2, 2)


def test_a_fatal_answer_leaves_no_other_answer_behind() -> None:
    """Calls that were under way are abandoned with their connections; later calls get answers of their own."""
    fatal = reply({"__type": "x#AccessDeniedException"}, 400)
    found = {"pk": text("k1"), "sk": text("#"), "v": text("new")}
    with Server(OK) as server, lean(server.url) as client:

        def answer(connection: socket.socket, request: Request) -> bool:
            if request.operation == "PutItem":
                return fatal(connection, request)
            return reply({"Responses": {"rows": [found]}})(connection, request)

        server._answers.appendleft(answer)
        server._answers.pop()
        store = DynamoStore(client, {ROWS: "rows", DOCUMENTS: "documents"}, Log("error"), lambda _: None)
        gets = [Get(ROWS, f"k{i}", "#") for i in range(300)]
        with pytest.raises(FatalError, match="AccessDeniedException"):
            store.run([REPLACE, *gets])
        assert store.run([Get(ROWS, "k1", "#")]) == [found]


def test_nobody_there_is_a_failure_that_passes() -> None:
    """The first call says so; the others are left for the next attempt."""
    with Server(OK) as server:
        url = server.url
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            raise KeyboardInterrupt

    with lean(url) as client, pytest.raises(KeyboardInterrupt):
        DynamoStore(client, {ROWS: "rows", DOCUMENTS: "d"}, Log("error"), wait).run([INSERT])
    assert len(waits) == 3


def test_an_endpoint_may_have_a_path() -> None:
    """It stands in the request."""
    with Server(OK) as server, lean(f"{server.url}/base/") as client:
        ask(client)
        assert server.requests[0].line == "POST /base/ HTTP/1.1"


def test_an_endpoint_may_be_an_address_of_ipv6() -> None:
    """Its host is written in brackets."""
    try:
        server = Server(OK, host="::1")
    except OSError:
        pytest.skip("this machine has no IPv6")
    with server, lean(server.url) as client:
        assert ask(client) == {"a": 1}
        assert server.requests[0].headers["host"] == f"[::1]:{server.port}"


def test_without_credentials_it_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As boto3 does."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with Server(OK) as server, lean(server.url, Session()) as client, pytest.raises(NoCredentialsError):
        ask(client)


class Provider(CredentialProvider):  # type: ignore[misc]
    """Gives credentials for an hour, numbered; the test turns the clock."""

    METHOD = CANONICAL_NAME = "numbered"

    def __init__(self) -> None:
        super().__init__()
        self.now = datetime.datetime(2026, 11, 21, 12, tzinfo=datetime.UTC)
        self.given = 0

    def load(self) -> RefreshableCredentials:
        """As botocore asks for them."""
        first = self._next()
        expires = datetime.datetime.fromisoformat(first["expiry_time"])
        return RefreshableCredentials(
            first["access_key"], first["secret_key"], first["token"], expires, self._next, "numbered", lambda: self.now
        )

    def _next(self) -> dict[str, str]:
        self.given += 1
        expires = self.now + datetime.timedelta(hours=1)
        return {
            "access_key": f"key{self.given}",
            "secret_key": "secret",
            "token": f"token{self.given}",
            "expiry_time": expires.isoformat(),
        }


def test_expired_credentials_are_refreshed() -> None:
    """A call that was refused for them is signed anew with what botocore has then."""
    session, provider = Session(), Provider()
    session.get_component("credential_provider").insert_before("env", provider)

    def expired(connection: socket.socket, request: Request) -> bool:
        provider.now += datetime.timedelta(hours=2)
        return reply({"__type": "com.amazon.coral.service#ExpiredTokenException"}, 400)(connection, request)

    with Server(expired, APPLIED_ONE) as server:
        assert run(server.url, INSERT, session=session) == ([APPLIED], 1)
        tokens = [request.headers["x-amz-security-token"] for request in server.requests]
        keys = [request.headers["authorization"].split("=")[1].split("/")[0] for request in server.requests]
    assert (tokens, keys) == (["token1", "token2"], ["key1", "key2"])


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of an authority (`ca.pem`), a server at 127.0.0.1 (`good.pem`) and one elsewhere (`other.pem`), with keys."""
    folder = tmp_path_factory.mktemp("certificates")

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    new = ("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj")
    openssl(*new, "/CN=test", "-x509", "-days", "2", "-keyout", "ca.key", "-out", "ca.pem")
    for name, address in (("good", "IP:127.0.0.1"), ("other", "DNS:elsewhere.example")):
        openssl(*new, f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        (folder / f"{name}.ext").write_text(f"subjectAltName={address}\n")
        signed = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", f"{name}.ext")
        openssl("x509", "-req", "-in", f"{name}.csr", "-days", "2", "-out", f"{name}.crt", *signed)
        (folder / f"{name}.pem").write_bytes(
            (folder / f"{name}.crt").read_bytes() + (folder / f"{name}.key").read_bytes()
        )
    return folder


Secured = Callable[[str], ssl.SSLContext]


@pytest.fixture
def secured(certificates: Path) -> Secured:
    """A server's side of TLS with one of the certificates."""

    def context(name: str) -> ssl.SSLContext:
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.load_cert_chain(certificates / f"{name}.pem")
        return made

    return context


def test_tls_with_an_authority_of_ones_own(
    secured: Secured, certificates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AWS_CA_BUNDLE names it, as for boto3."""
    monkeypatch.setenv("AWS_CA_BUNDLE", str(certificates / "ca.pem"))
    large = {"a": "x" * 100_000}
    with Server(reply(large), OK, tls=secured("good")) as server, lean(server.url) as client:
        assert ask(client, b'{"b": "%b"}' % (b"y" * 100_000)) == large
        assert ask(client) == {"a": 1}
        server.hang_up()
        assert ask(client) == {"a": 1}
        assert server.connections == 2


@pytest.mark.parametrize(("certificate", "bundle"), [("good", ""), ("other", "ca.pem")])
def test_tls_with_a_stranger_is_refused(
    certificate: str, bundle: str, secured: Secured, certificates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An authority nobody knows, and another server's name: nothing is sent."""
    if bundle:
        monkeypatch.setenv("AWS_CA_BUNDLE", str(certificates / bundle))
    with (
        Server(OK, tls=secured(certificate)) as server,
        lean(server.url) as client,
        pytest.raises(ssl.SSLCertVerificationError),
    ):
        ask(client)
    assert server.requests == []


def test_a_bundle_that_cannot_be_read_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line for the operator."""
    monkeypatch.setenv("AWS_CA_BUNDLE", "/no/such/bundle.pem")
    with pytest.raises(SettingsError, match=r"^no certificates can be read from /no/such/bundle.pem \(AWS_CA_BUNDLE\)"):
        LeanDynamoDB("eu-west-1", "https://127.0.0.1:1")


def test_a_proxy_is_asked_as_boto3_asks_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain HTTP: the whole address, and who asks. NO_PROXY leaves it out."""
    with Server(OK) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://user:p%40ss@127.0.0.1:{proxy.port}")
        with lean("http://dynamodb.invalid:8000") as client:
            ask(client)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        with lean(proxy.url) as client:
            ask(client)
        through, directly = proxy.requests
    assert through.line == "POST http://dynamodb.invalid:8000/ HTTP/1.1"
    assert (through.headers["host"], through.headers["proxy-authorization"]) == (
        "dynamodb.invalid:8000",
        "Basic dXNlcjpwQHNz",
    )
    assert directly.line == "POST / HTTP/1.1"
    assert "proxy-authorization" not in directly.headers


def test_tls_goes_through_a_proxys_tunnel(
    secured: Secured, certificates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proxy is told the address and who asks, and sees nothing else."""
    inside: list[bytes] = []

    def tunnel(connection: socket.socket, _: Request) -> bool:
        connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        with secured("good").wrap_socket(connection, server_side=True) as end:
            while data := end.recv(65_536):
                inside.append(data)
                end.sendall(written({"a": 1}))
        return False

    monkeypatch.setenv("AWS_CA_BUNDLE", str(certificates / "ca.pem"))
    monkeypatch.setattr("botocore.utils.should_bypass_proxies", lambda _: False)
    with Server(tunnel) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:pass@127.0.0.1:{proxy.port}")
        with lean("https://127.0.0.1:8443") as client:
            assert [ask(client), ask(client)] == [{"a": 1}] * 2
        (request,) = proxy.requests
    assert request.line.startswith("CONNECT 127.0.0.1:8443 ")
    assert request.headers["proxy-authorization"] == "Basic dXNlcjpwYXNz"
    assert all(data.startswith(b"POST / HTTP/1.1\r\n") and b"roxy-" not in data for data in inside)


@pytest.mark.parametrize(
    "answer", [sent(b"HTTP/1.1 407 Who are you\r\n\r\n", keeps=False), sent(b"garbled\r\n\r\n", keeps=False), closed]
)
def test_a_proxy_that_gives_no_tunnel_is_a_failure_that_passes(answer: Answer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is sent past it."""
    with Server(answer) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        with lean("https://dynamodb.invalid") as client, pytest.raises(OSError, match=r"unnel|closed"):
            ask(client)


@pytest.mark.parametrize("address", ["https://proxy:3128", "socks5://proxy:1080"])
def test_other_proxies_are_refused(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Better than going past them."""
    monkeypatch.setenv("HTTPS_PROXY", address)
    with pytest.raises(SettingsError, match=r"^HTTPS_PROXY and HTTP_PROXY must be http://host:port"):
        LeanDynamoDB("eu-west-1", "https://dynamodb.eu-west-1.amazonaws.com")
