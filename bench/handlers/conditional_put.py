"""The careful handler: one conditional put for each record, so that an older change never wins."""

from __future__ import annotations

import base64
import json
import os
from contextlib import suppress
from decimal import Decimal

import boto3
from boto3.dynamodb.types import TypeSerializer

from bench.handlers.loop import serve


def main() -> None:
    """Serve with the client made once."""
    client = boto3.client("dynamodb")
    table = os.environ["NEARVIEW_DOCUMENTS_TABLE"]
    serializer = TypeSerializer()

    def handle(line: bytes) -> None:
        for record in json.loads(line)["records"]:
            change = json.loads(base64.b64decode(record["data"]), parse_float=Decimal)
            if change["metadata"]["record-type"] != "data":
                continue
            row = change["data"]
            values = {
                "pk": f"user#{row['ycsb_key']}",
                "sk": "#",
                "v": change["metadata"]["stream-position"],
                **row,
            }
            item = {name: serializer.serialize(value) for name, value in values.items()}
            with suppress(client.exceptions.ConditionalCheckFailedException):
                client.put_item(
                    TableName=table,
                    Item=item,
                    ConditionExpression="attribute_not_exists(pk) OR v < :v",
                    ExpressionAttributeValues={":v": item["v"]},
                )

    serve(handle)


if __name__ == "__main__":
    main()
