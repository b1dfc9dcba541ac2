"""MiniStack with shards that close and with throttled tables, those that the file THROTTLED names; a program."""

import os
import re
import sys
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[2]))

from ministack.app import main
from ministack.services import dynamodb

from tests.fleet import resharding

_handle = dynamodb.handle_request


async def handle_request(method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]) -> Any:
    """MiniStack's answer, or that the table must be left in peace."""
    for table in throttled():
        if re.search(rb"(?<![\w.-])" + re.escape(table.encode()) + rb"(?![\w.-])", body):
            return dynamodb.error_response_json("ThrottlingException", "Rate of requests exceeds the limit", 400)
    return await _handle(method, path, headers, body, query)


def throttled() -> list[str]:
    """Names of tables, or whatever else stands in a request that is to be refused."""
    file = Path(os.environ["THROTTLED"])
    return file.read_text("utf-8").split() if file.exists() else []


if __name__ == "__main__":
    dynamodb.handle_request = handle_request
    resharding.install()
    main()
