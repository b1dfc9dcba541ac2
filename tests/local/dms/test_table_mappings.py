"""Selection by patterns, and partition keys by object mapping."""

from typing import Any

import pytest

from local.dms.table_mappings import TableMappings, read_table_mappings
from local.dms.transformations import Locator


@pytest.mark.parametrize(
    ("pattern", "table", "matches"),
    [
        ("%", "orders", True),
        ("order%", "order_lines", True),
        ("%lines", "order_lines", True),
        ("order_lines", "order_lines", True),
        ("order_lines", "order-lines", True),
        ("order[_]lines", "order-lines", False),
        ("a.b", "axb", False),
        ("orders", "Orders", False),
    ],
)
def test_patterns(pattern: str, table: str, matches: bool) -> None:
    assert Locator("shop", pattern).matches("shop", table) is matches


def test_exclude_beats_include() -> None:
    mappings = TableMappings((Locator("shop", "%"),), (Locator("shop", "audit%"),), ())
    assert mappings.selects("shop", "orders")
    assert not mappings.selects("shop", "audit_log")
    assert not mappings.selects("ops", "orders")


def test_a_rule_that_names_an_unknown_table_is_unmatched() -> None:
    mappings = TableMappings((Locator("shop", "%"), Locator("shop", "ordres"), Locator("x", "%")), (), ())
    assert mappings.unmatched([("shop", "orders")]) == [Locator("shop", "ordres")]
    assert mappings.unmatched([("other", "orders")]) == list(mappings.include)


def _rule(**changes: Any) -> dict[str, Any]:
    rule = {
        "rule-type": "selection",
        "object-locator": {"schema-name": "s", "table-name": "t"},
        "rule-action": "include",
    }
    return rule | {name.replace("_", "-"): value for name, value in changes.items()}


@pytest.mark.parametrize(
    ("rule", "line"),
    [
        (_rule(rule_type="table-settings"), "the stand-in knows selection, object-mapping and transformation"),
        (_rule(rule_action="load"), "rule-action: must be one of include, exclude, explicit"),
        (_rule(filters=[{"filter-type": "source"}]), "has no filters"),
        (_rule(object_locator={}), "must hold schema-name and table-name"),
        (
            _rule(
                rule_type="object-mapping",
                rule_action="map-record-to-record",
                mapping_parameters={"partition-key-type": "constant"},
            ),
            "partition-key-type: must be one of primary-key, schema-table",
        ),
        (
            _rule(
                rule_type="object-mapping",
                rule_action="map-record-to-record",
                mapping_parameters={"partition-key-type": "primary-key", "exclude-columns": ["a"]},
            ),
            "not reproduced by the stand-in: exclude-columns",
        ),
        (
            _rule(
                rule_type="object-mapping",
                rule_action="map-record-to-table",
                mapping_parameters={"partition-key-type": "primary-key"},
            ),
            "knows map-record-to-record and map-record-to-document",
        ),
    ],
)
def test_what_the_stand_in_cannot_do_is_refused(rule: dict[str, Any], line: str) -> None:
    problems: list[str] = []
    read_table_mappings({"rules": [_rule(), rule]}, problems)
    assert len(problems) == 1
    assert problems[0].startswith("TableMappings.rules[2]")
    assert line in problems[0]
