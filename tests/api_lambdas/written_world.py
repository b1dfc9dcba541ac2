"""A source, a worker, two regions and readers under a virtual clock, step by step in random order; the reading is real.

Documents show rows of two tables. Each command raises a number in one row of one document; a read that claims to have
reached a command's token must show that number, or a later one. Between any two requests to the store anything goes on.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from api_lambdas.access.rules import Access, Claims, Gate, Rule
from api_lambdas.queries.awaiting import Awaiting
from api_lambdas.queries.catalog import Collection, Index
from api_lambdas.queries.consistency import signed, token_of
from api_lambdas.queries.freshness import Freshness
from api_lambdas.queries.marks import MICROS
from api_lambdas.queries.repository import Repository
from api_lambdas.query import QueryApi
from api_lambdas.shared.http import Problem, Request, Response
from api_lambdas.shared.json_text import loads
from contract.keys import document_pk, index_partition
from contract.values import Item, to_item

SECRET: Final = b"s" * 32
HERE, THERE = "eu-west-1", "us-east-1"
TABLES: Final = ("shop.lines", "shop.orders")
KEYS: Final = ("1", "2", "3")
LAG_MICROS: Final = 900_000
"""How old an eventually consistent read may be."""
COLLECTION: Final = Collection("orders", "order", 1, (Index("by_all", 1, "all", ()),), TABLES, {})


class Violation(AssertionError):
    """An older state was passed off as fresh, or a read took longer than it may."""


@dataclass
class Change:
    """One command's row change: where it stands in the log, and what the row's number is from then on."""

    table: str
    key: str
    number: int
    position: int
    micros: int
    since: int


@dataclass
class Region:
    """A replica: each item's states with the time from which on they are there."""

    items: dict[str, list[tuple[int, Item]]] = field(default_factory=dict)

    def put(self, pk: str, micros: int, item: Item) -> None:
        states = self.items.setdefault(pk, [])
        if not states or states[-1][0] <= micros:  # a later write that came first stays
            states.append((micros, item))

    def read(self, pk: str, micros: int) -> Item | None:
        return next((item for at, item in reversed(self.items.get(pk, [])) if at <= micros), None)


class World:
    """One history. `overtaking`: a record may be put behind those that follow it, as PutRecords does it."""

    def __init__(self, seed: int, *, overtaking: bool = False) -> None:
        self.random = random.Random(seed)
        self.micros = 1_767_323_045_000_000
        self.position = 0xFFF00  # the positions' texts get longer soon
        self.since = 0
        self.regions = {HERE: Region(), THERE: Region()}
        self.numbers: dict[tuple[str, str], int] = {(table, key): 0 for table in TABLES for key in KEYS}
        self.stream: dict[str, list[Change]] = {table: [] for table in TABLES}
        self.shown = dict(self.numbers)
        self.parked: set[str] = set()
        self.applied: dict[str, Change] = {}
        self.late: list[Change] = []
        self.overtaking = overtaking
        self.reads = 0
        for key in KEYS:
            self._write_document(key)

    # the source

    def command(self) -> tuple[Change, str]:
        """Executes a command; the change and the token of its answer."""
        sent = self.micros
        self.pass_time(0.05)
        table, key = self.random.choice(TABLES), self.random.choice(KEYS)
        self.numbers[table, key] += 1
        self.position += self.random.randrange(1, 40)
        change = Change(table, key, self.numbers[table, key], self.position, self.micros, self.since)
        self.position += self.random.randrange(1, 40)  # the commit, and what others write behind it
        self.stream[table].append(change)
        token = token_of(f"{self.position >> 32:X}/{self.position & 0xFFFFFFFF:X}", sent)
        assert token is not None
        return change, signed(SECRET, token)

    def restore(self) -> None:
        """The source comes back from a backup, its log begins further in front; all tables are loaded anew."""
        self.micros += 120 * MICROS
        self.position = max(0x1000, self.position - self.random.randrange(200, 3000))
        self.since = self.micros
        for at, number in self.numbers.items():
            self.numbers[at] = max(0, number - self.random.randrange(3))

    # the worker

    def step(self) -> None:
        """Anything that may happen next."""
        self.random.choice((self._apply, self._apply, self._tell, self._apply_late, self._heartbeat))()

    def _heartbeat(self) -> None:
        """Another change of both tables, of no document: without it marks stay where they are."""
        self.position += 1
        for table in TABLES:
            self.stream[table].append(Change(table, "", 0, self.position, self.micros, self.since))

    def _apply(self) -> None:
        table = self.random.choice(TABLES)
        if not self.stream[table]:
            return
        change = self.stream[table].pop(0)
        if self.overtaking and change.key and self.stream[table] and self.random.random() < 0.3:
            self.late.append(change)
            return
        if change.since > self.applied.get(table, change).since:  # the load of the new log comes first
            for key in KEYS:
                self.shown[table, key] = self.numbers[table, key]
                self._write_document(key)
        self._write(change)
        self.applied[table] = change

    def _write(self, change: Change) -> None:
        if not change.key:
            return
        if self.random.random() < 0.03:
            self.parked ^= {change.key}
        at = change.table, change.key
        self.shown[at] = max(self.shown[at], change.number)
        self._write_document(change.key)

    def _apply_late(self) -> None:
        if self.late and self.random.random() < 0.2:
            self._write(self.late.pop(0))

    def _tell(self) -> None:
        table = self.random.choice(TABLES)
        change = self.applied.get(table)
        if change is None:
            return
        mark = {"commit_micros": change.micros, "incarnation": 1, "position": f"{change.position:032x}"}
        told = {**mark, "order": "postgresql", "region": HERE, "since": change.since}
        self._put(document_pk("~complete", table), told)

    def _write_document(self, key: str) -> None:
        pk = document_pk("order", key)
        numbers = {table.removeprefix("shop."): self.shown[table, key] for table in TABLES}
        before = self.regions[HERE].read(pk, self.micros) if key in self.parked else None
        if before is not None:
            item = {**before, **to_item({"_parked": "too large"})}
            self._put(pk, {}, item)
            return
        system = {"_rev": 1, "_fp": "0" * 16, "_gen": 1, "_as_of": "x"}
        self._put(pk, {"key": key, **numbers, **system})

    def _put(self, pk: str, values: dict[str, Any], item: Item | None = None) -> None:
        whole = {**(to_item(values) if item is None else item), **to_item({"pk": pk, "sk": "#"})}
        self.regions[HERE].put(pk, self.micros, whole)
        self.regions[THERE].put(pk, self.micros + self.random.randrange(2 * MICROS), whole)

    # readers

    def pass_time(self, seconds: float) -> None:
        """Something else goes on meanwhile."""
        until = self.micros + int(seconds * MICROS)
        for _ in range(self.random.randrange(6)):
            self.micros += self.random.randrange(until - self.micros + 1)
            self.step()
        self.micros = until

    def read(self, change: Change, token: str) -> str:
        """One read with the token, of the changed document; what it said. Raises Violation."""
        region = self.random.choice((HERE, HERE, THERE))
        way = self.random.choice((f"/orders/{change.key}", "/orders", "/orders?all"))
        query = {"/orders": (("key", "none"), ("key", change.key)), "/orders?all": (("all", "x"),)}.get(way, ())
        wait = self.random.choice((0, 1, 2, 5))
        strict = self.random.random() < 0.3
        headers = {"x-consistency-token": token, "prefer": f"wait={wait}, handling={'strict' if strict else 'lenient'}"}
        store = Store(self, region)
        began = self.micros
        try:
            answer = api(store, self).answer(Request("GET", way.partition("?")[0], query, headers, b""))
        except Problem as problem:
            return f"{problem.kind.name} {problem.headers.get('x-consistency', '')}"
        finally:
            self.reads += 1
            if self.micros - began > wait * MICROS + store.took:
                raise Violation("a read waited beyond its bound")
        state = answer.headers["x-consistency"]
        if state == "reached" and change.since == self.since:  # else a restore may have undone it
            self._check(change, answer, region)
        return state

    def _check(self, change: Change, answer: Response, region: str) -> None:
        body = loads(answer.body.encode())
        name = change.table.removeprefix("shop.")
        documents = [body] if "items" not in body else [one for one in body["items"] if one]
        if any(one[name] < change.number for one in documents if one["key"] == change.key):
            raise Violation(f"an older state in {region}: {documents} of {change}")


class Store:
    """The documents table of one region. Any request takes time, in which other things happen."""

    def __init__(self, world: World, region: str) -> None:
        self._world = world
        self._region = region
        self.took = 0

    def call(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        began = self._world.micros
        self._world.pass_time(self._world.random.choice((0.001, 0.001, 0.02)))
        self.took += self._world.micros - began
        if operation == "GetItem":
            found = self._read(request["Key"]["pk"]["S"], consistent=request.get("ConsistentRead", False))
            return {} if found is None else {"Item": found}
        if operation == "BatchGetItem":
            ((table, asked),) = request["RequestItems"].items()
            consistent = asked.get("ConsistentRead", False)
            items = [self._read(key["pk"]["S"], consistent=consistent) for key in asked["Keys"]]
            return {"Responses": {table: [item for item in items if item is not None]}}
        partition = request["ExpressionAttributeValues"][":p"]["S"]
        assert (operation, partition) == ("Query", index_partition("order", "by_all", "x"))
        items = [self._read(document_pk("order", key), consistent=False) for key in KEYS]
        return {"Items": [item for item in items if item is not None]}

    def _read(self, pk: str, *, consistent: bool) -> Item | None:
        lag = 0 if consistent else self._world.random.randrange(LAG_MICROS)
        found = self._world.regions[self._region].read(pk, self._world.micros - lag)
        return found if found is not None else self._world.regions[self._region].read(pk, self._world.micros)


def _no_tokens() -> Claims:
    raise AssertionError


def api(store: Any, world: World) -> QueryApi:
    """The query function's own logic over a store of the world."""
    unused: Any = type("NoPages", (), {"serves": staticmethod(lambda _: False)})
    repository = Repository(store, "documents")
    monotonic: Callable[[], float] = lambda: world.micros / MICROS  # noqa: E731
    awaiting = Awaiting(repository.marks, SECRET, store._region, 1.5, monotonic, world.pass_time)
    gate = Gate(Access(Rule("public"), {}), _no_tokens)
    freshness = Freshness(repository, monotonic, monotonic)
    return QueryApi({"orders": COLLECTION}, repository, freshness, awaiting, SECRET, gate, unused)
