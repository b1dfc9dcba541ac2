"""What the stand-in knows of a source table: its columns, their types and its primary key."""

from dataclasses import dataclass

BOOL, BYTEA, INT8, INT2, INT4, TEXT, OID, JSON, XML = 16, 17, 20, 21, 23, 25, 26, 114, 142
FLOAT4, FLOAT8, BPCHAR, VARCHAR, DATE = 700, 701, 1042, 1043, 1082
TIMESTAMP, TIMESTAMPTZ, NUMERIC, UUID, JSONB = 1114, 1184, 1700, 2950, 3802

_LOB_TYPES = {BYTEA: "bytea", TEXT: "text", JSON: "json", XML: "xml", JSONB: "jsonb"}


@dataclass(frozen=True, slots=True)
class Column:
    """A column with its type resolved through domains; `category` is PostgreSQL's (A is array, E is enum)."""

    name: str
    type_oid: int
    type_modifier: int
    category: str = "U"
    nullable: bool = True

    @property
    def is_lob(self) -> bool:
        """Whether DMS treats the column as a large object."""
        return self.type_oid in _LOB_TYPES or self.category == "A"

    @property
    def lob_type(self) -> str:
        """The type's name as users write it; for columns that are large objects."""
        return _LOB_TYPES.get(self.type_oid, "an array")

    @property
    def numeric_precision(self) -> int | None:
        """Digits of a declared NUMERIC, None for one without precision."""
        return None if self.type_modifier < 4 else ((self.type_modifier - 4) >> 16) & 0xFFFF

    @property
    def numeric_scale(self) -> int | None:
        """Decimals of a declared NUMERIC (11 bits, signed), None for one without precision."""
        if self.type_modifier < 4:
            return None
        return (((self.type_modifier - 4) & 0x7FF) ^ 1024) - 1024

    @property
    def length(self) -> int | None:
        """Characters of a declared CHAR or VARCHAR."""
        is_character = self.type_oid in (BPCHAR, VARCHAR)
        return self.type_modifier - 4 if is_character and self.type_modifier >= 4 else None


@dataclass(frozen=True, slots=True)
class Table:
    """A captured table; `key` is the primary key in its declared order."""

    schema: str
    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    partitioned: bool = False

    @property
    def full_name(self) -> str:
        """`schema.table`, as DMS writes it."""
        return f"{self.schema}.{self.name}"

    @property
    def large_keys(self) -> tuple[Column, ...]:
        """The columns of the primary key that DMS treats as large objects."""
        return tuple(column for column in self.columns if column.name in self.key and column.is_lob)
