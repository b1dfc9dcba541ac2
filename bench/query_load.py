"""The query function at the machine's limit: a process for every core, each asked without a pause.

Beside it, in turn, the plain handler of boto3 and Powertools with the same events, documents and table server. An
answer that is not 200, or not the one of the beginning, fails the benchmark. Own code is the processor time of the
function's process for one answer; the whole time has waiting for the table and for a core in it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.measured import Metric, quantile, ratios
from bench.query import TABLE, Function, compiled_mapping, environment, functions, order, unpack
from bench.table_server import ROOT, Server, table_server

SECONDS: Final = 5.0
DOCUMENTS: Final = 60
"""Of 10 kilobytes, all of one customer."""

LISTED: Final = 20
QUERIES: Final = {
    "document": ["/orders/7"],
    "list": [f"/orders?customer_id=1042&limit={LISTED}&order=desc"],
    "mixed": ["/orders/7", "/orders/8", "/orders/9", f"/orders?customer_id=1042&limit={LISTED}&order=desc"],
    "keys": ["/orders?" + "&".join(f"key={number}" for number in range(1, 1 + LISTED))],
    "gzip": ["/orders/7"],
}
ONLY_OURS: Final = ("keys", "gzip")
"""What the plain handler does not have."""


@dataclass(frozen=True, slots=True)
class Load:
    """One function under one kind of questions, a value for every run."""

    answers_per_second: tuple[float, ...]
    own_p50_ms: tuple[float, ...]
    own_p99_ms: tuple[float, ...]
    whole_p50_ms: tuple[float, ...]
    whole_p99_ms: tuple[float, ...]

    def metrics(self, name: str) -> dict[str, Metric]:
        """By name."""
        return {
            f"{name}_answers_per_second": Metric("answers a second", self.answers_per_second),
            f"{name}_own_code_p50": Metric("ms", self.own_p50_ms),
            f"{name}_own_code_p99": Metric("ms", self.own_p99_ms),
            f"{name}_whole_p50": Metric("ms", self.whole_p50_ms),
            f"{name}_whole_p99": Metric("ms", self.whole_p99_ms),
        }


def measure(runs: int, seconds: float = SECONDS) -> dict[str, Metric]:
    """`runs` rounds; in each, every function and kind of questions in turn."""
    taken: dict[str, list[list[dict[str, Any]]]] = {}
    with table_server() as server, tempfile.TemporaryDirectory() as folder:
        mapping = compiled_mapping()
        zip_bytes = unpack(mapping, Path(folder))
        compared = functions(Path(folder))
        server.create_table(TABLE, indexes=4)
        for number in range(1, DOCUMENTS + 1):
            item = order(mapping, 10, number)
            server.call("PutItem", {"TableName": TABLE, "Item": item})
        for _ in range(runs):
            for kind, urls in QUERIES.items():
                for name, function in compared.items():
                    if name == "query" or kind not in ONLY_OURS:
                        label = kind if name == "query" else f"plain_{kind}"
                        events = [_event(url, gzip=kind == "gzip") for url in urls]
                        taken.setdefault(label, []).append(together(server, function, events, seconds))
    loads = {label: _load(found) for label, found in taken.items()}
    metrics = {name: metric for label, load in loads.items() for name, metric in load.metrics(label).items()}
    for kind in QUERIES:
        if kind not in ONLY_OURS:
            mine, plain = loads[kind], loads[f"plain_{kind}"]
            rates = ratios("times as many as plain", mine.answers_per_second, plain.answers_per_second)
            metrics[f"{kind}_answers_ratio"] = rates
    metrics["zip"] = Metric("bytes of both functions' zip file", (zip_bytes,))
    return metrics


def together(server: Server, function: Function, events: list[dict[str, Any]], seconds: float) -> list[dict[str, Any]]:
    """What a process for every core found, all asked at the same time. Raises ChildProcessError."""
    flags = ["-I", "-S"] if function.compiled else ["-I", "-S", "-B"]
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "errors").open("w+") as errors:
        results = [Path(folder) / str(number) for number in range(os.cpu_count() or 1)]
        command = [sys.executable, *flags, str(ROOT / "bench" / "load_child.py")]
        command += [":".join(function.folders), function.module, str(seconds)]
        children = [
            subprocess.Popen(
                [*command, str(result)],
                env=environment(server),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
            for result in results
        ]
        for child in children:
            _say(child, json.dumps(events))
        if any(child.stdout is None or child.stdout.readline() != "ready\n" for child in children):
            raise ChildProcessError(f"{function.module}: {(Path(folder) / 'errors').read_text('utf-8')[-2000:]}")
        for child in children:
            _say(child, "go")
        for child in children:
            if child.communicate()[1] or child.returncode:
                raise ChildProcessError(f"{function.module} failed: {child.returncode}")
        found = [json.loads(result.read_text("utf-8")) for result in results]
    if any(set(one["statuses"]) != {"200"} or one["wrong"] for one in found):
        raise ChildProcessError(f"{function.module}: not every answer was right: {[one['statuses'] for one in found]}")
    return found


def _say(child: subprocess.Popen[str], line: str) -> None:
    if child.stdin is not None:
        child.stdin.write(line + "\n")
        child.stdin.flush()


def _event(url: str, *, gzip: bool) -> dict[str, Any]:
    path, _, query = url.partition("?")
    headers = {"accept": "*/*", "host": "api.example", "user-agent": "bench"}
    return {
        "version": "2.0",
        "routeKey": "GET /{collection}",
        "rawPath": path,
        "rawQueryString": query,
        "queryStringParameters": dict(pair.split("=") for pair in query.split("&")) if query else {},
        "headers": {**headers, "accept-encoding": "gzip"} if gzip else headers,
        "requestContext": {"http": {"method": "GET", "path": path}, "stage": "$default"},
        "isBase64Encoded": False,
    }


def _load(runs: list[list[dict[str, Any]]]) -> Load:
    def all_of(name: str, share: float) -> tuple[float, ...]:
        return tuple(quantile([value for one in run for value in one[name]], share) for run in runs)

    return Load(
        tuple(sum(len(one["own_ms"]) / one["seconds"] for one in run) for run in runs),
        all_of("own_ms", 0.5),
        all_of("own_ms", 0.99),
        all_of("whole_ms", 0.5),
        all_of("whole_ms", 0.99),
    )
