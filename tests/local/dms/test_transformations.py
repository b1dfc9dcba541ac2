"""Transformation rules: names, added and removed columns, old values beside the new ones."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from local.dms.control import TaskRecords
from local.dms.records import Place, TableRecords
from local.dms.settings import DEFAULT_TASK, Settings, load_settings
from local.dms.table_mappings import read_table_mappings
from local.dms.tables import INT4, TEXT, VARCHAR, Column, Table

NOW = datetime(2024, 7, 29, 0, 58, 17, 983670, tzinfo=UTC)
PLACE = Place(1139, 2, "2024-07-29T00:58:17.000000Z", "POSITION", (1139, 1), "20240729005817000000000000000000002")
TABLE = Table("shop", "t", (Column("id", INT4, -1), Column("name", VARCHAR, 9), Column("big", TEXT, -1)), ("id",))
SELECT = {
    "rule-type": "selection",
    "object-locator": {"schema-name": "shop", "table-name": "%"},
    "rule-action": "include",
}


def _rule(target: str, action: str, column: str = "%", **rest: Any) -> dict[str, Any]:
    locator = {"schema-name": "shop", "table-name": "t", "column-name": column}
    return {"rule-type": "transformation", "rule-target": target, "rule-action": action, "object-locator": locator} | {
        name.replace("_", "-"): value for name, value in rest.items()
    }


CHANGE_SEQUENCE = _rule("column", "add-column", value="seq", expression="$AR_H_CHANGE_SEQ")
OLD_VALUES = _rule("column", "add-before-image-columns", before_image_def={"column-prefix": "BI_"})


def _settings(*rules: dict[str, Any], **changes: Any) -> Settings:
    problems: list[str] = []
    mappings = read_table_mappings({"rules": [SELECT, *rules]}, problems)
    assert mappings is not None
    assert problems == []
    return replace(load_settings(DEFAULT_TASK), table_mappings=mappings, **changes)


def _records(*rules: dict[str, Any], **changes: Any) -> TableRecords:
    return TableRecords(TABLE, _settings(*rules, **changes))


def _body(record: Any) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(record.data)
    return body


def test_upper_case_as_oracle_has_it_everywhere() -> None:
    rules = [_rule(target, "convert-uppercase") for target in ("schema", "table", "column")]
    record = _records(*rules).insert(("7", "x", None), PLACE, NOW)
    body = _body(record)
    assert body["data"] == {"ID": 7, "NAME": "x", "BIG": None}
    assert (body["metadata"]["schema-name"], body["metadata"]["table-name"]) == ("SHOP", "T")
    assert record.partition_key == "SHOP.T"
    created = _body(TaskRecords("TASK", _settings(*rules)).table_created(TABLE, NOW))
    assert (created["metadata"]["schema-name"], created["metadata"]["table-name"]) == ("SHOP", "T")
    assert list(created["control"]["table-def"]["columns"]) == ["ID", "NAME", "BIG"]
    assert created["control"]["table-def"]["primary-key"] == ["ID"]


def test_renamed_and_removed() -> None:
    rules = [
        _rule("table", "rename", value="things"),
        _rule("column", "rename", "name", value="title"),
        _rule("column", "remove-column", "big"),
    ]
    record = _records(*rules).load(("7", "x", "y"), NOW)
    assert _body(record)["data"] == {"id": 7, "title": "x"}
    assert record.partition_key == "shop.things.7"


def test_the_change_sequence_is_a_column_and_an_empty_text_on_load() -> None:
    records = _records(CHANGE_SEQUENCE)
    assert _body(records.insert(("7", "x", None), PLACE, NOW))["data"]["seq"] == PLACE.sequence
    assert _body(records.delete(("7", None, None), True, PLACE, NOW))["data"]["seq"] == PLACE.sequence
    assert _body(records.load(("7", "x", None), NOW))["data"]["seq"] == ""
    assert (
        "seq" not in _body(_records(CHANGE_SEQUENCE, include_null_and_empty=False).load(("7", "x", None), NOW))["data"]
    )


def test_old_values_stand_in_data_under_their_prefix() -> None:
    records = _records(OLD_VALUES, before_image=False)
    new, old = ("7", "x", "b"), ("6", None, None)
    assert _body(records.update(old, True, new, PLACE, NOW))["data"] == {"id": 7, "name": "x", "big": "b", "BI_id": 6}
    assert _body(records.update(None, False, new, PLACE, NOW))["data"]["BI_id"] is None
    assert _body(records.insert(new, PLACE, NOW))["data"]["BI_id"] is None
    everything = _rule(
        "column", "add-before-image-columns", before_image_def={"column-suffix": "_old", "column-filter": "all"}
    )
    body = _body(_records(everything, before_image=False).update(("7", "o", "b"), False, new, PLACE, NOW))
    assert {name: value for name, value in body["data"].items() if name.endswith("_old")} == {
        "id_old": 7,
        "name_old": "o",
    }


def test_a_row_as_a_document_stands_in_doc() -> None:
    rule = {
        "rule-type": "object-mapping",
        "object-locator": SELECT["object-locator"],
        "rule-action": "map-record-to-document",
        "mapping-parameters": {"partition-key-type": "primary-key"},
    }
    body = _body(_records(rule).insert(("7", "x", None), PLACE, NOW))
    assert body["data"] == {"_doc": {"id": 7, "name": "x", "big": None}}


@pytest.mark.parametrize(
    ("rule", "line"),
    [
        (_rule("view", "rename", value="x"), "rule-target: must be one of schema, table, column"),
        (_rule("table", "add-prefix"), "rule-action: the stand-in knows rename, convert-uppercase, convert-lowercase"),
        (_rule("column", "rename"), "value: must be the new name"),
        (_rule("column", "add-column", value="x", expression="1 + 1"), "expression: the stand-in knows $AR_H_CHANGE"),
        (_rule("column", "add-before-image-columns"), "needs column-prefix or column-suffix"),
    ],
)
def test_what_the_stand_in_cannot_do_is_refused(rule: dict[str, Any], line: str) -> None:
    problems: list[str] = []
    read_table_mappings({"rules": [SELECT, rule]}, problems)
    assert len(problems) == 1
    assert problems[0].startswith("TableMappings.rules[2].")
    assert line in problems[0]
