"""What the documents show of the results: the tables of docs/performance.md and its drawings, made from the file."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from bench import figures
from bench.figures import Panel, Series
from bench.results import figure, read
from bench.table_server import ROOT

PAGE: Final = ROOT / "docs" / "performance.md"
IMAGES: Final = ROOT / "docs" / "images"
BEGIN: Final = "<!-- made by `python -m bench figures`; do not edit -->"
END: Final = "<!-- end of what is made -->"

ASKED: Final = {
    "nested_changes_per_cpu_second": (">=", 10_000, "nested new-order, changes per CPU second of the worker's child"),
    "flat_ratio_to_naive": (">=", 7, "flat, guarded by versions: times less CPU than the naive `batch_writer` handler"),
    "flat_ratio_to_conditional_put": (">=", 40, "the same: times less CPU than a boto3 conditional put per record"),
    "flat_ratio_to_parse_only": ("<=", 5, "the same: times the CPU of only parsing the records"),
    "replay_speedup": (">=", 3, "replay of unchanged data, nested: times less CPU than the first processing"),
    "replay_writes": ("<=", 0, "the same, and flat: writes, refused ones included"),
    "commit_to_document_p50_seconds": ("<=", 0.5, "commit to document, local stack at 80 % of its limit, p50, seconds"),
    "commit_to_document_p99_seconds": ("<=", 1, "the same, p99, seconds"),
    "query_own_code_p99_ms": ("<=", 5, "query function, own code, warm, 10 KB document, p99, milliseconds"),
    "query_import_ms": ("<=", 150, "query function, import, milliseconds"),
}

_NUMBER = re.compile(r"\d+")


def page_part(found: Mapping[str, Any]) -> str:
    """The made part of docs/performance.md."""
    parts = [BEGIN, "", _machine(found), "", "### Summary", "", *_summary(found["summary"])]
    for name, benchmark in found["benchmarks"].items():
        parts += ["", f"### {name}", "", benchmark["about"].splitlines()[0], ""]
        parts += ["| metric | median | lowest | highest | unit |", "|---|---|---|---|---|"]
        parts += [
            f"| {metric.replace('_', ' ')} | {figure(one['median'])} | {figure(one['low'])} | {figure(one['high'])}"
            f" | {one['unit']} |"
            for metric, one in benchmark["metrics"].items()
        ]
    return "\n".join([*parts, "", END])


def _machine(found: Mapping[str, Any]) -> str:
    machine = found["machine"]
    packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
    return (
        f"Measured {found['made_at'][:10]}, medians of {found['runs']} runs of {found['sizes']} size, in"
        f" {found['seconds'] // 60} minutes:"
        f" {machine['processor']}, {machine['cores']} cores, {machine['memory_gigabytes']:.0f} GB, {machine['system']},"
        f" Python {machine['python']}, {packages}; load average at the start {machine['load_average'][0]}."
    )


def _summary(summary: Mapping[str, float | None]) -> list[str]:
    rows = ["| figure | measured | wanted | met |", "|---|---|---|---|"]
    for key, (sign, wanted, words) in ASKED.items():
        value = summary[key]
        shown = "not measured" if value is None else figure(value)
        met = value is not None and (value >= wanted if sign == ">=" else value <= wanted)
        limit = {">=": "at least", "<=": "at most"}[sign]
        rows.append(f"| {words} | {shown} | {limit} {figure(wanted)} | {'yes' if met else 'no'} |")
    return rows


def drawings(found: Mapping[str, Any]) -> dict[str, str]:
    """File name and text of every drawing that the results have figures for."""
    benchmarks = found["benchmarks"]
    made = {}
    if "flat" in benchmarks:
        made["flat.svg"] = _compared(benchmarks["flat"]["metrics"])
    charts = [chart for chart in _growth(benchmarks) if all(series.points for series in chart.series)]
    if charts:
        made["growth.svg"] = figures.panels(charts)
    return made


def _compared(metrics: Mapping[str, Any]) -> str:
    names = {
        "nearview (guarded)": "cpu_per_change",
        "boto3 batch_writer": "naive_cpu_per_change",
        "kclpy + boto3 client": "stock_kclpy_cpu_per_change",
        "boto3 conditional put": "conditional_put_cpu_per_change",
        "parse only": "parse_only_cpu_per_change",
    }
    values = [(name, *_spread(metrics[metric])) for name, metric in names.items()]
    return figures.bars("Processor time of one flat change", values, "µs")


def _growth(benchmarks: Mapping[str, Any]) -> list[Panel]:
    def points(benchmark: str, ending: str) -> tuple[tuple[float, float, float, float], ...]:
        metrics = benchmarks.get(benchmark, {"metrics": {}})["metrics"]
        return tuple(
            (float(match[0]), *_spread(one))
            for name, one in metrics.items()
            if name.endswith(ending) and (match := _NUMBER.match(name))
        )

    micros = "µs per change"
    return [
        Panel("Document size", "kilobytes", micros, (Series("", points("documents", "_cpu_per_change")),), True),
        Panel("Children", "lines of an order", micros, (Series("", points("children", "_cpu_per_change")),), True),
        Panel("Fan-out", "documents", "µs per document", (Series("", points("fan_out", "_cpu_per_document")),)),
        Panel("Shards", "children side by side", micros, (Series("", points("shards", "_cpu_per_change")),)),
    ]


def _spread(one: Mapping[str, Any]) -> tuple[float, float, float]:
    return one["low"], one["median"], one["high"]


def with_part(page: str, part: str) -> str:
    """The page with its made part exchanged. Raises ValueError if the marks are not there."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{PAGE}: the marks of the made part are missing")
    return before + part + after


def write(found: Mapping[str, Any] | None = None) -> Sequence[Path]:
    """Make the part and the drawings anew from the stored results; returns what was written."""
    found = found if found is not None else read()
    PAGE.write_text(with_part(PAGE.read_text("utf-8"), page_part(found)), encoding="utf-8")
    IMAGES.mkdir(exist_ok=True)
    written = [PAGE]
    for name, text in drawings(found).items():
        (IMAGES / name).write_text(text, encoding="utf-8")
        written.append(IMAGES / name)
    return written
