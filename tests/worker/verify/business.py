"""A business with every kind of relation, and the documents that must result, written by hand."""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import psycopg2

from contract.keys import DOCUMENT_SK, document_pk
from contract.mapping import Aggregate, Field, FieldType, Filter, Index, Kind, Mapping, Node, Sensitive
from contract.values import to_item
from worker.verify.columns import with_policies
from worker.verify.marks import Marks, Tokens
from worker.verify.options import Options, Settle
from worker.verify.problems import problems
from worker.verify.report import Report
from worker.verify.run import verify
from worker.verify.source import Source, open_source
from worker.verify.sql import Statement, statement
from worker.verify.target import Documents

SCHEMA = """
CREATE SCHEMA biz;
CREATE TABLE biz.countries (code char(2) PRIMARY KEY, name text);
CREATE TABLE biz.people (
  id bigint PRIMARY KEY, name text NOT NULL, boss bigint REFERENCES biz.people, rating float4, active boolean NOT NULL);
CREATE TABLE biz.addresses (
  person bigint REFERENCES biz.people, no int, town text, country char(2) REFERENCES biz.countries,
  PRIMARY KEY (person, no));
CREATE TABLE biz.orders (
  id int PRIMARY KEY, buyer bigint REFERENCES biz.people, ship_no int, total numeric(10,2), placed timestamptz,
  FOREIGN KEY (buyer, ship_no) REFERENCES biz.addresses);
CREATE TABLE biz.tags (tag text PRIMARY KEY, label text);
CREATE TABLE biz.order_tags (order_id int REFERENCES biz.orders, tag text, rank int, PRIMARY KEY (order_id, tag));
INSERT INTO biz.countries VALUES ('IE', 'Éire'), ('PT', 'Portugal');
INSERT INTO biz.people VALUES
  (1, 'Ada', NULL, 2.2, true), (2, 'Bo "b" ☃', 1, NULL, true), (3, 'Cy', 3, 0.1, true), (4, 'gone', 1, NULL, false);
INSERT INTO biz.addresses VALUES (1, 2, 'Cork', 'IE'), (1, 10, NULL, NULL), (2, 1, 'Faro', 'PT');
INSERT INTO biz.orders VALUES
  (7, 1, 10, 12.50, '2024-05-06 07:08:09.120000+02'), (8, 1, NULL, 0, '2024-05-06 00:00:00+00'),
  (9, 2, 1, 99999999.99, NULL), (10, NULL, 1, NULL, NULL);
INSERT INTO biz.tags VALUES ('a', 'first'), ('B', 'second'), ('ä', NULL);
INSERT INTO biz.order_tags VALUES (7, 'a', 2), (7, 'B', 2), (7, 'ä', 1), (7, 'nowhere', 0), (8, 'a', NULL);
"""


def fields(*columns: str, **typed: FieldType) -> tuple[Field, ...]:
    """Fields named as their columns."""
    return (*(Field(name, name) for name in columns), *(Field(name, name, kind) for name, kind in typed.items()))


def one(name: str, table: str, key: tuple[str, ...], join: tuple[str, ...], *parts: Any, **more: Any) -> Node:
    """A `one` node."""
    return Node(name, Kind.ONE, table, key, join, *parts, **more)


COUNTRY = one("country", "biz.countries", ("code",), ("country",), fields("code", "name"))
ADDRESS_KEY = ("person", "no")

ORDER = Aggregate(
    "order",
    "orders",
    Node(
        "order",
        Kind.ROOT,
        "biz.orders",
        ("id",),
        (),
        fields("id", "total", placed=FieldType.TIMESTAMPTZ),
        (
            one("buyer", "biz.people", ("id",), ("buyer",), fields("name", "rating")),
            one("ship_to", "biz.addresses", ADDRESS_KEY, ("buyer", "ship_no"), fields("town"), (COUNTRY,)),
            Node(
                "tags",
                Kind.MANY,
                "biz.order_tags",
                ("order_id", "tag"),
                ("order_id",),
                (),
                (one("far", "biz.tags", ("tag",), ("tag",), fields("tag", "label")),),
                ("rank",),
                unwrap="far",
            ),
        ),
    ),
    (Index("by_total", 1, "total", ("placed",)),),
)
PERSON = Aggregate(
    "person",
    "people",
    Node(
        "person",
        Kind.ROOT,
        "biz.people",
        ("id",),
        (),
        fields("id", "name"),
        (
            one("boss", "biz.people", ("id",), ("boss",), fields("id", "boss")),
            Node(
                "staff",
                Kind.MANY,
                "biz.people",
                ("id",),
                ("boss",),
                fields("id"),
                (),
                ("name",),
                (Filter("active", (True,)),),
            ),
            Node(
                "addresses", Kind.MANY, "biz.addresses", ADDRESS_KEY, ("person",), fields("no"), (COUNTRY,), ("town",)
            ),
        ),
        where=(Filter("active", (True,)),),
    ),
)
MAPPING = Mapping((ORDER, PERSON))

IRELAND = {"code": "IE", "name": "Éire"}
PORTUGAL = {"code": "PT", "name": "Portugal"}

# By hand, as the schema's rows and the mapping say.
EXPECTED: dict[tuple[str, str], dict[str, Any]] = {
    ("order", "7"): {
        "id": 7,
        "total": Decimal("12.5"),
        "placed": "2024-05-06T05:08:09.12Z",
        "buyer": {"name": "Ada", "rating": Decimal("2.20000005")},  # a float4 as change records have it
        "ship_to": {"town": None, "country": None},
        "tags": [{"tag": "ä", "label": None}, {"tag": "B", "label": "second"}, {"tag": "a", "label": "first"}],
    },
    ("order", "8"): {
        "id": 8,
        "total": 0,
        "placed": "2024-05-06T00:00:00Z",
        "buyer": {"name": "Ada", "rating": Decimal("2.2")},
        "ship_to": None,
        "tags": [{"tag": "a", "label": "first"}],
    },
    ("order", "9"): {
        "id": 9,
        "total": Decimal("99999999.99"),
        "placed": None,
        "buyer": {"name": 'Bo "b" ☃', "rating": None},
        "ship_to": {"town": "Faro", "country": PORTUGAL},
        "tags": [],
    },
    ("order", "10"): {"id": 10, "total": None, "placed": None, "buyer": None, "ship_to": None, "tags": []},
    ("person", "1"): {
        "id": 1,
        "name": "Ada",
        "boss": None,
        "staff": [{"id": 2}],
        "addresses": [{"no": 2, "country": IRELAND}, {"no": 10, "country": None}],
    },
    ("person", "2"): {
        "id": 2,
        "name": 'Bo "b" ☃',
        "boss": {"id": 1, "boss": None},
        "staff": [],
        "addresses": [{"no": 1, "country": PORTUGAL}],
    },
    ("person", "3"): {
        "id": 3,
        "name": "Cy",
        "boss": {"id": 3, "boss": 3},
        "staff": [{"id": 3}],
        "addresses": [],
    },
}


def run_sql(url: str, script: str) -> None:
    """Run a script in a session of its own."""
    connection = psycopg2.connect(url)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(script)
    finally:
        connection.close()


AT_ONCE = Options(Settle(seconds=0))


@dataclass
class Target:
    """A documents table of one test."""

    client: Any
    table: str
    progress: list[str] = field(default_factory=list)

    def put(self, aggregate: Aggregate, key: str, body: dict[str, Any] | None, **system: Any) -> None:
        """Store a document as a worker does: its attributes beside those that begin with `_`."""
        own = {} if body is None else {**body, **aggregate.index_attributes(key, body)}
        head = {"_rev": 3, "_fp": "f", "_gen": 1, "_as_of": "2024-01-01T00:00:00.000000Z", **system}
        keys = {"pk": document_pk(aggregate.name, key), "sk": DOCUMENT_SK}
        self.client.put_item(TableName=self.table, Item=to_item({**own, **head, **keys}))

    def put_all(self) -> None:
        """Every expected document, and a deleted one that nobody misses."""
        aggregates = {aggregate.name: aggregate for aggregate in MAPPING.aggregates}
        for (name, key), body in EXPECTED.items():
            self.put(aggregates[name], key, body)
        self.put(PERSON, "4", None, _deleted=True)

    def verify(self, url: str, mapping: Mapping = MAPPING, limit: int = 10) -> Report:
        """What verify finds in this table."""
        with open_source(url) as source:
            documents = Documents(self.table, self.client)
            return verify(source, documents, mapping, limit=limit, progress=self.progress.append, options=AT_ONCE)


MARKS = Marks("unfit 0123")


def statement_of(
    source: Source, aggregate: Aggregate, sensitive: tuple[Sensitive, ...] = (), *, with_tokens: bool = False
) -> Statement:
    """The statement of an aggregate that fits the source."""
    mapping = Mapping((aggregate,), sensitive)
    catalog = with_policies(source.catalog(mapping.tables), mapping.policies)
    assert problems(mapping, catalog, [], with_tokens=with_tokens) == []
    return statement(aggregate, catalog, MARKS, with_tokens=with_tokens)


def expected(
    url: str, aggregate: Aggregate, sensitive: tuple[Sensitive, ...] = (), tokens: Tokens | None = None
) -> dict[str, Any]:
    """The documents that the source says, by key."""
    with open_source(url) as opened:
        made = statement_of(opened, aggregate, sensitive, with_tokens=tokens is not None)
        return {document.key: document.body for document in opened.documents(made, tokens=tokens)}


def root(table: str, key: tuple[str, ...], fields: tuple[Field, ...], *children: Node, **more: Any) -> Aggregate:
    return Aggregate("thing", "things", Node("thing", Kind.ROOT, table, key, (), fields, children, **more))


Change = Callable[[dict[str, Any]], None]
