"""Parses the messages of PostgreSQL's pgoutput plugin (protocol version 1), from bytes to values, without I/O."""

from dataclasses import dataclass
from enum import Enum
from struct import Struct
from struct import error as StructError  # noqa: N812  its own name says nothing

_BEGIN = Struct(">QqI")
_COMMIT = Struct(">BQQq")
_U32 = Struct(">I")
_U16 = Struct(">H")
_COLUMN_TYPE = Struct(">Ii")


class Unchanged(Enum):
    """A large value that the change did not touch: the log does not carry it."""

    UNCHANGED = "unchanged"


UNCHANGED = Unchanged.UNCHANGED
Value = str | None | Unchanged
Row = tuple[Value, ...]


class ProtocolError(Exception):
    """Bytes that are not a pgoutput message of version 1."""


@dataclass(frozen=True, slots=True)
class Begin:
    """A committed transaction starts; `commit_micros` counts from 2000-01-01 UTC."""

    commit_lsn: int
    commit_micros: int
    xid: int


@dataclass(frozen=True, slots=True)
class Commit:
    """The transaction is complete; confirming `end_lsn` confirms it and everything before it."""

    commit_lsn: int
    end_lsn: int


@dataclass(frozen=True, slots=True)
class RelationColumn:
    """A column as the log describes it; `is_identity` marks the replica identity, not the primary key."""

    name: str
    type_oid: int
    type_modifier: int
    is_identity: bool


@dataclass(frozen=True, slots=True)
class Relation:
    """A table's description, sent before its first change and after each change of its definition."""

    oid: int
    schema: str
    table: str
    identity: str
    columns: tuple[RelationColumn, ...]


@dataclass(frozen=True, slots=True)
class Insert:
    """A new row."""

    relation_oid: int
    new: Row


@dataclass(frozen=True, slots=True)
class Update:
    """A changed row; `old` is None unless the identity changed or is FULL; `old_is_key` tells which."""

    relation_oid: int
    old: Row | None
    old_is_key: bool
    new: Row


@dataclass(frozen=True, slots=True)
class Delete:
    """A deleted row; with `old_is_key` only the identity columns of `old` carry values."""

    relation_oid: int
    old: Row
    old_is_key: bool


@dataclass(frozen=True, slots=True)
class Other:
    """A message without row changes (origin, type, truncate, logical message)."""

    kind: str


Message = Begin | Commit | Relation | Insert | Update | Delete | Other
_OTHER_KINDS = frozenset(b"OYTM")


def parse(payload: bytes) -> Message:
    """The message in `payload`; raises ProtocolError for anything else."""
    try:
        return _parse(payload)
    except (IndexError, ValueError, StructError) as error:
        raise ProtocolError(f"a cut or damaged pgoutput message: {error}") from error


def _parse(payload: bytes) -> Message:
    kind = payload[0]
    if kind == 0x49:  # I
        return Insert(_U32.unpack_from(payload, 1)[0], _tuple(payload, 6)[0])
    if kind == 0x55:  # U
        return _update(payload)
    if kind == 0x44:  # D
        return Delete(_U32.unpack_from(payload, 1)[0], _tuple(payload, 6)[0], payload[5] == 0x4B)
    if kind == 0x42:  # B
        return Begin(*_BEGIN.unpack_from(payload, 1))
    if kind == 0x43:  # C
        _flags, commit_lsn, end_lsn, _micros = _COMMIT.unpack_from(payload, 1)
        return Commit(commit_lsn, end_lsn)
    if kind == 0x52:  # R
        return _relation(payload)
    if kind in _OTHER_KINDS:
        return Other(chr(kind))
    raise ProtocolError(f"unknown pgoutput message {chr(kind)!r}")


def _update(payload: bytes) -> Update:
    relation_oid = _U32.unpack_from(payload, 1)[0]
    marker = payload[5]
    if marker == 0x4E:  # N: no old row was logged
        return Update(relation_oid, None, False, _tuple(payload, 6)[0])
    old, offset = _tuple(payload, 6)
    return Update(relation_oid, old, marker == 0x4B, _tuple(payload, offset + 1)[0])


def _relation(payload: bytes) -> Relation:
    oid = _U32.unpack_from(payload, 1)[0]
    schema, offset = _text(payload, 5)
    table, offset = _text(payload, offset)
    identity = chr(payload[offset])
    count = _U16.unpack_from(payload, offset + 1)[0]
    offset += 3
    columns = []
    for _ in range(count):
        is_identity = payload[offset] == 1
        name, offset = _text(payload, offset + 1)
        type_oid, type_modifier = _COLUMN_TYPE.unpack_from(payload, offset)
        columns.append(RelationColumn(name, type_oid, type_modifier, is_identity))
        offset += 8
    return Relation(oid, schema, table, identity, tuple(columns))


def _text(payload: bytes, offset: int) -> tuple[str, int]:
    end = payload.index(0, offset)
    return payload[offset:end].decode(), end + 1


def _tuple(payload: bytes, offset: int) -> tuple[Row, int]:
    count = _U16.unpack_from(payload, offset)[0]
    offset += 2
    values: list[Value] = []
    for _ in range(count):
        kind = payload[offset]
        offset += 1
        if kind == 0x74:  # t
            length = _U32.unpack_from(payload, offset)[0]
            offset += 4
            end = offset + length
            if end > len(payload):
                raise ProtocolError("a cut pgoutput message: a column is longer than the message")
            values.append(str(payload[offset:end], "utf-8"))
            offset = end
        elif kind == 0x6E:  # n
            values.append(None)
        elif kind == 0x75:  # u
            values.append(UNCHANGED)
        else:
            raise ProtocolError(f"unknown column kind {chr(kind)!r}")
    return tuple(values), offset
