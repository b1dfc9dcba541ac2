"""What the engine asks of the store, and what it is told. The shape is DynamoDB's; the engine never calls it.

The engine is a generator: it yields a group of operations and is sent their replies in the same order. Operations of
one group touch distinct items and may run in any order, side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from enum import Enum
from typing import Any, ClassVar, TypeVar

import orjson

from contract.keys import ROW_SK
from contract.values import AttributeValue, Item
from worker.value import Value


class TableName(Enum):
    """The two tables of the engine; the shell knows their real names."""

    ROWS = "rows"
    DOCUMENTS = "documents"

    __hash__ = object.__hash__  # an enum's own is slow, and every read is filed under its table


class Condition(Value, frozen=True):
    """`attribute operator value`, true only if the attribute is there. Operator is `=`, `<` or `<=`."""

    attribute: str
    operator: str
    value: AttributeValue


class Encoded(Value, frozen=True):
    """Attributes as their names and the JSON of their values: a list, without its brackets.

    As objects those of a batch take many times the memory, more than a processor's caches hold: to come back to them
    and to give them back took longer than all the rest of making a statement.
    """

    names: tuple[str, ...]
    values_json: bytes

    def decoded(self) -> Item:
        """The attributes as objects."""
        return dict(zip(self.names, orjson.loads(b"[%b]" % self.values_json), strict=True))


def encoded(attributes: Item | Encoded) -> Encoded:
    """The same attributes, as JSON."""
    if isinstance(attributes, Encoded):
        return attributes
    return Encoded(tuple(attributes), orjson.dumps([*attributes.values()])[1:-1])


def decoded(attributes: Item | Encoded) -> Item:
    """The same attributes, as objects."""
    return attributes.decoded() if isinstance(attributes, Encoded) else attributes


class Get(Value, frozen=True):
    """One item, strongly consistent. Reply: Item or None. `attributes` narrows what is returned."""

    table: TableName
    pk: str
    sk: str
    attributes: tuple[str, ...] = ()


class Query(Value, frozen=True):
    """Sort keys of a partition that begin with the prefix ("": all), strongly consistent. Reply: their tuple, in order.

    `after`: only those that sort after it, a text that begins with the prefix ("": from the first); `limit`: at most so
    many (0: all).
    """

    table: TableName
    pk: str
    prefix: str
    limit: int = 0
    after: str = ""


class Insert(Value, frozen=True):
    """Write the item if there is none with its key. Reply: Applied or Refused."""

    table: TableName
    pk: str
    sk: str
    item: Item | Encoded


class InsertEdge(Value, frozen=True):
    """The same for an edge, of which there are more than of anything else: its item is only made where it is needed.

    `version`: of the change that made the row point there.
    """

    pk: str
    sk: str
    version: str

    table: ClassVar = TableName.ROWS

    @property
    def item(self) -> Item:
        """Its key and the version."""
        return {"pk": {"S": self.pk}, "sk": {"S": self.sk}, "v": {"S": self.version}}


class InsertImage(Value, frozen=True):
    """The same for the first image of an ordinary row: its version, its kept columns and what covers it, as texts."""

    pk: str
    version: str
    body: str
    covered: str

    table: ClassVar = TableName.ROWS
    sk: ClassVar = ROW_SK

    @property
    def item(self) -> Item:
        """Its key and the image's attributes."""
        return {
            "pk": {"S": self.pk},
            "sk": {"S": ROW_SK},
            "rev": {"N": "1"},
            "v": {"S": self.version},
            "row": {"S": self.body},
            "cov": {"S": self.covered},
        }


class Replace(Value, frozen=True):
    """Write the whole item over an existing one for which all conditions hold. Reply: Applied or Refused."""

    table: TableName
    pk: str
    sk: str
    item: Item
    when: tuple[Condition, ...]


class Update(Value, frozen=True):
    """Set attributes of an existing item for which all conditions hold. Reply: Applied or Refused."""

    table: TableName
    pk: str
    sk: str
    assign: Item | Encoded
    when: tuple[Condition, ...]


class Delete(Value, frozen=True):
    """Delete an item if all conditions hold. Reply: Refused if they do not; a missing item may be either."""

    table: TableName
    pk: str
    sk: str
    when: tuple[Condition, ...]


AnyInsert = Insert | InsertEdge | InsertImage
Write = AnyInsert | Replace | Update | Delete
Operation = Get | Query | Write
INSERTS = (Insert, InsertEdge, InsertImage)
WRITES = (*INSERTS, Replace, Update, Delete)


class Applied(Value, frozen=True):
    """The write is durable."""


class Refused(Value, frozen=True):
    """A condition did not hold. For Update and Replace, `item` is what stands there, None when nothing does."""

    item: Item | None = None


APPLIED = Applied()

Result = TypeVar("Result")
Steps = Generator[list[Operation], list[Any], Result]


def run_to_end(steps: Steps[Result], run: Callable[[list[Operation]], list[Any]]) -> Result:
    """Send a generator the replies that `run` gives to each of its groups, and return its result."""
    try:
        group = next(steps)
        while True:
            group = steps.send(run(group))
    except StopIteration as end:
        result: Result = end.value
        return result


def text(value: str) -> AttributeValue:
    """A string attribute."""
    return {"S": value}


def number(value: int) -> AttributeValue:
    """A number attribute."""
    return {"N": str(value)}
