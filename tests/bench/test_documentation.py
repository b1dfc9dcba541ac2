"""docs/performance.md shows what bench/results/latest.json says; the drawings are those of the same file."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest

from bench import documentation, figures, results
from bench.figures import Panel, Series

KEYS = list(results.SUMMARY)


def test_the_page_shows_the_stored_results() -> None:
    page = documentation.PAGE.read_text("utf-8")
    assert documentation.with_part(page, documentation.page_part(results.read())) == page, "run `make bench` or figures"


def test_the_drawings_are_those_of_the_stored_results() -> None:
    for name, text in documentation.drawings(results.read()).items():
        assert (documentation.IMAGES / name).read_text("utf-8") == text


def test_the_stored_results_are_whole() -> None:
    found = results.read()
    assert found["schema"] == results.SCHEMA
    assert list(found["summary"]) == KEYS
    assert all(value is not None for value in found["summary"].values())
    assert found["runs"] >= 5
    assert found["machine"]["processor"]


def test_what_is_asked_of_each_figure_is_told() -> None:
    assert list(documentation.ASKED) == KEYS


@pytest.mark.parametrize(("value", "met"), [(12_000.0, "yes"), (9_999.0, "no"), (None, "no")])
def test_the_page_says_whether_a_figure_is_what_was_wanted(value: float | None, met: str) -> None:
    summary: dict[str, float | None] = dict.fromkeys(KEYS)
    summary["nested_changes_per_cpu_second"] = value
    found = {
        "made_at": "2026-01-01T00:00:00+00:00",
        "runs": 5,
        "sizes": "usual",
        "seconds": 60,
        "machine": {
            "processor": "p",
            "cores": 2,
            "memory_gigabytes": 4.0,
            "system": "Linux",
            "python": "3.11",
            "packages": {},
            "load_average": [0.1],
        },
        "summary": summary,
        "benchmarks": {},
    }
    (row,) = [line for line in documentation.page_part(found).splitlines() if "nested new-order" in line]
    assert row.endswith(f"| at least 10,000 | {met} |")


def test_a_page_without_marks_is_an_error() -> None:
    with pytest.raises(ValueError, match="marks"):
        documentation.with_part("# Page\n", "x")


def test_drawings_are_well_formed_and_escaped() -> None:
    series = Series("a < b", ((1, 90, 100, 110), (1000, 900, 1000, 1100)))
    panel = Panel("Growth & more", "lines", "µs", (series, series), True)
    bars = figures.bars("Cost", [("ours", 1, 2, 3), ("theirs <x>", 10, 20, 30)], "µs")
    for text in (figures.panels([panel, panel, panel]), bars):
        root = ElementTree.fromstring(text)  # noqa: S314  our own text
        assert root.tag.endswith("svg")
        assert "NaN" not in text


def test_a_single_value_can_be_drawn() -> None:
    ElementTree.fromstring(figures.panels([Panel("t", "x", "y", (Series("", ((10, 5, 5, 5),)),))]))  # noqa: S314
