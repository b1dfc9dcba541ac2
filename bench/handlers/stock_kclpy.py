"""A record processor as kclpy's samples have it: json, TypeSerializer, boto3's `batch_write_item`, a checkpoint."""

from __future__ import annotations

import json
import os
from decimal import Decimal
from typing import Any, Final

import boto3
from amazon_kclpy import kcl
from amazon_kclpy.v3 import processor
from boto3.dynamodb.types import TypeSerializer

PUTS: Final = 25


class RecordProcessor(processor.RecordProcessorBase):  # type: ignore[misc]
    """Unguarded writes; what a batch leaves is written again."""

    def initialize(self, _: Any) -> None:
        """Make the client once."""
        self._client = boto3.client("dynamodb")
        self._table = os.environ["NEARVIEW_DOCUMENTS_TABLE"]
        self._serializer = TypeSerializer()

    def process_records(self, process_records_input: Any) -> None:
        """Put every row and checkpoint."""
        items: dict[str, dict[str, Any]] = {}
        for record in process_records_input.records:
            change = json.loads(record.binary_data, parse_float=Decimal)
            if change["metadata"]["record-type"] == "data":
                row = change["data"]
                values = {"pk": f"user#{row['ycsb_key']}", "sk": "#", **row}
                items[values["pk"]] = {name: self._serializer.serialize(value) for name, value in values.items()}
                if len(items) == PUTS:
                    self._write(items)
        if items:
            self._write(items)
        process_records_input.checkpointer.checkpoint()

    def _write(self, items: dict[str, dict[str, Any]]) -> None:
        left = {self._table: [{"PutRequest": {"Item": item}} for item in items.values()]}
        while left:
            left = self._client.batch_write_item(RequestItems=left)["UnprocessedItems"]
        items.clear()

    def lease_lost(self, _: Any) -> None:
        """Nothing to do."""

    def shard_ended(self, shard_ended_input: Any) -> None:
        """Checkpoint the end."""
        shard_ended_input.checkpointer.checkpoint()

    def shutdown_requested(self, shutdown_requested_input: Any) -> None:
        """Checkpoint what is done."""
        shutdown_requested_input.checkpointer.checkpoint()


if __name__ == "__main__":
    kcl.KCLProcess(RecordProcessor()).run()
