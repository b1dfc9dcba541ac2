"""What the Kinesis Client Library hands over, one record."""

from __future__ import annotations

from worker.value import Value


class StreamRecord(Value, frozen=True):
    """One Kinesis record; `data` is the payload, base64 already removed. Arrival is epoch milliseconds."""

    shard_id: str
    sequence_number: str
    sub_sequence_number: int
    partition_key: str
    data: bytes
    arrival_millis: int
