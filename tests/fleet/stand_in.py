"""MiniStack with shards that close, with throttled tables and with reads of the stream that fail; a program.

The file THROTTLED names tables, or one of READS for the stream. What was refused is counted in the file beside it.
"""

import os
import re
import sys
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[2]))

from ministack.app import main
from ministack.services import dynamodb, kinesis

from tests.fleet import resharding

READS = {
    "kinesis:throttled": ("ProvisionedThroughputExceededException", 400),
    "kinesis:expired": ("ExpiredIteratorException", 400),
    "kinesis:failed": ("InternalFailure", 500),
    "kinesis:unavailable": ("ServiceUnavailable", 503),
}

_handle = dynamodb.handle_request


async def handle_request(method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]) -> Any:
    """MiniStack's answer, or that the table must be left in peace."""
    for table in throttled():
        if re.search(rb"(?<![\w.-])" + re.escape(table.encode()) + rb"(?![\w.-])", body):
            _count(table)
            return dynamodb.error_response_json("ThrottlingException", "Rate of requests exceeds the limit", 400)
    return await _handle(method, path, headers, body, query)


def throttled() -> list[str]:
    """Names of tables, or whatever else stands in a request that is to be refused."""
    file = Path(os.environ["THROTTLED"])
    return file.read_text("utf-8").split() if file.exists() else []


def failing(read: Any) -> Any:
    """GetRecords, refused as long as the file says so."""

    def answer(data: dict[str, Any]) -> Any:
        for name in throttled():
            if name in READS:
                _count(name)
                code, status = READS[name]
                return kinesis.error_response_json(code, "refused on purpose", status)
        return read(data)

    return answer


def _count(name: str) -> None:
    with Path(os.environ["THROTTLED"]).with_suffix(".count").open("a", encoding="utf-8") as file:
        file.write(f"{name}\n")


if __name__ == "__main__":
    dynamodb.handle_request = handle_request
    resharding.install()
    kinesis._get_records = failing(kinesis._get_records)
    main()
