"""Mappings, documents as the worker writes them, events as a gateway sends them."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from api_lambdas import query
from api_lambdas.events.bus import EventBus
from api_lambdas.package import COMMANDS_FILE, compiled
from api_lambdas.shared.aws_service import AwsService
from api_lambdas.shared.dynamodb import DynamoDB
from api_lambdas.shared.settings import Access
from contract.keys import document_pk, key_text
from contract.mapping import Aggregate, Field, FieldType, Index, Kind, Mapping, Node
from contract.values import to_item
from local.ministack import MiniStack

READS = {"GetItem", "BatchGetItem", "Query"}
PUBLIC = "default: public"

ORDER = Aggregate(
    name="order",
    collection="orders",
    root=Node(
        "order",
        Kind.ROOT,
        "shop.orders",
        ("order_id",),
        fields=(Field("placed_at", "placed_at", FieldType.TIMESTAMPTZ), Field("status", "status")),
    ),
    indexes=(
        Index("by_customer", 1, "customer_id", ("placed_at",)),
        Index("by_status", 2, "status"),
        Index("by_status_total", 3, "status", ("total",)),
    ),
)
ADDRESS = Aggregate(
    name="address",
    collection="addresses",
    root=Node("address", Kind.ROOT, "shop.addresses", ("customer_id", "address_no")),
)
MAPPING = Mapping((ORDER, ADDRESS))


def declarations(folder: Path, access: str = PUBLIC, mapping: Mapping = MAPPING) -> dict[str, str]:
    """The functions' settings for what is packed with them, written into a folder."""
    found = compiled(mapping.to_json(), COMMANDS_FILE.read_text("utf-8"), access_yaml=access)
    for name, text in found.items():
        (folder / name).write_text(text, "utf-8")
    return {f"{Path(name).stem.upper()}_FILE": str(folder / name) for name in found}


@contextmanager
def querying(
    ministack: MiniStack, tables: Tables, folder: Path, patch: pytest.MonkeyPatch, mapping: Mapping = MAPPING
) -> Iterator[None]:
    """The query function answers from these tables, by the mapping, and what it asks them is watched."""
    for name, value in {
        **ministack.environment(),
        "DOCUMENTS_TABLE": tables.documents,
        **declarations(folder, mapping=mapping),
        "CURSOR_SECRET": "c" * 32,
    }.items():
        patch.setenv(name, value)
    patch.setattr(query, "DynamoDB", tables.watched)
    query._composed.cache_clear()
    yield
    query._composed.cache_clear()


def decoded_but_percent(path: str) -> str:
    """What an HTTP API makes of a request's path: everything is decoded but `%25`."""
    return re.sub(
        r"(?:%[0-9A-Fa-f]{2})+",
        lambda run: "%25".join(unquote(part) for part in re.split(r"%25", run.group())),
        path,
    )


def event(method: str, url: str, *, headers: dict[str, str] | None = None, body: str | None = None) -> dict[str, Any]:
    """Payload format 2.0 as an HTTP API sends it."""
    parts = urlsplit(url)
    sent: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "GET /{collection}/{key+}",
        "rawPath": decoded_but_percent(parts.path),
        "rawQueryString": parts.query,
        "headers": {name.lower(): value for name, value in (headers or {}).items()},
        "requestContext": {"http": {"method": method}, "stage": "$default"},
        "isBase64Encoded": False,
    }
    return sent if body is None else {**sent, "body": body}


@dataclass
class Tables:
    """The tables of one test, a client beside the functions, and every request that a function sent while it ran."""

    client: Any
    documents: str
    commands: str
    events: str = ""
    operations: list[str] = field(default_factory=list)
    requests: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    watching: list[AwsService] = field(default_factory=list)

    def put_document(self, aggregate: Aggregate, key: tuple[Any, ...], body: dict[str, Any], **system: Any) -> None:
        """A document as the worker writes it; `system` overrides its own attributes."""
        key_of_document = key_text(key)
        values = {
            "pk": document_pk(aggregate.name, key_of_document),
            "sk": "#",
            "_rev": 1,
            "_fp": "0123456789abcdef",
            "_gen": aggregate.generation,
            "_as_of": "2026-01-02T03:04:05.000006Z",
            **body,
            **aggregate.index_attributes(key_of_document, body),
            **system,
        }
        self.client.put_item(TableName=self.documents, Item=to_item(values))

    def watched(self, access: Access) -> Watched:
        """The functions' own client, whose requests are noted."""
        self.watching.append(made := Watched(access, self.operations, self.requests))
        return made

    def bus(self, access: Access, name: str) -> EventBus:
        """The functions' own client of a bus."""
        self.watching.append(made := EventBus(access, name))
        return made

    def close(self) -> None:
        """End the functions' connections, which they themselves never do."""
        while self.watching:
            close_idle(self.watching.pop())


def close_idle(client: AwsService) -> None:
    """Close the connections that a client keeps."""
    while client._idle:
        client._idle.pop().close()


class Watched(DynamoDB):
    """Notes the operations, and what was asked for."""

    def __init__(self, access: Access, operations: list[str], requests: list[tuple[str, dict[str, Any]]]) -> None:
        super().__init__(access)
        self._operations = operations
        self._requests = requests

    def call(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        """As DynamoDB's."""
        self._operations.append(operation)
        self._requests.append((operation, request))
        return super().call(operation, request)


@contextmanager
def created_tables(ministack: MiniStack) -> Iterator[Tables]:
    """Tables of one's own."""
    suffix = uuid.uuid4().hex[:8]
    documents, commands, events = (f"api-{kind}-{suffix}" for kind in ("documents", "commands", "events"))
    tables = Tables(ministack.client("dynamodb"), documents, commands, events)
    _create(tables)
    _create_events(tables)
    yield tables
    tables.client.delete_table(TableName=tables.documents)
    tables.client.delete_table(TableName=tables.commands)
    tables.client.delete_table(TableName=tables.events)


def _create(tables: Tables) -> None:
    slots = range(4)
    names = ["pk", "sk", *(f"_i{slot}{part}" for slot in slots for part in "ps")]
    tables.client.create_table(
        TableName=tables.documents,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in names],
        KeySchema=_key_schema("pk", "sk"),
        GlobalSecondaryIndexes=[
            {
                "IndexName": f"idx{slot}",
                "KeySchema": _key_schema(f"_i{slot}p", f"_i{slot}s"),
                "Projection": {"ProjectionType": "ALL"},
            }
            for slot in slots
        ],
    )
    tables.client.create_table(
        TableName=tables.commands,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=_key_schema("pk"),
    )


def _create_events(tables: Tables) -> None:
    tables.client.create_table(
        TableName=tables.events,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
        KeySchema=_key_schema("pk", "sk"),
    )


def _key_schema(*names: str) -> list[dict[str, str]]:
    return [{"AttributeName": n, "KeyType": t} for n, t in zip(names, ("HASH", "RANGE"), strict=False)]
