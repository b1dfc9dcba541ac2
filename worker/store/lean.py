"""The worker's way to DynamoDB: botocore for credentials, endpoint and signature; urllib3 and orjson for the rest.

botocore spends about a millisecond of processor time on every call, most of it on building, checking and parsing what
is ready here. The four calls look like those of a boto3 client and raise ClientError as it does.
"""

from __future__ import annotations

import binascii
from typing import Any, Final

import orjson
import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import ClientError, NoCredentialsError
from botocore.parsers import ResponseParserError
from botocore.session import Session

CONNECT_SECONDS: Final = 3.0
READ_SECONDS: Final = 10.0
_OK: Final = 200


class LeanDynamoDB:
    """BatchGetItem, Query, PutItem and BatchExecuteStatement. Safe for several threads; keeps connections alive."""

    def __init__(self, region: str, endpoint_url: str, connections: int) -> None:
        session = Session()
        client = session.create_client("dynamodb", region_name=region, endpoint_url=endpoint_url or None)
        self._url: str = client.meta.endpoint_url
        self._region = region
        self._credentials = session.get_credentials()
        self._http = urllib3.PoolManager(
            maxsize=connections,
            block=True,
            retries=False,
            timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS),
        )

    def batch_get_item(self, **request: Any) -> dict[str, Any]:
        """DynamoDB's BatchGetItem."""
        return self._call("BatchGetItem", request)

    def query(self, **request: Any) -> dict[str, Any]:
        """DynamoDB's Query."""
        return self._call("Query", request)

    def put_item(self, **request: Any) -> dict[str, Any]:
        """DynamoDB's PutItem."""
        return self._call("PutItem", request)

    def batch_execute_statement(self, **request: Any) -> dict[str, Any]:
        """DynamoDB's BatchExecuteStatement."""
        return self._call("BatchExecuteStatement", request)

    def _call(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        if self._credentials is None:
            raise NoCredentialsError
        signed = AWSRequest(
            "POST",
            f"{self._url}/",
            data=orjson.dumps(request),
            headers={
                "Content-Type": "application/x-amz-json-1.0",
                "X-Amz-Target": f"DynamoDB_20120810.{operation}",
                "Accept-Encoding": "identity",
            },
        )
        # frozen at every call: refreshed credentials are used as soon as botocore has them
        SigV4Auth(self._credentials.get_frozen_credentials(), "dynamodb", self._region).add_auth(signed)
        reply = self._http.request("POST", signed.url, body=signed.data, headers=dict(signed.headers.items()))
        expected = reply.headers.get("x-amz-crc32")
        if expected is not None and binascii.crc32(reply.data) != int(expected):
            raise ResponseParserError(f"{operation}: the reply's checksum is wrong")
        answer = orjson.loads(reply.data) if reply.data else {}
        if reply.status == _OK and isinstance(answer, dict):
            return answer
        raise _error(operation, reply.status, answer)


def _error(operation: str, status: int, answer: Any) -> ClientError:
    """As boto3 raises it; a reply without a code (a proxy's page) becomes its status, which is tried again."""
    found = answer if isinstance(answer, dict) else {}
    code = str(found.get("__type", "")).rpartition("#")[2] or f"HTTP {status}"
    response: Any = {"Error": {"Code": code, "Message": ""}, "ResponseMetadata": {"HTTPStatusCode": status}}
    if "Item" in found:
        response["Item"] = found["Item"]
    return ClientError(response, operation)
