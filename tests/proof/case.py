"""One random case from its seed to its findings: schema, mapping, transactions, records, workers, documents."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Final

import psycopg2

from contract.keys import key_text
from contract.mapping import Aggregate, Mapping
from contract.values import from_item
from local.dms.records import Record
from tests.proof import plain
from tests.proof.mappings import Tree, make_mappings, sensitive, yaml_text
from tests.proof.schema import Schema, make_schema, protect
from tests.proof.shown import ANYTHING, TOKEN_KEY_ID, TOKEN_SECRET
from tests.proof.standin import Capture, deliver, random_task, settings_of
from tests.proof.transactions import Source
from tests.proof.values import identifier
from tests.proof.workers import Fleet
from tests.worker.projection.strict_store import StrictStore
from worker.mapping.loader import read_mappings
from worker.projection.operations import TableName
from worker.projection.plan import make_plan
from worker.records.errors import Reason
from worker.records.protect import Protection, TokenKey
from worker.records.source import Source as Intake
from worker.verify.columns import with_policies
from worker.verify.compare import Leaf, Shape, Unfit, first_difference
from worker.verify.marks import Marks
from worker.verify.problems import problems
from worker.verify.source import open_source
from worker.verify.sql import statement

_MARKS: Final = Marks("unfit 5d1c")  # nobody's data says this

_TOKENS: Final = TokenKey(TOKEN_KEY_ID, TOKEN_SECRET)


@dataclass
class Outcome:
    """What one case led to; without findings it is proven."""

    seed: int
    findings: list[str] = field(default_factory=list)
    tables: int = 0
    places: int = 0
    transactions: int = 0
    statements: int = 0
    records: int = 0
    documents: int = 0
    parked: int = 0
    schema: list[str] = field(default_factory=list)
    mappings: list[str] = field(default_factory=list)

    def story(self) -> str:
        """What somebody needs to look into a failure."""
        return "\n".join(
            (
                f"seed {self.seed}: {len(self.findings)} findings; alone: python -m tests.proof.run --seed {self.seed}",
                *(f"  {line}" for line in self.findings[:20]),
                "",
                *(f"{line};" for line in self.schema),
                "",
                *self.mappings,
            )
        )


@dataclass(frozen=True)
class Expected:
    """A document as SQL on the source gives it."""

    aggregate: Aggregate
    body: dict[str, Any]
    shape: Shape


Wanted = dict[tuple[str, str], Expected]


def make_case(rng: random.Random, seed: int) -> tuple[Schema, list[Tree]]:
    """The schema and the mappings of a case."""
    schema = make_schema(rng, f"proof{seed}")
    if rng.random() < 0.25:
        protect(rng, schema)
    return schema, make_mappings(rng, schema)


def run_case(url: str, seed: int) -> Outcome:
    """One case in a database, from which it removes everything of its own."""
    outcome = Outcome(seed)
    rng = random.Random(seed)
    schema, trees = make_case(rng, seed)
    outcome.schema = list(schema.statements())
    outcome.mappings = [yaml_text(tree) for tree in (*trees, sensitive(schema)) if tree]
    mapping = _read(outcome)
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        try:
            _play(url, rng, connection, schema, trees, mapping, outcome)
        finally:
            with connection.cursor() as cursor:
                cursor.execute("ROLLBACK")  # a case that broke may have left a transaction open
                cursor.execute(f"DROP SCHEMA IF EXISTS {identifier(schema.name)} CASCADE")
    return outcome


def _read(outcome: Outcome) -> Mapping:
    mapping, found = read_mappings({f"a{number}.yaml": text for number, text in enumerate(outcome.mappings)})
    if mapping is None:
        raise AssertionError(
            f"the reader refuses the mapping: {[str(problem) for problem in found]}\n{outcome.story()}"
        )
    outcome.places = sum(len(list(aggregate.root.walk())) for aggregate in mapping.aggregates)
    return mapping


def _play(
    url: str, rng: random.Random, connection: Any, schema: Schema, trees: list[Tree], mapping: Mapping, outcome: Outcome
) -> None:
    with connection.cursor() as cursor:
        for ddl in outcome.schema:
            cursor.execute(ddl)
    source = Source(rng, connection, schema)
    settings = settings_of(random_task(rng, schema.name))
    capture = Capture(url, schema.name, settings)
    source.fill()
    try:
        loads, changes = _history(rng, source, capture)
    finally:
        capture.end()
    shards = deliver(rng, settings, loads, changes)
    fleet = Fleet(
        rng,
        make_plan(mapping),
        Intake(protection=Protection(mapping.policies, _TOKENS)),
        shards,
        faults=rng.choice((0, 2, 5, 8)),
    )
    fleet.run()
    outcome.tables, outcome.transactions = len(schema.tables), source.transactions
    outcome.statements, outcome.records = source.statements, sum(map(len, shards))
    wanted = _wanted(url, mapping)
    outcome.documents = len(wanted)
    outcome.findings += _oracles_disagree(wanted, plain.documents(schema, plain.read_tables(connection, schema), trees))
    outcome.findings += _differences(fleet.store, wanted, outcome)
    parked = (entry for entry in fleet.parked.entries if entry.reason != Reason.UNKNOWN_TABLE)
    outcome.findings += [f"parked record of {entry.table}: {entry.reason} {entry.detail}" for entry in parked]


def _history(rng: random.Random, source: Source, capture: Capture) -> tuple[list[list[Record]], list[Record]]:
    """Transactions before the load, between the loads of two tables, and after them."""

    def some(most: int) -> None:
        for _ in range(rng.randint(0, most)):
            source.transaction()

    some(4)
    tables = capture.begin()
    loads = []
    rng.shuffle(tables)
    for table in tables:
        some(2)
        loads.append(capture.load(table))
    some(12)
    return loads, capture.changes()


def _wanted(url: str, mapping: Mapping) -> Wanted:
    found: Wanted = {}
    with open_source(url) as source:
        catalog = with_policies(source.catalog(mapping.tables), mapping.policies)
        if lines := problems(mapping, catalog, [], with_tokens=True):
            raise AssertionError(f"verify refuses the mapping: {lines}")
        for aggregate in mapping.aggregates:
            each = statement(aggregate, catalog, _MARKS, with_tokens=True)
            for document in source.documents(each, None, _TOKENS.token):
                found[aggregate.name, document.key] = Expected(aggregate, document.body, each.shape)
    return found


def _oracles_disagree(wanted: Wanted, mine: plain.Documents) -> Iterator[str]:
    other = {(aggregate, key_text(json.loads(key))): body for (aggregate, key), body in mine.items()}
    for aggregate, key in sorted(other.keys() ^ wanted.keys()):
        yield f"oracles: {aggregate} {key!r}: only {'SQL' if (aggregate, key) in wanted else 'Python'} has it"
    for (aggregate, key), body in other.items():
        expected = wanted.get((aggregate, key))
        if expected is None or _has_unfit(expected.body):
            continue
        if (found := plain.difference(_comparable(body, expected.shape), expected.body)) is not None:
            yield f"oracles: {aggregate} {key!r}: {found}"


def _comparable(value: Any, shape: Any) -> Any:
    """Without the attributes that `verify` leaves out; a list whose order it cannot know is ANYTHING."""
    if not isinstance(shape, dict):
        return value
    if isinstance(value, list):
        return ANYTHING if "" in shape else [_comparable(item, shape) for item in value]
    if isinstance(value, dict):
        kept = {name: item for name, item in value.items() if shape.get(name) is not Leaf.UNCOMPARED}
        return {name: _comparable(item, shape.get(name)) for name, item in kept.items()}
    return value


def _differences(store: StrictStore, wanted: Wanted, outcome: Outcome) -> Iterator[str]:
    """Every document the other way round than expected, and whatever went backward."""
    if store.image_regressions or store.document_regressions:
        yield f"backward: {store.image_regressions} images, {store.document_regressions} documents"
    found = ((pk, item) for (table, pk, _), item in store.items.items() if table is TableName.DOCUMENTS)
    stored = {(pk.partition("#")[0], pk.partition("#")[2]): item for pk, item in found}
    for at, expected in wanted.items():
        item = stored.pop(at, None)
        place = f"{at[0]} {at[1]!r}"
        if item is not None and "_parked" in item:
            outcome.parked += 1
            if not _has_unfit(expected.body):
                yield f"{place}: parked, though every value fits: {item['_parked']}"
        elif item is None or "_deleted" in item:
            yield f"{place}: missing; expected {expected.body!r}"
        else:
            yield from (f"{place}: {line}" for line in _unequal(at[1], expected, from_item(item)))
    for at, item in stored.items():
        if "_deleted" not in item:
            yield f"{at}: surplus"


def _unequal(key: str, expected: Expected, values: dict[str, Any]) -> Iterator[str]:
    body = {n: v for n, v in values.items() if not n.startswith("_") and n not in ("pk", "sk")}
    found = first_difference(expected.body, body, expected.shape)
    if found is not None:
        yield f"{found.path}: {found.note}: expected {found.expected!r}, stored {found.stored!r}"
        return
    index = {name: value for name, value in values.items() if name.startswith("_i")}
    if index != expected.aggregate.index_attributes(key, body):
        yield f"another index entry: {index}"


def _has_unfit(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_has_unfit, value.values()))
    if isinstance(value, list):
        return any(map(_has_unfit, value))
    return isinstance(value, Unfit)
