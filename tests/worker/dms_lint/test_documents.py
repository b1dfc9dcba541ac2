"""Settings in whatever form DMS, its tools and people write them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.worker.dms_lint.samples import OBJECT_MAPPING, SELECTION, SOURCES, TARGET, TASK, described
from worker.dms.documents import NotSettings, settings_of

RULES = {"rules": [SELECTION, OBJECT_MAPPING]}


@pytest.mark.parametrize(
    "documents",
    [
        described(),
        {"task.json": TASK, "target.json": TARGET, "source.json": SOURCES["postgres"], "rules.json": RULES},
        {"all.json": {"TaskSettings": TASK, "KinesisSettings": TARGET, "PostgreSQLSettings": SOURCES["postgres"]}
         | {"TableMappings": RULES}},
        {
            "t.json": {"ReplicationTask": {"ReplicationTaskSettings": json.dumps(TASK), "TableMappings": RULES}},
            "s.json": {"Endpoint": {"EngineName": "aurora-postgresql", "PostgreSQLSettings": SOURCES["postgres"]}},
            "k.json": {"EndpointType": "target", "EngineName": "kinesis", "KinesisSettings": TARGET},
        },
    ],
)  # fmt: skip
def test_every_form_is_recognised(documents: dict[str, Any]) -> None:
    found = settings_of(documents)
    assert found.task is not None
    assert found.task.values == TASK
    assert found.target is not None
    assert found.target.values == TARGET
    assert found.mappings is not None
    assert found.mappings.values == RULES
    assert found.source is not None
    assert (found.source.engine, found.source.part.values) == ("postgresql", SOURCES["postgres"])


def test_extra_connection_attributes_count_too() -> None:
    endpoint = {
        "EngineName": "postgres",
        "ExtraConnectionAttributes": "pluginName=pgoutput;heartbeatEnable=Y;slotName=abc;unknown=1",
        "PostgreSQLSettings": {"SlotName": "given"},
    }
    source = settings_of({"e.json": endpoint}).source
    assert source is not None
    assert source.part.values == {"PluginName": "pgoutput", "HeartbeatEnable": True, "SlotName": "given"}


def test_a_path_leads_through_settings_that_are_text() -> None:
    task = settings_of(described()).task
    assert task is not None
    assert task.path == "$.ReplicationTasks[0].ReplicationTaskSettings"


@pytest.mark.parametrize(
    ("documents", "line"),
    [
        ({"a.json": []}, "a.json: holds neither task settings"),
        ({"a.json": {"Tables": []}}, "a.json: holds neither task settings"),
        ({"a.json": {"Endpoints": []}}, "a.json: holds neither task settings"),
        ({"a.json": {"ReplicationTaskSettings": "{"}}, "a.json: $.ReplicationTaskSettings is no JSON object"),
        ({"a.json": TASK, "b.json": TASK}, "b.json: a second task"),
        ({"a.json": {"EndpointType": "TARGET", "EngineName": "s3"}}, "the target endpoint is s3, not kinesis"),
        ({"a.json": {"ReplicationTasks": 5, "Endpoints": True}}, "a.json: holds neither task settings"),
        ({"a.json": {"EngineName": "kinesis", "KinesisSettings": [1]}}, "a.json: $.KinesisSettings is no JSON object"),
        ({"a.json": {"EngineName": "oracle", "OracleSettings": 7}}, "a.json: $.OracleSettings is no JSON object"),
    ],
)
def test_what_is_no_such_file_is_refused(documents: dict[str, Any], line: str) -> None:
    with pytest.raises(NotSettings) as caught:
        settings_of(documents)
    assert line in str(caught.value)
