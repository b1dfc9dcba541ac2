"""A value planted in every column, keys included, is in no log line, metric, error, health line or listing.

Whatever goes wrong with a record is made to go wrong: poison, misfits, drift, records over limits, tables that lack
something, stores whose errors quote what was sent to them. Then all that anybody can read is searched.
"""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner
from prometheus_client import generate_latest

from local.ministack import MiniStack
from tests.worker.conftest import Tables
from tests.worker.dms_records import change, record
from worker import log as logs
from worker import metrics
from worker.cli import main
from worker.errors import FatalError
from worker.log import LibraryHandler, Log, describe
from worker.mapping.loader import load_mappings
from worker.parked import report
from worker.parked.parking import Parking, parked_tables
from worker.patience import Patience
from worker.pipeline import Pipeline
from worker.projection.operations import TableName
from worker.projection.plan import make_plan
from worker.records.protect import Protection, TokenKey
from worker.records.source import Source
from worker.sealing import Sealer, SecretWrapper, read_secrets
from worker.settings import Settings, parse
from worker.source_notes import SourceNotes
from worker.store.dynamodb import DynamoStore
from worker.store.lean import LeanDynamoDB

CANARY = "canary-7F3A"
NUMBER = 739011827
SECRET = "0123456789abcdef0123456789abcdef"

MAPPING = """
aggregate: order
source: shop.orders
key: order_id
fields: [order_id, note, total: {type: decimal}, placed: {type: timestamp}, customer_id, email]
one:
  customer: {source: shop.customers, key: customer_id, join: customer_id, fields: [name]}
many:
  lines: {source: shop.lines, key: [order_id, line_no], join: order_id, order_by: line_no, fields: [line_no, sku]}
indexes:
  by_note: {partition: note, sort: placed}
"""
SENSITIVE = "tables: {shop.orders: {sensitive: {email: token, card: drop}}}\n"


def columns(key: Any = f"{CANARY}-key", **others: Any) -> dict[str, Any]:
    return {
        "order_id": key,
        "note": f"{CANARY}-note",
        "total": NUMBER,
        "placed": "2024-07-29 00:58:17",
        "customer_id": f"{CANARY}-customer",
        "email": f"{CANARY}-email",
        "card": f"{CANARY}-card",
        **others,
    }


def order(operation: str = "insert", position: int = 1, before: Any = None, **more: Any) -> dict[str, Any]:
    metadata = {name: more.pop(name) for name in list(more) if name in ("stream_position", "operation", "timestamp")}
    made = change(operation, "shop.orders", columns(**more), before, position, partition_key_value=f"{CANARY}-part")
    made["metadata"] |= {name.replace("_", "-"): value for name, value in metadata.items()}
    return made


def records() -> Iterator[dict[str, Any] | bytes]:
    """Everything that can be wrong with a record, good ones between."""
    yield order()
    yield change("insert", "shop.customers", {"customer_id": f"{CANARY}-customer", "name": f"{CANARY}-name"})
    yield change("insert", "shop.lines", {"order_id": f"{CANARY}-key", "line_no": NUMBER, "sku": f"{CANARY}-sku"})
    yield f"{CANARY} no JSON".encode()
    yield f'{{"data": "{CANARY}'.encode() + b"\xff"
    yield b"[" * 1_000_000 + CANARY.encode()
    yield json.dumps({f"{CANARY}-{number}": 1 for number in range(30_000)}).encode()
    yield json.dumps(order()).replace(str(NUMBER), f"{NUMBER}" * 2_000).encode()
    yield json.dumps(order()).replace(str(NUMBER), f"{NUMBER}e999999").encode()
    yield {"data": columns()}
    yield {"data": f"{CANARY}", "metadata": order()["metadata"]}
    yield order(operation="truncate")
    yield order(key=None)
    yield order(key={"a": CANARY})
    yield order(key=f"{CANARY}\ud800")
    yield json.dumps(order(key="@")).replace('"@"', f"{NUMBER}e+18").encode()
    yield order(timestamp=f"{CANARY}-time")
    yield order(note=f"{CANARY}" * 50_000)
    yield order("update", 2, {"order_id": f"{CANARY}-key"}, total=CANARY)
    yield order("update", 3, {}, placed=f"{CANARY}-placed")
    yield order("update", 4, {"order_id": f"{CANARY}-old"}, note=f"{CANARY}" * 30_000)
    yield order(key=f"{CANARY}-misfit", total=f"{CANARY}-total")
    yield order(fresh=f"{CANARY}-fresh", timestamp="2024-07-29T01:58:17.983670Z")
    yield order(total=[CANARY], timestamp="2024-07-29T01:58:18.983670Z")
    yield change("insert", "shop.forgotten", {"secret": f"{CANARY}-secret"})
    yield {"control": {"column": CANARY}, "metadata": {**order()["metadata"], "record-type": "control"}}
    yield order(stream_position=f"{CANARY}-position")
    yield order(position=9)


class Quoting:
    """A client whose first calls fail with all that was sent in the text of the error."""

    def __init__(self, client: Any, failures: int) -> None:
        self.client = client
        self.failures = failures

    def __getattr__(self, name: str) -> Any:
        return getattr(self.client, name)

    def _fail(self, what: Any) -> None:
        if self.failures:
            self.failures -= 1
            error = {"Code": "ThrottlingException", "Message": str(what)}
            raise ClientError({"Error": error}, "PutItem") if self.failures % 2 else ConnectionError(str(what))

    def send(self, operation: str, body: bytes) -> Any:
        self._fail(body)
        return self.client.send(operation, body)

    def put_item(self, **request: Any) -> Any:
        self._fail(request)
        return self.client.put_item(**request)


class Installation:
    """A worker's pipeline on tables of its own, and all that people see of it."""

    def __init__(self, tables: Tables, environment: dict[str, str], mappings: Path) -> None:
        self.tables = tables
        self.environment = environment
        self.log = io.StringIO()
        self.seen: list[str] = []
        mapping, problems = load_mappings(mappings)
        assert mapping is not None, problems
        log = Log("debug", self.log)
        names = {TableName.ROWS: tables.rows, TableName.DOCUMENTS: tables.documents}
        lean: Any = Quoting(LeanDynamoDB("eu-west-1", tables.endpoint_url), 12)
        secrets = read_secrets(SECRET) or []
        self.pipeline = Pipeline(
            make_plan(mapping),
            DynamoStore(lean, names, log, sleep=lambda _: None),
            Parking(
                Quoting(tables.client, 12),
                tables.parked,
                log,
                sleep=lambda _: None,
                sealer=Sealer(SecretWrapper(lambda: secrets)),
            ),
            SourceNotes(tables.client, tables.parked, Patience("the parking table", log, sleep=lambda _: None)),
            Source(protection=Protection(mapping.policies, TokenKey("k1", SECRET.encode()))),
            log,
        )
        self.bound = log

    def work(self) -> None:
        """One batch with everything, then the same again one by one, as after a restart."""
        everything = [record(payload) for payload in records()]
        for batch in ([one] for one in everything):
            metrics.observe_batch("shard", self.pipeline.process(batch), 0.1, 1e9)
        metrics.observe_batch("shard", self.pipeline.process(everything), 0.1, 1e9)

    def look(self) -> None:
        """Every command that shows something, without asking for payloads."""
        listed = json.loads(self.run("parked", "list", "--json"))
        self.run("parked", "list")
        self.run("parked", "list", "--all")
        for kind in ("records", "unknown_tables", "documents", "tables"):
            assert listed[kind], f"nothing was parked as one of {kind}"
            self.run("parked", "show", listed[kind][0]["id"])
            self.run("parked", "show", listed[kind][-1]["id"], "--json")
        self.run("parked", "export")
        self.run("parked", "discard", "--all")
        self.run("parked", "retry", "--dry-run")
        self.run("parked", "retry", "--json")
        self.run("parked", "release", "shop.orders")
        self.run("parked", "retry")
        self.run("drift")
        self.run("drift", "--json")
        settings: Settings = parse({**self.environment, "NEARVIEW_APPLICATION": "a", "NEARVIEW_STREAM": "s", "NO": ""})
        self.seen += parked_tables(settings)
        self.seen.append(generate_latest().decode())

    def fail(self) -> None:
        """Errors that nobody foresaw, as a child logs them."""
        for error in (KeyError(CANARY), ValueError(f"{CANARY} is no number"), FatalError("the rows table is gone")):
            try:
                raise error
            except Exception as caught:  # noqa: BLE001
                self.bound.error(logs.Event.CHILD_FAILED, **describe(caught))
        library = logging.LogRecord("botocore", logging.WARNING, "x.py", 1, "sent %s", (CANARY,), None)
        LibraryHandler(self.bound).emit(library)

    def run(self, *arguments: str) -> str:
        """What a command prints."""
        result = CliRunner().invoke(main, arguments, env=self.environment)
        assert result.exit_code in (0, 1), result.output
        self.seen += [result.stdout, result.stderr]
        return result.stdout

    def leaks(self) -> list[str]:
        """The lines in which a value is seen, and the items of the parking table."""
        text = "\n".join([self.log.getvalue(), *self.seen, *map(str, self.tables.items(self.tables.parked))])
        marks = (CANARY, str(NUMBER), CANARY.encode().hex())
        return [line[:300] for line in text.splitlines() if any(mark in line for mark in marks)]


@pytest.fixture
def installation(tables: Tables, ministack: MiniStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Installation:
    (tmp_path / "order.yaml").write_text(MAPPING)
    (tmp_path / "tables.yaml").write_text(SENSITIVE)
    environment = {**ministack.environment(), **tables.environment(), "NEARVIEW_MAPPINGS": str(tmp_path)}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    more = {"NEARVIEW_PARKED_KEY": SECRET, "NEARVIEW_TOKEN_KEY": SECRET, "NEARVIEW_TOKEN_KEY_ID": "k1"}
    return Installation(tables, {**environment, **more, "COLUMNS": "300"}, tmp_path)


def test_no_value_of_any_column_is_seen_anywhere(installation: Installation) -> None:
    installation.work()
    installation.fail()
    installation.look()

    assert installation.leaks() == []
    events = {json.loads(line)["event"] for line in installation.log.getvalue().splitlines()}
    assert {"record_parked", "table_parked", "document_parked", "drift_seen", "store_retried", "library"} <= events
    reasons = {json.loads(line).get("reason") for line in installation.log.getvalue().splitlines()}
    assert {
        *("not_json", "over_limit", "bad_envelope", "unknown_operation", "missing_key", "rounded_key", "bad_value"),
        *("row_too_large", "table_parked", "unknown_table"),
    } <= reasons
    assert CANARY in str(installation.tables.items(installation.tables.documents)), "it was planted"


def _told_by_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    original = report.document_fields
    monkeypatch.setattr(report, "document_fields", lambda document, key: original(document, key=True))


def _log_of_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "describe", lambda error: {"error": str(error)})


def _log_of_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    emit = lambda self, line: self._log.write("error", logs.Event.LIBRARY, {"message": line.getMessage()})  # noqa: E731
    monkeypatch.setattr(LibraryHandler, "emit", emit)


def _errors_of_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    def told(error: Exception, call: str) -> Any:
        from worker.errors import TransientError

        return TransientError(f"{call}: {error}")

    monkeypatch.setattr("worker.store.dynamodb.classify", told)


def _open_payloads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Sealer, "seal", lambda self, payload, place: (SecretWrapper, payload))
    from worker.parked import parking

    monkeypatch.setattr(
        parking, "with_payload", lambda head, seal, data: iter([{**head, "payload": {"B": data}, "parts": {"N": "0"}}])
    )


LEAKS: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "keys of documents in listings": _told_by_keys,
    "texts of unforeseen errors": _log_of_errors,
    "arguments of libraries' messages": _log_of_libraries,
    "texts of the store's errors": _errors_of_the_store,
    "payloads that are not sealed": _open_payloads,
}


@pytest.mark.parametrize("leak", LEAKS)
def test_a_planted_leak_is_found(installation: Installation, monkeypatch: pytest.MonkeyPatch, leak: str) -> None:
    LEAKS[leak](monkeypatch)

    chosen = [record(payload) for payload in (CANARY.encode(), order(key=f"{CANARY}-misfit", total=f"{CANARY}-total"))]
    installation.pipeline.process(chosen)
    installation.fail()
    installation.run("parked", "list", "--json")

    assert installation.leaks() != []
