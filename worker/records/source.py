"""How one DMS task writes its records, and what must not be seen of them: everything that decoding depends on."""

from __future__ import annotations

from dataclasses import dataclass, field

from worker.records.envelope import (
    NO_BEFORE_COLUMNS,
    BeforeColumns,
    ChangeEvent,
    ControlEvent,
    InternalEvent,
    decode,
)
from worker.records.positions import POSTGRESQL_ORDER, Order
from worker.records.protect import NO_PROTECTION, Protection
from worker.records.quick import QuickReader


@dataclass(frozen=True, slots=True)
class Source:
    """Settings of the task as the worker knows them; the defaults are those that the documents ask for.

    `heartbeat_table`: one that is written at the source all the time and that no document shows, "" for none.
    """

    before_image_field: str = "before-image"
    before_columns: BeforeColumns = NO_BEFORE_COLUMNS
    order: Order = POSTGRESQL_ORDER
    protection: Protection = NO_PROTECTION
    heartbeat_table: str = ""
    _quick: QuickReader = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_quick", QuickReader(self.before_image_field, self.before_columns))

    def decode(self, data: bytes) -> ChangeEvent | ControlEvent | InternalEvent:
        """The event in a payload, not yet protected. Raises PoisonRecord."""
        return self._quick.read(data) or decode(data, self.before_image_field, self.before_columns)
