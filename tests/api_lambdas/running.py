"""The API of the demo's mappings over HTTP, on tables of its own, with the wire to DynamoDB open to be read."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from api_lambdas import command, ingest, query
from api_lambdas.package import COMMANDS_FILE, compiled
from contract.keys import document_pk
from contract.mapping import Mapping
from contract.values import to_item
from local.ministack import MiniStack
from tests.api_lambdas.examples import DEMO, examples
from tests.api_lambdas.monolith_double import MonolithDouble
from tests.api_lambdas.serving import recorded, served
from tests.api_lambdas.support import PUBLIC, Tables, created_tables

MANY_DIGITS = Decimal("12345678901234567890.12345")


@dataclass(frozen=True, slots=True)
class Running:
    """An API, what it has asked DynamoDB, and its tables."""

    url: str
    passed: list[tuple[str, Any]]
    tables: Tables
    document: dict[str, Any]
    monolith: MonolithDouble
    mapping: Mapping

    @staticmethod
    def opened(url: str) -> Any:
        """What is at a URL of this machine, whatever proxies there are."""
        return urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=30)


@pytest.fixture(scope="module")
def running(ministack: MiniStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    mapping, documents = examples(DEMO)
    first = {a.collection: dict(documents[a.name][:1]) for a in mapping.aggregates}
    found = compiled(mapping.to_json(), COMMANDS_FILE.read_text("utf-8"), access_yaml=PUBLIC, examples=as_json(first))
    folder = tmp_path_factory.mktemp("declarations")
    for name, text in found.items():
        (folder / name).write_text(text, "utf-8")
    monolith = MonolithDouble()
    with (
        pytest.MonkeyPatch.context() as patch,
        created_tables(ministack) as tables,
        recorded(ministack.url) as (way, passed),
    ):
        for aggregate in mapping.aggregates:
            for key, body in documents[aggregate.name]:
                tables.put_document(aggregate, (key,), body)
        (order,) = (aggregate for aggregate in mapping.aggregates if aggregate.name == "order")
        tables.put_document(order, ("digits",), {"order_id": 1, "total": MANY_DIGITS})
        for table in mapping.tables:
            mark = {"pk": document_pk("~complete", table), "sk": "#", "commit_micros": 1_767_323_045_000_006}
            tables.client.put_item(TableName=tables.documents, Item=to_item(mark))
        settings = {
            **ministack.environment(),
            "AWS_ENDPOINT_URL": way,
            "DOCUMENTS_TABLE": tables.documents,
            "COMMANDS_TABLE": tables.commands,
            "EVENTS_TABLE": tables.events,
            "EVENT_BUS": "default",
            "MONOLITH_URL": monolith.url,
            "CURSOR_SECRET": "c" * 32,
            "LOG_LEVEL": "error",
            **{f"{Path(name).stem.upper()}_FILE": str(folder / name) for name in found},
        }
        for name, value in settings.items():
            patch.setenv(name, value)
        for module in (query, command, ingest):
            patch.setattr(module, "DynamoDB", tables.watched)
            module._composed.cache_clear()
        patch.setattr(ingest, "EventBus", tables.bus)
        with served(query.handler, command.handler, ingest.handler) as url:
            yield Running(url, passed, tables, json.loads(found["openapi.json"]), monolith, mapping)
        for module in (query, command, ingest):
            module._composed.cache_clear()
        tables.close()
    monolith.close()


def as_json(value: Any) -> Any:
    return json.loads(json.dumps(value, default=lambda number: float(number) if isinstance(number, Decimal) else str))
