"""The results file: what was measured on what, and a summary with the figures that are asked for first."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from bench.measured import significant
from bench.session import Metrics

FOLDER: Final = Path(__file__).parent / "results"
LATEST: Final = FOLDER / "latest.json"
SCHEMA: Final = 1

# summary key -> benchmark, metric
SUMMARY: Final = {
    "nested_changes_per_cpu_second": ("nested", "changes_per_cpu_second"),
    "flat_ratio_to_naive": ("flat", "ratio_to_naive"),
    "flat_ratio_to_conditional_put": ("flat", "ratio_to_conditional_put"),
    "flat_ratio_to_parse_only": ("flat", "ratio_to_parse_only"),
    "replay_speedup": ("replay", "nested_speedup"),
    "replay_writes": ("replay", "writes"),
    "commit_to_document_p50_seconds": ("commit_to_document", "p50"),
    "commit_to_document_p99_seconds": ("commit_to_document", "p99"),
    "query_own_code_p99_ms": ("query", "own_code_10kb_p99"),
    "query_import_ms": ("query", "import"),
}

DIRECTIONS: Final = {
    "nested_changes_per_cpu_second": "higher is better",
    "flat_ratio_to_naive": "naive's CPU per record / ours; higher is better",
    "flat_ratio_to_conditional_put": "conditional_put's CPU per record / ours; higher is better",
    "flat_ratio_to_parse_only": "our CPU per record / parse_only's; lower is better, 1 is the limit",
    "replay_speedup": "CPU per change of the first processing / of the replay, nested; higher is better",
    "replay_writes": "writes sent to the table in all replays, refused ones included; 0 is wanted",
    "commit_to_document_p50_seconds": "lower is better",
    "commit_to_document_p99_seconds": "lower is better",
    "query_own_code_p99_ms": "lower is better",
    "query_import_ms": "lower is better",
}

CAVEATS: Final = (
    "Processor time is that of the measured process alone, user and system; the table server's is not counted.",
    "The table server is a stand-in on the same machine without TLS and without any delay: wall times are not AWS's.",
    "No real AWS account was measured. commit_to_document runs against MiniStack, which is its limit.",
    "Capacity units follow DynamoDB's rules for single writes; how BatchExecuteStatement is billed is not documented.",
    "Other load on the machine changes absolute times; compared programs alternate, so trust ratios before absolutes.",
)


def results(
    benchmarks: Mapping[str, Metrics],
    about: Mapping[str, str],
    machine: dict[str, Any],
    runs: int,
    sizes: str,
    seconds: float,
) -> dict[str, Any]:
    """The whole file. What was left out of this session has no entry, and none in the summary (null)."""
    return {
        "schema": SCHEMA,
        "made_at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "runs": runs,
        "sizes": sizes,
        "seconds": round(seconds),
        "machine": machine,
        "caveats": list(CAVEATS),
        "summary": summary(benchmarks),
        "directions": DIRECTIONS,
        "benchmarks": {
            name: {
                "about": about[name],
                "metrics": {metric: value.to_json() for metric, value in metrics.items()},
            }
            for name, metrics in benchmarks.items()
        },
    }


def summary(benchmarks: Mapping[str, Metrics]) -> dict[str, float | None]:
    """The median of each figure; None for what was not measured."""
    found: dict[str, float | None] = {}
    for key, (benchmark, metric) in SUMMARY.items():
        value = benchmarks.get(benchmark, {}).get(metric)
        found[key] = significant(value.median) if value is not None else None
    return found


def write(path: Path, found: Mapping[str, Any]) -> None:
    """Store results."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read(path: Path = LATEST) -> dict[str, Any]:
    """Stored results."""
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return found


Rows = list[tuple[str, ...]]


def tables(found: Mapping[str, Any]) -> list[tuple[str, tuple[str, ...], Rows]]:
    """Title, columns and rows of what a reader wants to see: the summary, then every benchmark."""
    columns = ("metric", "median", "lowest", "highest", "unit")
    shown: list[tuple[str, tuple[str, ...], Rows]] = []
    for name, benchmark in found["benchmarks"].items():
        rows: Rows = [
            (metric, figure(one["median"]), figure(one["low"]), figure(one["high"]), one["unit"])
            for metric, one in benchmark["metrics"].items()
        ]
        shown.append((f"{name}: {benchmark['about'].splitlines()[0]}", columns, rows))
    summed: Rows = [
        (key, "not measured" if value is None else figure(value), found["directions"][key])
        for key, value in found["summary"].items()
    ]
    return [*shown, ("summary", ("figure", "median", "direction"), summed)]


def figure(value: float) -> str:
    """A number as tables show it."""
    if value == 0:
        return "0"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
