"""What DynamoDB charges for one operation, in capacity units (on-demand request units are the same). Pure."""

from __future__ import annotations

from typing import Final

from contract.values import Item, item_bytes

READ_UNIT_BYTES: Final = 4096
WRITE_UNIT_BYTES: Final = 1024
INDEX_SLOTS: Final = range(4)


def read_units(size_bytes: int) -> int:
    """Of a strongly consistent read; what is not there costs one, too."""
    return max(1, -(-size_bytes // READ_UNIT_BYTES))


def write_units(size_bytes: int) -> int:
    """Of a write, by the larger of the item before and after; a refused one costs as much."""
    return max(1, -(-size_bytes // WRITE_UNIT_BYTES))


def index_units(before: Item | None, after: Item | None) -> int:
    """Of the secondary indexes behind a document's write: they hold the whole document; a changed key is two writes."""
    units = 0
    for slot in INDEX_SLOTS:
        old, new = _entry(before, slot), _entry(after, slot)
        sizes = [item_bytes(item) for item, entry in ((before, old), (after, new)) if item is not None and entry]
        if old == new:
            units += write_units(max(sizes)) if sizes else 0
        else:
            units += sum(write_units(size) for size in sizes)
    return units


def _entry(item: Item | None, slot: int) -> tuple[object, ...]:
    names = (f"_i{slot}p", f"_i{slot}s")
    return tuple(item[name] for name in names) if item is not None and all(name in item for name in names) else ()
