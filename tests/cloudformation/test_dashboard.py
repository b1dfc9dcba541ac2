"""Grafana's dashboard shows every metric of the workers, with expressions that Prometheus takes."""

from __future__ import annotations

import json
import re
from itertools import combinations
from pathlib import Path
from typing import Any, Final

import yaml

from local.processes import REPOSITORY
from tests.cloudformation.test_alerts import promtool
from tests.exported import exported_series

FILE: Final = REPOSITORY / "cloudformation" / "monitoring" / "dashboard.json"
DASHBOARD: Final[dict[str, Any]] = json.loads(FILE.read_text("utf-8"))
PANELS: Final[list[dict[str, Any]]] = DASHBOARD["panels"]
EXPRESSIONS: Final = [target["expr"] for panel in PANELS for target in panel.get("targets", ())] + [
    entry["expr"] for entry in DASHBOARD["annotations"]["list"]
]
NOT_SHOWN: Final = {
    "nearview_complete_timestamp_seconds": "its age is shown",
    "nearview_newest_commit_timestamp_seconds": "its age is shown",
}
COLUMNS: Final = 24


def base(series: str) -> str:
    return re.sub(r"_(bucket|sum|count)$", "", series)


def test_every_metric_is_shown_or_left_out_for_a_reason(tmp_path: Path) -> None:
    exported = {base(name) for name in exported_series(tmp_path)}
    used = {base(name) for text in EXPRESSIONS for name in re.findall(r"\bnearview_\w+", text)}

    assert used | set(NOT_SHOWN) == exported
    assert used & set(NOT_SHOWN) == set()


def test_prometheus_takes_every_expression(tmp_path: Path) -> None:
    rules = [
        {"record": f"panel:{number}", "expr": text.replace("$__rate_interval", "5m")}
        for number, text in enumerate(EXPRESSIONS)
    ]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))

    outcome = promtool("check", "rules", "rules.yaml", folder=tmp_path)

    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


def test_panels_have_a_title_a_description_a_chosen_data_source_and_their_own_place() -> None:
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    for panel in PANELS:
        place = panel["gridPos"]
        assert panel["title"]
        assert place["x"] + place["w"] <= COLUMNS
        if panel["type"] != "row":
            assert panel["description"]
            assert {target["datasource"]["uid"] for target in panel["targets"]} == {"${datasource}"}
    for one, other in combinations((panel["gridPos"] for panel in PANELS), 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        assert beside or one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]


def test_pages_named_in_panels_exist() -> None:
    named = set(re.findall(r"docs/operations/[a-z-]+\.md", FILE.read_text("utf-8")))

    assert named
    assert {page for page in named if not (REPOSITORY / page).is_file()} == set()
