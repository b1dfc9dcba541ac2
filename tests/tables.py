"""Tables that tests of several packages need."""

from __future__ import annotations

from typing import Any


def create_keyed_table(client: Any, name: str) -> None:
    """One whose items are found by `pk` alone, as those of regions, commands and breakers."""
    client.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
    )
