"""What the DMS settings in use can carry of the source, and what they cannot. Pure.

Booleans that come as text and bytes without their prefix are compared as they come. Values that DMS cuts or rounds are
left out of the comparison, each by itself, and the columns that may hold such values are named with the setting.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from contract.mapping import Mapping
from worker.dms.documents import Settings
from worker.dms.findings import Part
from worker.verify.columns import Catalog, Category, Column
from worker.verify.report import NotCarried

_LARGE_TYPES: Final = frozenset({"text", "json", "jsonb", "xml", "bytea"})
_BYTES_A_CHARACTER: Final = 4
_DOUBLE_DIGITS: Final = 15
_DOUBLE_EXACT: Final = 2**53
_LARGE_INTEGER_DIGITS: Final = 18
_FRACTION_DIGITS: Final = 6


def carried(catalog: Catalog, settings: Settings) -> Catalog:
    """The catalog as change records show it under these settings."""
    found = dict(catalog)
    for name, table in catalog.items():
        columns = {column.name: _carried(column, settings) for column in table.columns.values()}
        found[name] = replace(table, columns=columns)
    return found


def not_carried(mapping: Mapping, catalog: Catalog, settings: Settings) -> list[NotCarried]:
    """Columns in use whose values may be cut or rounded on their way."""
    return [
        NotCarried(f"{table.name}.{name}", limit[1], limit[2])
        for table in mapping.tables.values()
        for name in table.columns
        if table.name in catalog and name in catalog[table.name].columns
        for limit in _limits(catalog[table.name].columns[name], settings)
    ]


def _carried(column: Column, settings: Settings) -> Column:
    category = column.category
    if category is Category.BOOLEAN and not _is_on(_source(settings), "MapBooleanAsBoolean"):
        category = Category.OTHER
    if category is Category.BYTEA and _is_on(settings.target, "NoHexPrefix"):
        category = Category.BARE_BYTEA
    beyond = " OR ".join(limit[0] for limit in _limits(column, settings))
    return replace(column, category=category, beyond=beyond)


def _limits(column: Column, settings: Settings) -> Iterator[tuple[str, str, str]]:
    """Condition of values that are not carried, the same in words, and the setting."""
    if column.type_name == "int8":
        if not _is_on(settings.target, "UseLargeIntegerValue"):
            yield f"abs({{0}}) > {_DOUBLE_EXACT}", "integers of more than 15 digits", "UseLargeIntegerValue is off"
        else:
            condition = f"abs({{0}}::numeric) >= 1e{_LARGE_INTEGER_DIGITS}"
            yield condition, f"integers of more than {_LARGE_INTEGER_DIGITS} digits", "UseLargeIntegerValue"
    if column.category is Category.NUMERIC:
        if not column.precise:
            words = f"numbers of more than {_FRACTION_DIGITS} decimals"
            yield f"scale(trim_scale({{0}})) > {_FRACTION_DIGITS}", words, "NUMERIC without precision is NUMERIC(28,6)"
        digits = "length(btrim(replace(abs({0})::text, '.', ''), '0'))"
        yield (
            f"{digits} > {_DOUBLE_DIGITS}",
            f"numbers of more than {_DOUBLE_DIGITS} digits",
            "numbers go through double",
        )
    kilobytes = _lob_kilobytes(settings)
    if kilobytes is not None and (column.type_name in _LARGE_TYPES or column.type_name.startswith("_")):
        length = kilobytes * 1024 // _BYTES_A_CHARACTER
        yield f"length({{0}}::text) > {length}", f"more than {length:,} characters", f"LobMaxSize is {kilobytes}"


def _lob_kilobytes(settings: Settings) -> int | None:
    """Kinesis has no full LOB mode: what the task says is the limit."""
    if settings.task is None:
        return None
    size = settings.task.value("TargetMetadata", "LobMaxSize") or settings.task.value("LobMaxSize")
    return size if isinstance(size, int) and size > 0 else None


def _source(settings: Settings) -> Part | None:
    return None if settings.source is None else settings.source.part


def _is_on(part: Part | None, name: str) -> bool:
    """A switch; what is not given is off, as DMS has it."""
    return part is not None and part.value(name) is True
