"""The rules as data: each is documented, and each is about a setting that DMS has."""

from __future__ import annotations

from pathlib import Path

import pytest

from worker.dms import known
from worker.dms.engines import RULES
from worker.dms.rules import TARGET, Rule
from worker.dms.task_rules import TASK

DOCUMENT = (Path(__file__).parents[3] / "docs" / "dms.md").read_text("utf-8")
EVERY = [*TARGET, *TASK, *(rule for rules in RULES.values() for rule in rules)]


@pytest.mark.parametrize("rule", EVERY, ids=lambda rule: f"{rule.name}-{rule.severity}")
def test_every_rule_is_documented(rule: Rule) -> None:
    assert f"| `{rule.name}` | {rule.severity.value} | {rule.message} |" in DOCUMENT


def test_rules_are_about_settings_that_dms_has() -> None:
    assert {rule.name for rule in TARGET} <= set(known.KINESIS)
    for rule in TASK:
        group, _, name = rule.name.partition(".")
        assert name in known.TASK[group]
    for engine, rules in RULES.items():
        assert {rule.name for rule in rules} <= set(known.SOURCES[engine])


def test_no_documented_rule_is_gone() -> None:
    named = {line.split("`")[1] for line in DOCUMENT.splitlines() if line.startswith("| `") and line.count("|") == 5}
    names = {rule.name for rule in EVERY}
    elsewhere = {
        *("BeforeImageSettings.EnableBeforeImage", "BeforeImageSettings.FieldName", "MigrationType"),
        *("filters", "partition-key-type", "target-table-name", "change-data-type", "data-masking-...", "rename"),
        *("define-primary-key", "remove-column", "add-before-image-columns", "$AR_H_CHANGE_SEQ", "lob-settings"),
    }
    assert named == names | elsewhere
