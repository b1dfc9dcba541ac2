"""How an engine's log names a change: transaction id, position and commit time, made from PostgreSQL's log.

Whatever the text looks like, it orders as the source did: positions of one row rise in the order of its changes.
Only Oracle's does not, as the real one: there `$AR_H_CHANGE_SEQ` orders.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

from local.dms.pgoutput import Begin

INSERT, UPDATE, DELETE = 3, 2, 2  # the middle number of PostgreSQL's position, as seen per operation
_POSTGRES_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_MILLISECOND, _SECOND = 1_000, 1_000_000

# MySQL: a commit takes at least 40 bytes of PostgreSQL's log, so 40 KiB of a binary log that is 1024 times as long:
# room for the events of one transaction before the next one starts.
_BINLOG_FILE_BITS = 20
_BINLOG_SCALE_BITS = 10
_BINLOG_FIRST = 4
_TABLE_MAP_OFFSET = 74  # from the start of a transaction, as in a documented record
_EVENT_BYTES = 62
_MOST_EVENTS = 300
_ROWS_PER_EVENT = 16


class Dialect(Protocol):
    """The transaction that is being read, and the names of its changes."""

    transaction_id: int
    committed: str

    def begin(self, message: Begin) -> None:
        """The next transaction."""

    def position(self, lsn: int, code: int, relation_oid: int) -> str:
        """The position of the next change of this transaction."""


def timestamp(moment: datetime) -> str:
    """DMS's metadata form: UTC, always six digits."""
    return moment.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def commit_moment(commit_micros: int) -> datetime:
    """The moment of a commit time given in microseconds since 2000-01-01."""
    return _POSTGRES_EPOCH + timedelta(microseconds=commit_micros)


def commit_timestamp(commit_micros: int, granularity_micros: int = 1) -> str:
    """The text of a commit time given in microseconds since 2000-01-01, cut to the engine's granularity."""
    return timestamp(commit_moment(commit_micros - commit_micros % granularity_micros))


def log_address(lsn: int) -> str:
    """A log position of PostgreSQL as DMS writes it: zero padded."""
    return f"{lsn >> 32:08X}/{lsn & 0xFFFFFFFF:08X}"


def stream_position(lsn: int, code: int) -> str:
    """The position of a change in PostgreSQL: its log address, twice."""
    address = log_address(lsn)
    return f"{address}.{code}.{address}"


class PostgreSQL:
    """As seen in real records: the xid, which is not in commit order, and the change's own log address."""

    transaction_id = 0
    committed = ""

    def begin(self, message: Begin) -> None:
        """The next transaction."""
        self.transaction_id = message.xid
        self.committed = commit_timestamp(message.commit_micros)

    def position(self, lsn: int, code: int, relation_oid: int) -> str:  # noqa: ARG002  other engines need it
        """The change's log address, twice."""
        return stream_position(lsn, code)


class MySQL:
    """As seen in real records: binary log file and offset in commit order, commit times in whole seconds.

    Rows of one table that follow each other share an event and are told apart by their number in it.
    """

    transaction_id = 0
    committed = ""

    def begin(self, message: Begin) -> None:
        """The next transaction; its place in the binary log follows from that of its commit."""
        self._file = (message.commit_lsn >> _BINLOG_FILE_BITS) + 1
        offset = message.commit_lsn & ((1 << _BINLOG_FILE_BITS) - 1)
        self._start = (offset << _BINLOG_SCALE_BITS) + _BINLOG_FIRST
        self._event, self._row, self._kind = -1, 0, (0, 0)
        self.transaction_id = self._file << 32 | self._start
        self.committed = commit_timestamp(message.commit_micros, _SECOND)

    def position(self, lsn: int, code: int, relation_oid: int) -> str:  # noqa: ARG002  other engines need it
        """`file:offset:row:end:transaction:file:offset of the table map`."""
        kind = (code, relation_oid)
        fits = kind == self._kind and self._row + 1 < _ROWS_PER_EVENT
        if self._event >= 0 and (fits or self._event + 1 >= _MOST_EVENTS):
            self._row += 1
        else:
            self._event, self._row, self._kind = self._event + 1, 0, kind
        name = f"mysql-bin-changelog.{self._file:06d}"
        table_map = self._start + _TABLE_MAP_OFFSET + self._event * 2 * _EVENT_BYTES
        rows = table_map + _EVENT_BYTES
        return f"{name}:{rows}:{self._row}:{rows + _EVENT_BYTES}:{self.transaction_id}:{name}:{table_map}"


class Oracle:
    """Transaction ids of undo segment and slot, used again and again; the text of the position is synthetic.

    Transactions may share its system change number, so it orders nothing.
    """

    transaction_id = 0
    committed = ""

    def begin(self, message: Begin) -> None:
        """The next transaction."""
        self._change_number = message.commit_lsn >> _BINLOG_SCALE_BITS
        segment, slot = message.xid % 10 + 1, message.xid // 10 % 34
        self.transaction_id = segment << 16 | slot
        self.committed = commit_timestamp(message.commit_micros, _SECOND)

    def position(self, lsn: int, code: int, relation_oid: int) -> str:  # noqa: ARG002  other engines need it
        """A system change number and nothing that tells two changes apart."""
        return f"SCN.{self._change_number:016x}"


class SQLServer:
    """The documented form of a log sequence number: file, block and slot; the rest is synthetic."""

    transaction_id = 0
    committed = ""

    def begin(self, message: Begin) -> None:
        """The next transaction."""
        self.transaction_id = message.xid
        self.committed = commit_timestamp(message.commit_micros, _MILLISECOND)

    def position(self, lsn: int, code: int, relation_oid: int) -> str:  # noqa: ARG002  other engines need it
        """`file:block:slot`; PostgreSQL's log positions are multiples of 8, blocks here have 512 bytes."""
        return f"{lsn >> 32:08x}:{(lsn & 0xFFFFFFFF) >> 9:08x}:{((lsn & 0x1FF) >> 3) + 1:04x}"


DIALECTS: dict[str, Callable[[], Dialect]] = {
    "postgresql": PostgreSQL,
    "mysql": MySQL,
    "oracle": Oracle,
    "sqlserver": SQLServer,
}
