"""Signatures: botocore's SigV4Auth is the oracle, byte for byte."""

from __future__ import annotations

import datetime
from unittest.mock import patch

from botocore import auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials
from hypothesis import given
from hypothesis import strategies as st

from worker.store.signing import Signer

REGIONS = st.sampled_from(["eu-west-1", "us-gov-west-1", "cn-north-1", "local"])
OPERATIONS = st.sampled_from(["BatchGetItem", "PutItem", "BatchExecuteStatement"])
PRINTABLE = st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=60)
CREDENTIALS = st.builds(ReadOnlyCredentials, PRINTABLE, PRINTABLE, st.none() | PRINTABLE)
MOMENTS = st.integers(946_684_800, 4_000_000_000).map(
    lambda second: datetime.datetime.fromtimestamp(second, datetime.UTC)
)
HOSTS = st.sampled_from(["dynamodb.eu-west-1.amazonaws.com", "127.0.0.1:8000", "[::1]:4566", "localhost"])
PATHS = st.sampled_from(["/", "/base", "/base/", "/a/../b/", "/with~tilde/and blank", "/100%25/ä"])
CALL = st.tuples(CREDENTIALS, OPERATIONS, st.binary(max_size=200), MOMENTS)


def headers(head: bytes) -> dict[str, str]:
    """Names and values of a request's head."""
    lines = head.decode().removesuffix("\r\n\r\n").split("\r\n")[1:]
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def of_botocore(
    region: str, url: str, credentials: ReadOnlyCredentials, operation: str, body: bytes, now: datetime.datetime
) -> str:
    """Its Authorization header."""
    request = AWSRequest("POST", url, data=body)
    request.headers["X-Amz-Target"] = f"DynamoDB_20120810.{operation}"
    request.headers["Content-Type"] = "application/x-amz-json-1.0"
    with patch.object(auth, "get_current_datetime", lambda: now):
        auth.SigV4Auth(credentials, "dynamodb", region).add_auth(request)
    return str(request.headers["Authorization"])


@given(REGIONS, HOSTS, PATHS, st.lists(CALL, min_size=1, max_size=4))
def test_signatures_are_those_of_botocore(
    region: str,
    host: str,
    path: str,
    calls: list[tuple[ReadOnlyCredentials, str, bytes, datetime.datetime]],
) -> None:
    """One signer for several calls: other days, other credentials, with and without a session."""
    signer = Signer(region, host, path, path)
    for credentials, operation, body, now in calls:
        found = headers(signer.head(credentials, operation, body, now.timestamp()))
        url = f"https://{host}{path}"
        assert found["Authorization"] == of_botocore(region, url, credentials, operation, body, now)
        assert found["X-Amz-Date"] == now.strftime("%Y%m%dT%H%M%SZ")
        assert found.get("x-amz-security-token") == credentials.token
        assert found["Content-Length"] == str(len(body))
        assert found["Host"] == host


def test_a_head_is_a_whole_request_without_its_body() -> None:
    """The target and lines that are not signed are the caller's."""
    signer = Signer("eu-west-1", "h", "/", "http://h/", "Proxy-Authorization: Basic x\r\n")
    head = signer.head(ReadOnlyCredentials("a", "s", None), "Query", b"{}", 0)
    assert head.startswith(b"POST http://h/ HTTP/1.1\r\nHost: h\r\n")
    assert head.endswith(b"\r\n\r\n")
    assert head.count(b"\r\n\r\n") == 1
    assert headers(head)["Proxy-Authorization"] == "Basic x"
