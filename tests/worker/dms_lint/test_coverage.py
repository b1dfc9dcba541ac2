"""Whether the task sends what nearview's mappings use."""

from __future__ import annotations

from typing import Any

import pytest

from contract.mapping import Aggregate, Field, Kind, Mapping, Node
from tests.worker.dms_lint.samples import OBJECT_MAPPING, SELECTION, brief, described
from worker.dms.documents import settings_of
from worker.dms.findings import Finding, Severity
from worker.dms.lint import lint

E, W = Severity.ERROR, Severity.WARNING


def _mapping(table: str = "shop.orders") -> Mapping:
    root = Node("order", Kind.ROOT, table, ("order_id",), fields=(Field("total", "total"),))
    return Mapping((Aggregate("order", "orders", root),))


def _found(*rules: dict[str, Any], table: str = "shop.orders") -> list[Finding]:
    documents = described(rules=[SELECTION, OBJECT_MAPPING, *rules])
    return [f for f in lint(settings_of(documents), _mapping(table)) if f.severity is not Severity.INFO]


def _rule(target: str, action: str, column: str = "%", table: str = "orders", **rest: Any) -> dict[str, Any]:
    locator = {"schema-name": "shop", "table-name": table, "column-name": column}
    rule = {"rule-type": "transformation", "rule-id": f"{target}{action}", "rule-target": target, "rule-action": action}
    return rule | {"object-locator": locator} | {name.replace("_", "-"): value for name, value in rest.items()}


def test_a_task_that_sends_everything_has_no_finding() -> None:
    assert _found() == []
    assert _found(_rule("column", "remove-column", "notes"), _rule("column", "rename", "x", value="y")) == []


def test_a_table_that_no_rule_includes_is_named() -> None:
    [found] = _found(table="sales.orders")
    assert (found.severity, found.change) == (E, "include sales.orders")


def test_a_misspelt_table_is_pointed_out() -> None:
    rule = SELECTION | {"rule-id": "5", "object-locator": {"schema-name": "crm", "table-name": "customer"}}
    covered = OBJECT_MAPPING | {"rule-id": "6", "object-locator": rule["object-locator"]}
    [found] = _found(rule, covered, table="crm.customers")
    assert "did you mean crm.customer?" in found.message


def test_an_excluded_table_is_named() -> None:
    locator = {"schema-name": "shop", "table-name": "ord%"}
    [found] = _found(SELECTION | {"rule-id": "5", "rule-action": "exclude", "object-locator": locator})
    assert found.change == "remove the exclude rule"


@pytest.mark.parametrize(
    ("rule", "name"),
    [
        (_rule("table", "rename", value="things"), "shop.things"),
        (_rule("schema", "rename", value="store"), "store.orders"),
        (_rule("table", "convert-uppercase"), "shop.ORDERS"),
        (_rule("table", "add-prefix", value="x_"), "shop.x_orders"),
        (_rule("table", "add-suffix", value="_x"), "shop.orders_x"),
        (_rule("table", "replace-prefix", value="x", old_value="ord"), "shop.xers"),
        (_rule("table", "remove-suffix", value="ers"), "shop.ord"),
    ],
)
def test_a_renamed_table_must_have_its_new_name_in_the_mappings(rule: dict[str, Any], name: str) -> None:
    [found] = _found(rule)
    assert (found.severity, f"whose records are named {name}" in found.message) == (E, True)


def test_mappings_with_the_new_name_are_right() -> None:
    assert _found(_rule("table", "rename", value="things"), table="shop.things") == []
    upper = [_rule(target, "convert-uppercase", table="%") for target in ("schema", "table")]
    assert _found(*upper, table="SHOP.ORDERS") == []


@pytest.mark.parametrize(
    ("rule", "severity"),
    [
        (_rule("column", "remove-column", "total"), E),
        (_rule("column", "remove-column", "%", table="%"), E),
        (_rule("column", "rename", "total", value="sum"), E),
        (_rule("column", "add-prefix", "total", value="x_"), E),
        (_rule("column", "include-column", "order_id"), E),
        (_rule("column", "data-masking-digits-mask", "total"), W),
    ],
)
def test_a_column_that_does_not_arrive_as_the_mappings_name_it(rule: dict[str, Any], severity: Severity) -> None:
    assert (severity, "rules[2].rule-action") in brief(_found(rule))
    assert any("column total of shop.orders" in finding.message for finding in _found(rule))


def test_a_column_renamed_to_the_name_in_use_is_right() -> None:
    assert _found(_rule("column", "rename", "amount", value="total")) == []


def test_an_excluded_column_is_named() -> None:
    mapping = OBJECT_MAPPING | {
        "rule-id": "5",
        "mapping-parameters": {"partition-key-type": "primary-key", "exclude-columns": ["total"]},
    }
    assert (E, "rules[2].mapping-parameters.exclude-columns") in brief(_found(mapping))


def _heartbeat(table: str, *rules: dict[str, Any]) -> list[str]:
    documents = described(rules=list(rules))
    found = lint(settings_of(documents), None, table)
    return [finding.message for finding in found if "eartbeat" in finding.message or "HEARTBEAT" in finding.message]


def test_a_heartbeat_table_must_be_sent_to_all_shards() -> None:
    assert _heartbeat("shop.beat", SELECTION, OBJECT_MAPPING) == []
    (not_sent,) = _heartbeat("ops.beat", SELECTION, OBJECT_MAPPING)
    assert not_sent.startswith("NEARVIEW_HEARTBEAT_TABLE is ops.beat, which no selection rule includes")
    (one_shard,) = _heartbeat("shop.beat", SELECTION)
    assert one_shard.startswith("all heartbeats of shop.beat go to one shard")
