"""The query function's own cost per answer and per start, beside a plain handler of boto3 and Powertools.

Both answer the same event with the same document from the same table server, in a fresh interpreter each. Counted is
all processor time of the function's process: routing, signing, sending, receiving, parsing, writing JSON, its log line.
Waiting for the table is not counted, and nothing is subtracted. nearview's function runs from its unpacked zip and is
compiled at every start, as in Lambda; what the plain handler imports is compiled already, in its favour.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from api_lambdas.package import COMMANDS_FILE, build
from bench.measured import Metric, quantile, ratios
from bench.table_server import ROOT, Server, table_server
from contract.keys import document_pk
from contract.mapping import Mapping
from contract.values import Item, item_bytes, to_item
from worker.mapping.loader import load_mappings

MAPPINGS: Final = ROOT / "bench" / "mappings" / "nested"
TABLE: Final = "query-documents"
KILOBYTES: Final = (1, 10, 100)
CALLS: Final = {1: 500, 10: 2_000, 100: 300}
PLAIN_CALLS: Final = {1: 300, 10: 500, 100: 60}
START_KILOBYTES: Final = 10
STARTS: Final = 5
"""Fresh processes per run of which only the start is measured."""


@dataclass(frozen=True, slots=True)
class Function:
    """A function to measure: where it and its imports lie, and whether Python may use compiled files."""

    module: str
    folders: tuple[str, ...]
    compiled: bool


@dataclass(frozen=True, slots=True)
class Answers:
    """One function, one document size: a value for every run; bytes of one answer's body."""

    p50_ms: tuple[float, ...]
    p99_ms: tuple[float, ...]
    answer_bytes: int


@dataclass(frozen=True, slots=True)
class Measured:
    """One function: its start (a value for every fresh process), and its answers by the document's kilobytes."""

    import_ms: tuple[float, ...]
    import_wall_ms: tuple[float, ...]
    cold_ms: tuple[float, ...]
    answers: dict[int, Answers]


@dataclass(frozen=True, slots=True)
class Document:
    """What one answer reads: the item as DynamoDB counts it, the reply on the wire, capacity units."""

    item_bytes: int
    reply_bytes: int
    read_units: float


@dataclass(frozen=True, slots=True)
class QueryResult:
    """The query function beside the plain handler; documents by their kilobytes."""

    query: Measured
    plain: Measured
    documents: dict[int, Document]

    def metrics(self) -> dict[str, Metric]:
        """By name, for tables and results."""
        found = {**_start("", self.query), **_start("plain_", self.plain)}
        found["import_ratio"] = ratios("times less than plain", self.plain.import_ms, self.query.import_ms)
        found["cold_ratio"] = ratios("times less than plain", self.plain.cold_ms, self.query.cold_ms)
        for size, document in self.documents.items():
            mine, plain = self.query.answers[size], self.plain.answers[size]
            found[f"own_code_{size}kb_p50"] = Metric("ms", mine.p50_ms)
            found[f"own_code_{size}kb_p99"] = Metric("ms", mine.p99_ms)
            found[f"plain_own_code_{size}kb_p50"] = Metric("ms", plain.p50_ms)
            found[f"plain_own_code_{size}kb_p99"] = Metric("ms", plain.p99_ms)
            found[f"own_code_{size}kb_ratio"] = ratios("times less than plain", plain.p50_ms, mine.p50_ms)
            found[f"item_{size}kb"] = Metric("bytes read", (document.item_bytes,))
            found[f"reply_{size}kb"] = Metric("bytes from DynamoDB", (document.reply_bytes,))
            found[f"answer_{size}kb"] = Metric("bytes answered", (mine.answer_bytes,))
            found[f"plain_answer_{size}kb"] = Metric("bytes answered", (plain.answer_bytes,))
            found[f"read_units_{size}kb"] = Metric("units per answer", (document.read_units,))
        return found


def _start(prefix: str, measured: Measured) -> dict[str, Metric]:
    return {
        f"{prefix}import": Metric("ms", measured.import_ms),
        f"{prefix}import_wall": Metric("ms", measured.import_wall_ms),
        f"{prefix}cold": Metric("ms", measured.cold_ms),
    }


def measure(runs: int) -> QueryResult:
    """`runs` fresh processes for every function and size, in turn, and more for their starts."""
    with table_server() as server, tempfile.TemporaryDirectory() as folder:
        mapping = compiled_mapping()
        unpack(mapping, Path(folder))
        compared = functions(Path(folder))
        starts: dict[str, list[dict[str, Any]]] = {name: [] for name in compared}
        answers: dict[tuple[str, int], list[dict[str, Any]]] = {}
        documents = {}
        server.create_table(TABLE)
        for size in KILOBYTES:
            documents[size] = store(server, mapping, size)
            for _ in range(runs):
                for name, function in compared.items():
                    calls = (CALLS if name == "query" else PLAIN_CALLS)[size]
                    answers.setdefault((name, size), []).append(run(server, function, size, calls))
        for _ in range(runs * STARTS):
            for name, function in compared.items():
                starts[name].append(run(server, function, START_KILOBYTES, 0))
    measured = {
        name: Measured(
            _values(starts[name], "import_ms"),
            _values(starts[name], "import_wall_ms"),
            _values(starts[name], "cold_ms"),
            {size: _answers(answers[name, size]) for size in KILOBYTES},
        )
        for name in compared
    }
    return QueryResult(measured["query"], measured["plain"], documents)


def _values(found: Sequence[dict[str, Any]], name: str) -> tuple[float, ...]:
    return tuple(one[name] for one in found)


def _answers(found: Sequence[dict[str, Any]]) -> Answers:
    return Answers(
        tuple(quantile(one["warm_ms"], 0.5) for one in found),
        tuple(quantile(one["warm_ms"], 0.99) for one in found),
        len(found[0]["body"].encode()),
    )


def compiled_mapping() -> Mapping:
    """The mapping whose documents are asked for."""
    mapping, problems = load_mappings(MAPPINGS)
    if mapping is None:
        raise ValueError("\n".join(str(problem) for problem in problems))
    return mapping


def unpack(mapping: Mapping, folder: Path) -> int:
    """The functions' zip file, as Lambda unpacks it. Returns its size."""
    packed = build(mapping.to_json(), COMMANDS_FILE.read_text("utf-8"), access_yaml="default: public")
    zipfile.ZipFile(io.BytesIO(packed)).extractall(folder)
    return len(packed)


def functions(unpacked: Path) -> dict[str, Function]:
    """The two that are compared."""
    return {
        "query": Function("api_lambdas.query", (str(unpacked),), compiled=False),
        "plain": Function("query_powertools", (str(ROOT / "bench" / "handlers"), *_site_packages()), compiled=True),
    }


def _site_packages() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    return tuple(dict.fromkeys((paths["purelib"], paths["platlib"])))


def environment(server: Server) -> dict[str, str]:
    """A function's settings."""
    return {
        "PATH": os.environ["PATH"],
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
        "AWS_ENDPOINT_URL": server.url,
        "DOCUMENTS_TABLE": TABLE,
        "CURSOR_SECRET": "c" * 32,
    }


def run(server: Server, function: Function, size: int, calls: int) -> dict[str, Any]:
    """What `bench.answers` found. Raises ChildProcessError with the end of its log."""
    event = {
        "version": "2.0",
        "routeKey": "GET /{collection}/{key}",
        "rawPath": f"/orders/{size}",
        "rawQueryString": "",
        "headers": {"accept": "*/*", "host": "api.example", "user-agent": "bench"},
        "requestContext": {"http": {"method": "GET", "path": f"/orders/{size}"}, "stage": "$default"},
        "isBase64Encoded": False,
    }
    flags = ["-I", "-S"] if function.compiled else ["-I", "-S", "-B"]
    with tempfile.NamedTemporaryFile("r", suffix=".json") as result:
        command = [sys.executable, *flags, str(ROOT / "bench" / "answers.py")]
        command += [":".join(function.folders), function.module, str(calls), result.name]
        run = subprocess.run(
            command,
            input=json.dumps(event),
            env=environment(server),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        if run.returncode:
            raise ChildProcessError(f"{function.module} failed: {run.stderr[-2000:]}")
        found: dict[str, Any] = json.load(result)
    return found


def store(server: Server, mapping: Mapping, size: int) -> Document:
    """Store an order of about so many kilobytes, as the worker does, and read it once."""
    item = order(mapping, size)
    server.call("PutItem", {"TableName": TABLE, "Item": item})
    key = {name: item[name] for name in ("pk", "sk")}
    reply = server.call("GetItem", {"TableName": TABLE, "Key": key})
    metered = server.call("GetItem", {"TableName": TABLE, "Key": key, "ReturnConsumedCapacity": "TOTAL"})
    reply_bytes = len(json.dumps(reply, separators=(",", ":"), ensure_ascii=False).encode())
    return Document(item_bytes(item), reply_bytes, metered["ConsumedCapacity"]["CapacityUnits"])


def order(mapping: Mapping, size: int, key: int | None = None) -> Item:
    """A new order with as many lines as make `size` kilobytes; its key is the size if none is given."""
    (aggregate,) = mapping.aggregates
    key = size if key is None else key
    lines: list[dict[str, Any]] = []
    body = {
        "order_id": key,
        "customer_id": 1042,
        "status": "placed",
        "placed_at": "2026-03-01T09:30:00.123456Z",
        "total": Decimal("1234.56"),
        "customer": {"customer_id": 1042, "name": "Customer Number 1042", "city": "Zürich", "credit": "GC"},
        "lines": lines,
    }
    system = {
        "pk": document_pk(aggregate.name, str(key)),
        "sk": "#",
        "_rev": 7,
        "_fp": "0123456789abcdef",
        "_gen": aggregate.generation,
        "_as_of": "2026-03-01T09:30:01.000006Z",
        **aggregate.index_attributes(str(key), body),
    }
    while item_bytes(item := to_item({**system, **body})) < size * 1000:
        number = len(lines) + 1
        product = {"sku": f"SKU-{number:06d}", "title": f"Product {number} of the catalogue", "price": Decimal("19.95")}
        lines.append(
            {"line_no": number, "quantity": number % 7 + 1, "amount": Decimal(number * 1995) / 100, "product": product}
        )
    return item
