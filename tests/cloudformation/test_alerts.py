"""The alert rules for Prometheus fire when they should, know the workers' metrics, and lead to a page."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from local.processes import REPOSITORY
from tests.exported import exported_series
from tests.tools import program

RULES: Final = REPOSITORY / "cloudformation" / "monitoring" / "alerts.yaml"
CASES: Final = Path(__file__).parent / "monitoring" / "alerts.test.yaml"
PAGES: Final = REPOSITORY / "docs" / "operations"

Rule = dict[str, Any]


def rules() -> dict[str, Rule]:
    groups = yaml.safe_load(RULES.read_text("utf-8"))["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def promtool(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [program("promtool", "prometheus", "PROMTOOL"), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def run_cases(folder: Path, change: Callable[[Rule], None] = lambda _: None) -> subprocess.CompletedProcess[str]:
    """`promtool test rules`, with every rule changed before."""
    document = yaml.safe_load(RULES.read_text("utf-8"))
    for group in document["groups"]:
        for rule in group["rules"]:
            change(rule)
    (folder / "alerts.yaml").write_text(yaml.safe_dump(document))
    shutil.copy(CASES, folder)
    return promtool("test", "rules", CASES.name, folder=folder)


def failed(outcome: subprocess.CompletedProcess[str]) -> set[str]:
    """The alerts that did not do what was expected."""
    assert outcome.returncode == 1, outcome.stdout + outcome.stderr
    return set(re.findall(r"alertname: (\w+)", outcome.stdout + outcome.stderr))


def test_promtool_takes_the_rules() -> None:
    outcome = promtool("check", "rules", str(RULES), folder=RULES.parent)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    assert f"{len(rules())} rules found" in outcome.stdout


def test_every_alert_fires_when_it_should_and_is_silent_when_not(tmp_path: Path) -> None:
    outcome = run_cases(tmp_path)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


def test_an_alert_that_never_fires_is_caught(tmp_path: Path) -> None:
    assert failed(run_cases(tmp_path, lambda rule: rule.update(expr="vector(0) > 1"))) == set(rules())


def test_an_alert_that_always_fires_is_caught(tmp_path: Path) -> None:
    def always(rule: Rule) -> None:
        rule.update(expr="vector(1)")
        rule.pop("for", None)

    assert failed(run_cases(tmp_path, always)) == set(rules())


def test_an_alert_that_does_not_wait_is_caught(tmp_path: Path) -> None:
    waits = {name for name, rule in rules().items() if "for" in rule}

    assert failed(run_cases(tmp_path, lambda rule: rule.pop("for", None))) >= waits


def test_every_metric_of_the_rules_is_exported(tmp_path: Path) -> None:
    used = {name for rule in rules().values() for name in re.findall(r"\bnearview_\w+", rule["expr"])}

    assert used <= set(exported_series(tmp_path))


def test_every_series_of_the_cases_is_one_the_workers_send_with_these_labels(tmp_path: Path) -> None:
    exported = exported_series(tmp_path)
    series = [entry["series"] for case in yaml.safe_load(CASES.read_text())["tests"] for entry in case["input_series"]]

    for name, labels in (re.fullmatch(r"(\w+)\{(.*)\}", text).groups() for text in series):  # type: ignore[union-attr]
        assert set(re.findall(r"(\w+)=", labels)) - {"instance"} <= exported[name], name


@pytest.mark.parametrize("name", rules())
def test_every_alert_has_a_page_that_names_it(name: str) -> None:
    rule = rules()[name]
    page = REPOSITORY / rule["annotations"]["runbook_url"]

    assert rule["labels"]["severity"] in ("warning", "critical")
    assert page.parent == PAGES
    assert f"`{name}`" in page.read_text("utf-8")
    assert f"`{name}`" in (PAGES / "README.md").read_text("utf-8")
