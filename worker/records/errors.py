"""Why a record does not become a row change; texts never hold column values."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Closed list of reasons, used as metric label and in the parking table."""

    NOT_JSON = "not_json"
    OVER_LIMIT = "over_limit"
    BAD_ENVELOPE = "bad_envelope"
    UNKNOWN_OPERATION = "unknown_operation"
    UNKNOWN_TABLE = "unknown_table"
    MISSING_KEY = "missing_key"
    ROUNDED_KEY = "rounded_key"
    BAD_VALUE = "bad_value"
    CROSSED_KEYS = "crossed_keys"
    ROW_TOO_LARGE = "row_too_large"
    TABLE_PARKED = "table_parked"


class PoisonRecord(Exception):
    """This record alone cannot be used; it is parked and its neighbours go on."""

    def __init__(self, reason: Reason, detail: str, table: str | None = None) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
        self.table = table


class TableLacks(Exception):
    """The records of a table lack what is needed; the detail names the DMS setting to change."""

    def __init__(self, table: str, detail: str) -> None:
        super().__init__(f"{table}: {detail}")
        self.table = table
        self.detail = detail
