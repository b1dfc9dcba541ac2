"""The results file and what is computed for it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench import results
from bench.__main__ import BENCHMARKS
from bench.machine import machine
from bench.measured import Metric, quantile, ratios, significant

KEYS = [
    "nested_changes_per_cpu_second",
    "flat_ratio_to_naive",
    "flat_ratio_to_conditional_put",
    "flat_ratio_to_parse_only",
    "replay_speedup",
    "replay_writes",
    "commit_to_document_p50_seconds",
    "commit_to_document_p99_seconds",
    "query_own_code_p99_ms",
    "query_import_ms",
]


def test_a_metric_has_a_median_and_a_spread() -> None:
    metric = Metric("us", (3.0, 1.0, 2.0))
    assert (metric.median, metric.low, metric.high) == (2.0, 1.0, 3.0)
    assert metric.to_json()["values"] == [3, 1, 2]


def test_ratios_are_made_run_by_run() -> None:
    assert ratios("times", [10, 30], [5, 10]).values == (2, 3)


@pytest.mark.parametrize(("value", "shown"), [(123456, 123500), (0.0123456, 0.01235), (0, 0), (5.0, 5)])
def test_figures_have_four_digits(value: float, shown: float) -> None:
    assert significant(value) == shown


def test_quantiles_are_values_that_were_measured() -> None:
    values = [float(at) for at in range(100)][::-1]
    assert quantile(values, 0.5) == 50
    assert quantile(values, 0.99) == 99
    assert quantile([7.0], 0.99) == 7


def test_the_summary_has_its_keys_and_null_for_what_was_not_measured() -> None:
    found = results.summary({"nested": {"changes_per_cpu_second": Metric("1/s", (10.0, 30.0, 20.0))}})
    assert list(found) == KEYS
    assert found["nested_changes_per_cpu_second"] == 20
    assert found["replay_writes"] is None
    assert list(results.DIRECTIONS) == KEYS


def test_a_file_of_results_is_read_as_it_was_written(tmp_path: Path) -> None:
    found = results.results({"flat": {"a": Metric("us", (1.5,))}}, {"flat": "About."}, machine(), 1, "quick", 2.0)
    results.write(tmp_path / "r" / "latest.json", found)
    assert results.read(tmp_path / "r" / "latest.json") == json.loads(json.dumps(found))
    assert found["machine"]["cores"] >= 1
    assert results.tables(found)[0][2] == [("a", "1.5", "1.5", "1.5", "us")]


def test_every_figure_of_the_summary_comes_from_a_benchmark() -> None:
    assert {benchmark for benchmark, _ in results.SUMMARY.values()} <= set(BENCHMARKS)
    assert all(benchmark.__doc__ for benchmark in BENCHMARKS.values())
