"""Stream records as DMS writes them, for tests of the decoder and of all behind it."""

from __future__ import annotations

import itertools
import json
from typing import Any

from worker.records.stream import StreamRecord

_sequence_numbers = itertools.count(49_590_000_000_000_000_000_000_000_000_000_000_000_000_000_000_000_000_001)


def change(
    operation: str,
    table: str,
    data: dict[str, Any],
    before: dict[str, Any] | None = None,
    position: int = 1,
    **metadata: Any,
) -> dict[str, Any]:
    """A change of `schema.table` with transaction details; a metadata entry of None is left out."""
    schema, _, name = table.partition(".")
    described = {
        "timestamp": "2024-07-29T00:58:17.983670Z",
        "record-type": "data",
        "operation": operation,
        "partition-key-type": "primary-key",
        "schema-name": schema,
        "table-name": name,
        "transaction-id": 1139,
        "transaction-record-id": 1,
        "commit-timestamp": "2024-07-29T00:58:17.974340Z",
        "stream-position": f"00000002/{position:08X}.3.00000002/{position:08X}",
        **{key.replace("_", "-"): value for key, value in metadata.items()},
    }
    if operation == "load":
        for key in ("transaction-id", "transaction-record-id", "commit-timestamp", "stream-position"):
            described.pop(key)
    kept = {key: value for key, value in described.items() if value is not None}
    images = {"data": data} if before is None else {"before-image": before, "data": data}
    return {**images, "metadata": kept}


def record(payload: dict[str, Any] | bytes, shard: str = "shardId-000000000000") -> StreamRecord:
    """The stream record of a payload, newer than all made before it."""
    data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return StreamRecord(shard, str(next(_sequence_numbers)), 0, "key", data, 1_722_214_697_000)
