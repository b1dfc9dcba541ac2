"""What must never be seen, at any moment of a run: nothing goes back, nothing is checkpointed before it is durable."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any, Final

from contract.keys import key_text
from contract.values import Item, from_item
from tests.faults.strict import StrictTables
from tests.soak.shards import Position, Record, Shard

ROWS: Final = "rows"
DOCUMENTS: Final = "documents"
PARKED: Final = "parked"
_FLAT: Final = {"rates": "rate"}
_IDS: Final = ("order_id", "customer_id", "sku", "code", "line_no")


class Watch:
    """Sees every change of the tables. `backward` and `too_early` are what it found."""

    def __init__(self) -> None:
        self.backward: list[str] = []
        self.too_early: list[str] = []
        self.writes = 0
        self.tables = StrictTables(self._changed)
        self.tables.make(ROWS, PARKED)
        self.tables.make(DOCUMENTS, indexes=4)
        self._shown: dict[tuple[str, ...], int] = {}

    def item(self, table: str, pk: str, sk: str = "#") -> Item | None:
        """What is stored."""
        stored = self.tables.tables[table].get((pk, sk))
        return stored[0] if stored else None

    def checkpointed(self, shard: Shard, until: Position) -> None:
        """A checkpoint is about to be stored: everything up to it must have had its effect."""
        for record in shard.records:
            if shard.checkpoint < record.position <= until:
                self.too_early += [
                    f"{shard.name} {record.position}: {problem} at the checkpoint {until}"
                    for problem in self._missing(shard, record)
                ]

    def _missing(self, shard: Shard, record: Record) -> Iterator[str]:
        change = record.change
        if change.poison:
            if self._parked(shard, record) != change.data:
                yield f"poison ({change.poison}) is not parked"
            return
        for table, key, n, _ in change.rows:
            if not self._reached(table, key, n):
                yield f"{table} {key} is not stored with n={n}"

    def _parked(self, shard: Shard, record: Record) -> bytes | None:
        sk = f"{shard.name}#{record.position[0]}#{record.position[1]}"
        for pk, partition in self.tables.tables[PARKED].partitions.items():
            if pk.startswith("record#") and sk in partition.items:
                return base64.b64decode(partition.items[sk][0].get("payload", {}).get("B", ""))
        return None

    def _reached(self, table: str, key: tuple[str, ...], n: int) -> bool:
        text = key_text(key)
        image = self.item(ROWS, f"shop.{table}#{text}")
        if image is None and table in _FLAT:
            document = self.item(DOCUMENTS, f"{_FLAT[table]}#{text}")
            return document is not None and ("_deleted" in document or int(document["n"]["N"]) >= n)
        if image is None:
            return False
        row = json.loads(image.get("row", {}).get("S") or "null")
        return row is None or int(row["n"]) >= n

    def _changed(self, table: str, old: Item | None, new: Item | None) -> None:
        self.writes += 1
        if new is None or table == PARKED:
            return
        if table == ROWS:
            if old is not None and "v" in new and new["v"]["S"] < old["v"]["S"]:
                self.backward.append(f"{new['pk']['S']} {new['sk']['S']}: an older version")
            return
        if old is not None and _order(new) <= _order(old):
            self.backward.append(f"{new['pk']['S']}: revision {_order(old)} then {_order(new)}")
        for path, n in _shown(from_item(_body(new))):
            place = (new["pk"]["S"], *path)
            if n < self._shown.get(place, 0):
                self.backward.append(f"{' '.join(place)}: n={self._shown[place]} then {n}")
            self._shown[place] = n


def _order(item: Item) -> tuple[Any, ...]:
    """What rises with every write of a document; one that held its row, and holds it no more, has a revision."""
    if "_v" in item:
        return 0, item["_v"]["S"]
    if "_claimed" in item and "_rev" not in item:
        return 1, item["_claimed"]["S"]
    return 2, int(item["_rev"]["N"])


def _body(item: Item) -> Item:
    return {name: value for name, value in item.items() if not name.startswith("_") and name not in ("pk", "sk")}


def _shown(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], int]]:
    """The rows in a document, with their `n`."""
    if isinstance(value, dict):
        if "n" in value:
            name = next((name for name in _IDS if name in value), "")
            path = (*path, str(value.get(name)))
            yield path, int(value["n"])
        for name, inner in value.items():
            yield from _shown(inner, (*path, name))
    elif isinstance(value, list):
        for inner in value:
            yield from _shown(inner, path)


def differences(watch: Watch, wanted: dict[tuple[str, str], Any]) -> tuple[list[str], list[str]]:
    """What is lost, and what is different, of the documents at rest."""
    stored: dict[tuple[str, str], Item] = {}
    for item in watch.tables.items(DOCUMENTS):
        aggregate, _, key = item["pk"]["S"].partition("#")
        if "_deleted" not in item and not aggregate.startswith("~"):
            stored[aggregate, key] = item
    lost = [f"{' '.join(at)} is missing" for at in sorted(wanted.keys() - stored.keys())]
    different = [f"{' '.join(at)} is surplus" for at in sorted(stored.keys() - wanted.keys())]
    for at in sorted(wanted.keys() & stored.keys()):
        found = _plain(from_item(_body(stored[at])))
        if found != wanted[at]:
            flag = stored[at].get("_parked", {}).get("S", "")
            different.append(f"{' '.join(at)}: {json.dumps(found)} instead of {json.dumps(wanted[at])} {flag}")
    return lost, different


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return value if value is None or isinstance(value, (str, bool)) else int(value)
