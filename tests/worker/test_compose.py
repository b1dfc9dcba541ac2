"""From settings to a pipeline that works."""

from __future__ import annotations

import io
import json
import threading
import uuid
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from contract.regions import Primary, primary_write
from local.ministack import MiniStack
from tests.worker.conftest import Tables
from tests.worker.dms_records import change, record
from worker.compose import build_pipeline
from worker.errors import FatalError, SettingsError
from worker.log import Log
from worker.metrics import RETRIES
from worker.settings import Settings, parse
from worker.store.fenced import FencedClient

MAPPING = "aggregate: order\nsource: shop.orders\nkey: order_id\nfields: [order_id]\n"


@pytest.fixture
def settings(tables: Tables, ministack: MiniStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A worker's settings for the tables and for a mapping of one table."""
    for name, value in ministack.environment().items():
        monkeypatch.setenv(name, value)  # the credentials, which the SDK reads itself
    (tmp_path / "order.yaml").write_text(MAPPING)
    return parse(
        {
            "AWS_REGION": "eu-west-1",
            "AWS_ENDPOINT_URL": ministack.url,
            "NEARVIEW_APPLICATION": "test",
            "NEARVIEW_STREAM": "test",
            "NEARVIEW_MAPPINGS": str(tmp_path),
            "NEARVIEW_BEFORE_IMAGE_FIELD": "BI",
            **tables.environment(),
        }
    )


def test_the_pipeline_writes_to_the_tables_of_the_settings(settings: Settings, tables: Tables) -> None:
    log = io.StringIO()
    pipeline = build_pipeline(settings, "shardId-000000000007", Log("info", log))
    update = change("update", "shop.orders", {"order_id": 2})

    pipeline.process(
        [record(change("insert", "shop.orders", {"order_id": 1})), record({**update, "BI": {}}), record(b"x")]
    )

    assert tables.document("order", "1")
    assert tables.document("order", "2"), "the before image has the name that the settings give"
    assert len([item for item in tables.items(tables.parked) if "reason" in item]) == 1
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    assert [(line["event"], line["shard"]) for line in lines] == [
        ("mappings_loaded", "shardId-000000000007"),
        ("record_parked", "shardId-000000000000"),
    ]


def test_with_peers_the_pipeline_asks_them_and_writes_through_the_fence(
    settings: Settings, tables: Tables, ministack: MiniStack
) -> None:
    """Without the thread that asks it would hold for ever; past the fence an old primary would write."""
    name = f"regions-{uuid.uuid4().hex}"
    for region in (settings.region, "us-east-1"):
        client = ministack.client("dynamodb", region)
        client.create_table(
            TableName=name,
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        client.update_item(**primary_write(name, Primary(settings.region, 1, ""), now=1))
    fenced = replace(settings, regions_table=name, peer_regions="us-east-1")
    pipeline = build_pipeline(fenced, "shardId-000000000007", Log("info", io.StringIO()))

    pipeline.process([record(change("insert", "shop.orders", {"order_id": 1}))])

    assert tables.document("order", "1")
    assert isinstance(pipeline._store._client, FencedClient)


class Throttling(BaseHTTPRequestHandler):
    """A table that is throttled for some requests, then gone."""

    answers: ClassVar[list[str]] = []

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        code = self.answers.pop(0) if self.answers else "ResourceNotFoundException"
        body = json.dumps({"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": ""}).encode()
        self.send_response(400)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@pytest.mark.parametrize("place", ["documents", "parked"])
def test_what_is_tried_again_is_counted_before_the_batch_is_done(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """A batch that waits for a throttled table may wait for an hour: nobody would see why."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Throttling)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    pipeline = build_pipeline(
        replace(settings, endpoint_url=f"http://127.0.0.1:{server.server_port}"), "shard", Log("error", io.StringIO())
    )
    before = RETRIES._value.get()
    monkeypatch.setattr(Throttling, "answers", ["ThrottlingException"] * 5)
    poison = record(b"x") if place == "parked" else record(change("insert", "shop.orders", {"order_id": 1}))
    try:
        with pytest.raises(FatalError):
            pipeline.process([poison])
    finally:
        server.shutdown()
        server.server_close()
    assert RETRIES._value.get() > before


def test_all_problems_of_the_mappings_stop_it(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "order.yaml").write_text("aggregate: order\nsource: orders\nkey: id\nfields: [a, a]\n")

    with pytest.raises(SettingsError) as caught:
        build_pipeline(settings, "shard", Log("error", io.StringIO()))

    assert isinstance(caught.value, FatalError)
    assert len(caught.value.problems) == 2
    assert all(problem.startswith(f"{tmp_path}/order.yaml:") for problem in caught.value.problems)
