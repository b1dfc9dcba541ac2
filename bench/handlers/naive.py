"""The handler of most tutorials: a Lambda function that puts every record through boto3's `batch_writer`, unguarded."""

from __future__ import annotations

import base64
import json
import os
from decimal import Decimal
from typing import Any

import boto3

from bench.handlers.loop import serve


def main() -> None:
    """Serve with the resource made once, as a warm function has it."""
    table = boto3.resource("dynamodb").Table(os.environ["NEARVIEW_DOCUMENTS_TABLE"])

    def handler(event: dict[str, Any]) -> None:
        # without overwrite_by_pkeys two changes of one row in a batch would fail it
        with table.batch_writer(overwrite_by_pkeys=["pk", "sk"]) as batch:
            for record in event["records"]:
                change = json.loads(base64.b64decode(record["data"]), parse_float=Decimal)
                if change["metadata"]["record-type"] == "data":
                    row = change["data"]
                    batch.put_item(Item={"pk": f"user#{row['ycsb_key']}", "sk": "#", **row})

    serve(lambda line: handler(json.loads(line)))


if __name__ == "__main__":
    main()
