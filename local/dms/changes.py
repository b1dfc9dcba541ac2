"""Turns the messages of the source's log into DMS records, in their order, without I/O of its own."""

from collections.abc import Callable
from datetime import UTC, datetime

from local.dms.control import TaskRecords, alter_operation
from local.dms.pgoutput import Begin, Commit, Delete, Insert, Message, Relation, Update
from local.dms.records import Place, Record, TableRecords, commit_timestamp
from local.dms.settings import Settings
from local.dms.tables import Table


class ChangeRecords:
    """Keeps the transaction and the table definitions that the messages of one connection refer to."""

    def __init__(
        self,
        settings: Settings,
        task_records: TaskRecords,
        describe: Callable[[Relation], Table],
        known: dict[str, Table],
        previous: tuple[int, int] | None,
    ) -> None:
        """`known` are the tables as loaded; `previous` is the last change delivered by an earlier run."""
        self.previous = previous
        self.confirmable: tuple[int, tuple[int, int] | None] | None = None
        self.in_transaction = False
        self._settings = settings
        self._task_records = task_records
        self._describe = describe
        self._known = known
        self._relations: dict[int, TableRecords] = {}
        self._xid = 0
        self._number = 0
        self._committed = ""

    def feed(self, lsn: int, message: Message) -> Record | None:
        """The record that the message makes, if any. After a commit `confirmable` holds its end and the last
        change before it: to be confirmed once all records up to here are on the stream."""
        if isinstance(message, Insert | Update | Delete):
            return self._change(lsn, message)
        if isinstance(message, Begin):
            self._xid, self._number, self.in_transaction = message.xid, 0, True
            self._committed = commit_timestamp(message.commit_micros)
        elif isinstance(message, Commit):
            self.in_transaction = False
            self.confirmable = (message.end_lsn, self.previous)
        elif isinstance(message, Relation):
            return self._relation(message)
        return None

    def _change(self, lsn: int, message: Insert | Update | Delete) -> Record:
        self._number += 1
        place = Place(self._xid, self._number, self._committed, lsn, self.previous)
        self.previous = (self._xid, self._number)
        records = self._relations[message.relation_oid]
        now = datetime.now(UTC)
        if isinstance(message, Insert):
            return records.insert(message.new, place, now)
        if isinstance(message, Update):
            return records.update(message.old, message.old_is_key, message.new, place, now)
        return records.delete(message.old, place, now)

    def _relation(self, message: Relation) -> Record | None:
        table = self._describe(message)
        self._relations[message.oid] = TableRecords(table, self._settings)
        before = self._known.get(table.full_name)
        self._known[table.full_name] = table
        operation = alter_operation(before, table) if before else None
        if operation is None or not self._settings.include_table_alter_operations:
            return None
        return self._task_records.table_altered(operation, table, datetime.now(UTC))
