"""Turns the messages of the source's log into DMS records, in their order, without I/O of its own."""

from collections.abc import Callable
from datetime import UTC, datetime

from local.dms.control import TaskRecords, alter_operation
from local.dms.dialects import DELETE, DIALECTS, INSERT, UPDATE, commit_moment
from local.dms.pgoutput import Begin, Commit, Delete, Insert, Message, Relation, Update
from local.dms.records import Place, Record, TableRecords
from local.dms.sequence import ChangeSequence
from local.dms.settings import Settings
from local.dms.state import Point
from local.dms.tables import Table


class ChangeRecords:
    """Keeps the transaction and the table definitions that the messages of one connection refer to."""

    def __init__(
        self,
        settings: Settings,
        task_records: TaskRecords,
        describe: Callable[[Relation], Table],
        known: dict[str, Table],
        start: Point,
    ) -> None:
        """`known` are the tables as loaded; `start` is where an earlier run ended."""
        self.previous = start.previous
        self.committed: list[Point] = []
        self.in_transaction = False
        self._settings = settings
        self._task_records = task_records
        self._describe = describe
        self._known = known
        self._relations: dict[int, TableRecords] = {}
        self._dialect = DIALECTS[settings.source_shape]()
        self._sequence = ChangeSequence(start.counter, start.latest)
        self._number = 0

    def feed(self, lsn: int, message: Message) -> Record | None:
        """The record that the message makes, if any. A commit adds its end to `committed`: to be confirmed, and
        taken from there, once all records up to here are on the stream."""
        if isinstance(message, Insert | Update | Delete):
            return self._change(lsn, message)
        if isinstance(message, Begin):
            self._number, self.in_transaction = 0, True
            self._dialect.begin(message)
            self._sequence.begin(commit_moment(message.commit_micros))
        elif isinstance(message, Commit):
            self.in_transaction = False
            sequence = self._sequence
            self.committed.append(Point(message.end_lsn, self.previous, sequence.counter, sequence.latest))
        elif isinstance(message, Relation):
            return self._relation(message)
        return None

    def _change(self, lsn: int, message: Insert | Update | Delete) -> Record:
        self._number += 1
        dialect, oid = self._dialect, message.relation_oid
        code = INSERT if isinstance(message, Insert) else UPDATE if isinstance(message, Update) else DELETE
        position = dialect.position(lsn, code, oid)
        sequence = self._sequence.next()
        place = Place(dialect.transaction_id, self._number, dialect.committed, position, self.previous, sequence)
        self.previous = (dialect.transaction_id, self._number)
        records = self._relations[oid]
        now = datetime.now(UTC)
        if isinstance(message, Insert):
            return records.insert(message.new, place, now)
        if isinstance(message, Update):
            return records.update(message.old, message.old_is_key, message.new, place, now)
        return records.delete(message.old, message.old_is_key, place, now)

    def _relation(self, message: Relation) -> Record | None:
        table = self._describe(message)
        self._relations[message.oid] = TableRecords(table, self._settings)
        before = self._known.get(table.full_name)
        self._known[table.full_name] = table
        operation = alter_operation(before, table) if before else None
        if operation is None or not self._settings.include_table_alter_operations:
            return None
        return self._task_records.table_altered(operation, table, datetime.now(UTC))
