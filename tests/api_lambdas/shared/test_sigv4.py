"""Signatures are those of AWS's own SDK, byte for byte."""

from __future__ import annotations

from datetime import UTC, datetime

import botocore.auth
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as SdkCredentials
from hypothesis import given
from hypothesis import strategies as st

from api_lambdas.shared.sigv4 import Credentials, signed_headers

PRINTABLE = st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40)
HOSTS = st.sampled_from(["dynamodb.eu-west-1.amazonaws.com", "127.0.0.1:4566", "localhost:8000"])
HEADER_TEXT = st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126), max_size=40).map(str.strip)


@given(
    key_id=PRINTABLE,
    secret=PRINTABLE,
    token=st.just("") | PRINTABLE,
    region=st.sampled_from(["eu-west-1", "us-gov-east-1", "cn-north-1"]),
    host=HOSTS,
    method=st.sampled_from(["POST", "GET"]),
    path=st.sampled_from(["/", "/commands/cancel-order", "/stage/~a_b.c/commands/x", "/a%20b/c"]),
    target=HEADER_TEXT,
    body=st.binary(max_size=200),
    now=st.datetimes(datetime(2000, 1, 1), datetime(2099, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
)
def test_the_signature_is_that_of_the_sdk(
    key_id: str,
    secret: str,
    token: str,
    region: str,
    host: str,
    method: str,
    path: str,
    target: str,
    body: bytes,
    now: datetime,
) -> None:
    """Whatever the credentials, the headers, the body and the time."""
    headers = {"content-type": "application/x-amz-json-1.0", "x-amz-target": target}
    request = AWSRequest(method, f"https://{host}{path}", data=body, headers={**headers, "Host": host})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.auth, "get_current_datetime", lambda: now.replace(tzinfo=None))
        SigV4Auth(SdkCredentials(key_id, secret, token or None), "dynamodb", region).add_auth(request)

    signed = signed_headers(
        Credentials(key_id, secret, token),
        region,
        "dynamodb",
        now.strftime("%Y%m%dT%H%M%SZ"),
        {"host": host, **headers},
        body,
        path,
        method,
    )

    assert signed == {name.lower(): value for name, value in request.headers.items()}


def test_secrets_are_not_shown() -> None:
    """What is logged by mistake holds neither the secret nor the token."""
    assert repr(Credentials("id", "hunter2", "hunter3")) == "Credentials(access_key_id='id')"
