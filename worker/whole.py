"""Documents in parts as a whole, for commands that look at documents. Strongly consistent; it never writes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from contract.parts import PARTS, Names, read_whole
from contract.values import Item

KEYS_A_BATCH: Final = 100
PAUSE_SECONDS: Final = 0.05


def whole(client: Any, table: str, item: Item, sleep: Callable[[float], None] = time.sleep) -> Item | None:
    """A document's item with all its lists; None if it is gone by now. Raises PartsMissing, or as the client does."""
    if PARTS not in item:
        return item

    def fetch(sort_keys: Names, look: int) -> dict[str, Item]:
        sleep(PAUSE_SECONDS * look)
        found: dict[str, Item] = {}
        for start in range(0, len(sort_keys), KEYS_A_BATCH):
            keys = [{"pk": item["pk"], "sk": {"S": sk}} for sk in sort_keys[start : start + KEYS_A_BATCH]]
            request = {table: {"Keys": keys, "ConsistentRead": True}}
            while request:  # an answer holds 16 MB at most and names what it left out
                answer = client.batch_get_item(RequestItems=request)
                found |= {one["sk"]["S"]: one for one in answer["Responses"].get(table, [])}
                request = answer.get("UnprocessedKeys", {})
        return found

    return read_whole(item, fetch)
