"""The main job, shown: load, live changes, a command, kills, quiescence, proof. Returns what was measured."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from local.kills import all_new, kill_child, kill_worker
from local.probe import Probe, Samples, quantile
from local.processes import ProcessError, wait_until
from local.progress import is_quiet, metrics, sent, source_position, stored_items
from local.running import Options, Running, StackError
from local.stack import Stack
from local.summary import Summary, millis

LOAD_SECONDS: Final = 240
RECOVERY_SECONDS: Final = 90
WORKLOAD_RATE: Final = 6
RECORDS: Final = "nearview_records_total"
CALM_SECONDS: Final = 10
MEASURE_AFTER_SECONDS: Final = 2

Say = Callable[[str], None]


def run_demo(stack: Stack, options: Options, say: Say) -> Summary:
    """The whole show on a fresh stack, which is left running. Raises StackError."""
    summary = Summary()
    with _timed(summary, "start"):
        running = stack.up(options)
    with _timed(summary, "load"):
        _load(stack, running, summary, say)
    probe = Probe(running)
    probe.start()
    workload = _start_workload(running)
    try:
        with _timed(summary, "live changes, command, kills"):
            _live(stack, running, summary, probe.samples, say)
            summary.workload = _end_workload(workload)
    finally:
        probe.end()
        if workload.poll() is None:
            workload.kill()
            workload.wait()
    say(f"workload done: {_did(summary.workload)}")
    with _timed(summary, "quiescence"):
        _wait_quiet(stack, running, RECOVERY_SECONDS * 2)
    summary.changes_streamed = sent(stack.folder).changes
    summary.folded += int(metrics(running).get("nearview_changes_folded_total", 0))
    with _timed(summary, "verify"):
        _verify(running, summary, say)
    return summary


def _load(stack: Stack, running: Running, summary: Summary, say: Say) -> None:
    """Wait until the full load is in documents, saying how far it is."""
    deadline = time.monotonic() + LOAD_SECONDS
    shown = 0.0
    while not is_quiet(stack, running, 0):
        if time.monotonic() > deadline:
            raise StackError(f"the full load is not done after {LOAD_SECONDS} s; see `nearview local logs worker`")
        if time.monotonic() - shown > 5:
            shown = time.monotonic()
            rows, documents = stored_items(running)
            say(
                f"  loading: {sent(stack.folder).rows_loaded:,} rows sent; stored: {rows:,} rows and edges,"
                f" {documents:,} documents"
            )
        time.sleep(0.2)
    summary.rows_loaded = sent(stack.folder).rows_loaded
    say(f"loaded {summary.rows_loaded:,} rows into documents")


def _live(stack: Stack, running: Running, summary: Summary, samples: Samples, say: Say) -> None:
    say(
        f"workload of {WORKLOAD_RATE} transactions a second runs against the source: orders placed, changed, cancelled,"
    )
    say("  lines moved, rows deleted, categories linked and unlinked, products renamed, primary keys changed")
    started = time.monotonic()
    time.sleep(CALM_SECONDS / 2)
    _command(running, summary, say)
    time.sleep(max(0.0, started + CALM_SECONDS - time.monotonic()))
    calm = samples.latencies(started + MEASURE_AFTER_SECONDS, time.monotonic() - 1)
    summary.latency_samples = len(calm)
    summary.latency_p50_seconds = quantile(calm, 0.50)
    summary.latency_p99_seconds = quantile(calm, 0.99)
    p50, p99 = millis(summary.latency_p50_seconds), millis(summary.latency_p99_seconds)
    say(f"commit to readable document: p50 {p50}, p99 {p99}")
    summary.folded += int(metrics(running).get("nearview_changes_folded_total", 0))

    killed = kill_child(stack)
    wait_until(lambda: all_new(stack, killed), RECOVERY_SECONDS, "new children after a child's death")
    summary.child_killed_seconds = _next_record(running, killed.at)
    say(f"one child killed with SIGKILL: next records durable after {summary.child_killed_seconds:.1f} s")

    dead = kill_worker(stack)
    stack.start_worker(running)
    summary.worker_killed_seconds = _next_record(running, dead)
    say(f"whole worker killed with SIGKILL: next records durable after {summary.worker_killed_seconds:.1f} s")


def _next_record(running: Running, killed: float) -> float:
    """Seconds from a kill to the first batch that the restarted worker has made durable."""
    done = metrics(running).get(RECORDS, 0)
    wait_until(lambda: metrics(running).get(RECORDS, 0) > done, RECOVERY_SECONDS, "records projected after a kill")
    return time.monotonic() - killed


def _command(running: Running, summary: Summary, say: Say) -> None:
    """A command through the API, and a GET until its effect shows."""
    api = running.api_direct_url or ""
    body = {"customer_id": 1, "lines": [{"sku": _any_sku(running), "quantity": 2}]}
    started = time.monotonic()
    placed = _request(f"{api}/commands/place-order", body)
    order = f"{api}/orders/{placed['order_id']}"
    found = wait_until(lambda: _get(order), RECOVERY_SECONDS, "the placed order in the API")
    summary.command_seconds = time.monotonic() - started
    say(
        f"POST /commands/place-order, then GET /orders/{placed['order_id']}: {len(found['lines'])} line of"
        f" {found['customer']['customer_id']}'s order readable after {millis(summary.command_seconds)}"
    )


def _any_sku(running: Running) -> str:
    answer = running.ministack.client("dynamodb").query(
        TableName=running.storage.documents_table,
        IndexName="idx1",
        KeyConditionExpression="#p = :p",
        ExpressionAttributeNames={"#p": "_i1p"},
        ExpressionAttributeValues={":p": {"S": "product#by_title#true"}},
        Limit=1,
    )
    sku: str = answer["Items"][0]["sku"]["S"]
    return sku


def _request(url: str, body: dict[str, Any]) -> dict[str, Any]:
    headers = {"Content-Type": "application/json", "Idempotency-Key": str(uuid.uuid4())}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)  # noqa: S310  our own address
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:  # noqa: S310  our own address
            return dict(json.load(reply))
    except urllib.error.HTTPError as error:
        raise StackError(f"POST {url}: {error.code}: {error.read().decode(errors='replace')[:300]}") from None


def _get(url: str) -> dict[str, Any] | None:
    try:
        with urllib.request.urlopen(url, timeout=10) as reply:  # noqa: S310  our own address
            return dict(json.load(reply))
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return None
        raise StackError(f"GET {url}: {error.code}") from None


def _start_workload(running: Running) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "local.monolith", "workload", "--database-url", running.source_url]
    return subprocess.Popen([*command, "--rate", str(WORKLOAD_RATE), "--seed", "7"], stdout=subprocess.PIPE)


def _end_workload(workload: subprocess.Popen[bytes]) -> dict[str, Any]:
    workload.terminate()
    output, _ = workload.communicate(timeout=30)
    try:
        return dict(json.loads(output))
    except ValueError:
        raise StackError(f"the workload ended with exit code {workload.returncode} and no counts") from None


def _did(workload: dict[str, Any]) -> str:
    counts = {name: value for name, value in workload.items() if isinstance(value, int)}
    for value in workload.values():
        if isinstance(value, dict):
            counts.update({name: count for name, count in value.items() if isinstance(count, int)})
    return ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items()))


def _wait_quiet(stack: Stack, running: Running, timeout_seconds: float) -> None:
    position = source_position(running.source_url)
    try:
        wait_until(lambda: is_quiet(stack, running, position), timeout_seconds, "everything committed is in documents")
    except ProcessError as error:
        raise StackError(f"{error}; see `nearview local logs worker`") from None


def _verify(running: Running, summary: Summary, say: Say) -> None:
    command, environment = running.verify_command("--json")
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    if done.returncode not in (0, 1):
        raise StackError(done.stderr.decode(errors="replace").strip() or "verify failed")
    report = json.loads(done.stdout)
    summary.documents, summary.differences = report["verified"], report["differences"]
    for finding in report.get("first", ()):
        say(f"  {json.dumps(finding)}")


@contextmanager
def _timed(summary: Summary, phase: str) -> Iterator[None]:
    started = time.monotonic()
    try:
        yield
    finally:
        summary.seconds[phase] = round(time.monotonic() - started, 1)
