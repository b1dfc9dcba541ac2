"""The only place where keys are built: row images, edges, documents and index keys.

Key text is canonical: the same source value gives the same text whether it arrived as a JSON number or as a string,
so that a foreign key in one table meets the primary key of another.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from functools import cache
from typing import Any, Final

Scalar = bool | int | Decimal | str
KeyReader = Callable[[Mapping[str, Any]], str | None]

ROW_SK: Final = "#"
DOCUMENT_SK: Final = "#"
PARKED_PARTITION: Final = "parked"

SYSTEM_PREFIX: Final = "~"
"""What begins with it in the documents table is no document: no aggregate has such a name."""
COMPLETE: Final = "~complete"
"""In the place of an aggregate, before the name of a source table: up to when documents show all changes of it."""

# An edge's sort key holds two names and a key text in DynamoDB's 1,024 bytes; longer key texts are hashed.
MAX_KEY_TEXT_BYTES: Final = 512
MAX_SORT_VALUE_BYTES: Final = 480
MOST_BYTES_OF_A_CHARACTER: Final = 4  # in UTF-8
_SORT_END: Final = "\x00"
_PART_END: Final = "\x01"

_UNSAFE = re.compile(r"[%#|\x00-\x1f\x7f]")
_DIGITS_COMPLEMENT = str.maketrans("0123456789", "9876543210")


def scalar_text(value: Scalar) -> str:
    """Canonical text of one key column: plain decimal digits for numbers, `true`/`false`, text as it is."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    plain = format(value, "f")
    if "." in plain:
        plain = plain.rstrip("0").rstrip(".")
    return "0" if plain in ("", "-0") else plain


def key_text(values: Iterable[Scalar]) -> str:
    """One text for a (composite) key; parts are escaped so that distinct keys never meet."""
    return _bounded("|".join([key_part(value) for value in values]))


def key_part(value: Scalar) -> str:
    """The escaped text of one key column, of whatever length."""
    if type(value) is int:
        return str(value)
    text = value if type(value) is str else scalar_text(value)
    if text.isprintable() and "|" not in text and "#" not in text and "%" not in text:
        return text
    return _UNSAFE.sub(_escape, text)


def _bounded(text: str) -> str:
    if len(text) <= MAX_KEY_TEXT_BYTES // MOST_BYTES_OF_A_CHARACTER:
        return text
    encoded = text.encode("utf-8", "surrogatepass")
    if len(encoded) <= MAX_KEY_TEXT_BYTES:
        return text
    return "%sha256:" + hashlib.sha256(encoded).hexdigest()


@cache
def key_reader(columns: tuple[str, ...]) -> KeyReader:
    """Made once: how the key text is read of the columns of a row; None when one of them is NULL or not there."""
    if len(columns) == 1:
        (only,) = columns

        def read_one(row: Mapping[str, Any]) -> str | None:
            value = row.get(only)
            if type(value) is int:
                return str(value)
            return None if value is None else _bounded(key_part(value))

        return read_one

    def read(row: Mapping[str, Any]) -> str | None:
        parts = []
        for column in columns:
            value = row.get(column)
            if value is None:
                return None
            parts.append(key_part(value))
        return _bounded("|".join(parts))

    return read


def _escape(match: re.Match[str]) -> str:
    return f"%{ord(match.group()):02X}"


def row_pk(table: str, key: str) -> str:
    """Partition of a row image and of every edge that points at this row."""
    return f"{table}#{key}"


def edge_pk(table: str, key: str, child_key: str, spread: int) -> str:
    """Partition of the edge that a child has under a row: the row's own, or one of `spread` beside it."""
    if spread == 1:
        return row_pk(table, key)
    return _spread_pk(table, key, zlib.crc32(child_key.encode()) % spread)


def edge_pks(table: str, key: str, spread: int) -> tuple[str, ...]:
    """All partitions that hold edges of one foreign key under a row."""
    if spread == 1:
        return (row_pk(table, key),)
    return tuple(_spread_pk(table, key, part) for part in range(spread))


def _spread_pk(table: str, key: str, part: int) -> str:
    return f"{row_pk(table, key)}#~{part}"  # no key text holds a bare #


@cache
def edge_sk_prefix(child_table: str, columns: tuple[str, ...]) -> str:
    """What all edges of one foreign key share: one Query with it lists the children of a row."""
    return f"{child_table}#{','.join(columns)}#"


def edge_sk(child_table: str, columns: tuple[str, ...], child_key: str) -> str:
    """The foreign key is part of the edge: two foreign keys of one row may point at the same parent."""
    return edge_sk_prefix(child_table, columns) + child_key


def document_pk(aggregate: str, key: str) -> str:
    """Partition of a document."""
    return f"{aggregate}#{key}"


def index_partition(aggregate: str, index: str, value: Scalar) -> str:
    """Partition key of a secondary index: the documents of one aggregate with one value."""
    return f"{aggregate}#{index}#{key_text([value])}"


def index_sort(values: Sequence[Scalar], document_key: str) -> str:
    """Sort key of a secondary index: orders as the values do, one after the other; the document's key breaks ties.

    Without values (an index without sort attributes) documents come in the order of their keys.
    """
    limit = MAX_SORT_VALUE_BYTES // max(1, len(values))
    return _PART_END.join(sortable_text(value, limit) for value in values) + _SORT_END + document_key


def sortable_text(value: Scalar, max_bytes: int = MAX_SORT_VALUE_BYTES) -> str:
    """Text whose byte order is the order of the values (numbers among numbers, text among text), cut to `max_bytes`."""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, str):
        return _truncate(value, max_bytes)
    return _sortable_number(Decimal(value))


def _sortable_number(number: Decimal) -> str:
    if number == 0:
        return "1"
    digits = "".join(map(str, number.as_tuple().digits)).lstrip("0").rstrip("0")
    exponent = number.adjusted() + 5000
    if number > 0:
        return f"2{exponent:05d}{digits}"
    # "~" sorts after every digit: of two negative numbers with a common prefix the longer is the smaller one
    return f"0{99999 - exponent:05d}{digits.translate(_DIGITS_COMPLEMENT)}~"


def _truncate(text: str, max_bytes: int) -> str:
    encoded = text.encode("utf-8", "surrogatepass")
    return text if len(encoded) <= max_bytes else encoded[:max_bytes].decode("utf-8", "ignore")
