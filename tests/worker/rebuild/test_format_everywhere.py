"""Whatever writes to the tables refuses those of a newer version, in one line, and before its first write."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from local.ministack import MiniStack
from tests.worker.conftest import Tables
from tests.worker.dms_records import change, record
from worker.cli import main
from worker.compose import build_pipeline
from worker.log import Log
from worker.mapping.loader import load_mappings
from worker.patience import Patience
from worker.rebuild.stored_format import FORMAT, FORMAT_PK, FORMAT_SK, claim, refusal
from worker.repair import RepairError, RowStore
from worker.settings import parse
from worker.source_notes import SourceNotes

NEWER = FORMAT + 1
MAPPING = "aggregate: user\nsource: app.users\nkey: user_id\nfields: [user_id, name]\n"
WRITES = {
    "rebuild": ["rebuild", "--all"],
    "sweep": ["sweep", "app.users", "--yes", "--empty", "app.users"],
    "sweep-parts": ["sweep-parts", "--yes"],
    "parked retry": ["parked", "retry"],
    "parked import": ["parked", "import", "{file}"],
    "replay --beside": ["replay", "--from-start", "--beside", "--state", "{state}"],
}


@pytest.fixture
def environment(tables: Tables, ministack: MiniStack, tmp_path: Path) -> Iterator[dict[str, str]]:
    """Settings of a worker on tables that a newer version has written to, and a record in its stream."""
    (tmp_path / "mappings").mkdir()
    (tmp_path / "mappings" / "user.yaml").write_text(MAPPING)
    stream, kinesis = f"changes-{uuid.uuid4().hex[:8]}", ministack.client("kinesis")
    kinesis.create_stream(StreamName=stream, ShardCount=1)
    data = json.dumps(change("insert", "app.users", {"user_id": 1, "name": "x"})).encode()
    kinesis.put_records(StreamName=stream, Records=[{"Data": data, "PartitionKey": "1"}])
    marker = {"pk": {"S": FORMAT_PK}, "sk": {"S": FORMAT_SK}, "format": {"N": str(NEWER)}}
    SourceNotes(tables.client, tables.parked, Patience("", Log("error"))).raise_incarnation(1, "")
    settings = {
        **ministack.environment(),
        **tables.environment(),
        "NEARVIEW_MAPPINGS": str(tmp_path / "mappings"),
        "NEARVIEW_STREAM": stream,
        "NEARVIEW_APPLICATION": stream,
    }
    with pytest.MonkeyPatch.context() as patched:
        for name, value in settings.items():
            patched.setenv(name, value)
        build_pipeline(parse(settings), "shard", Log("error")).process([record(b"no record")])
        tables.client.put_item(TableName=tables.rows, Item=marker)
        yield settings
    kinesis.delete_stream(StreamName=stream)


def run(*arguments: str) -> Result:
    """The program with the settings of the test."""
    return CliRunner().invoke(main, list(arguments))


def test_what_a_newer_version_has_written_is_refused_in_a_line_and_stays(
    environment: dict[str, str], tables: Tables, tmp_path: Path
) -> None:
    exported = tmp_path / "exported"
    assert run("parked", "export", "--show-payload", "--to", str(exported)).exit_code == 0
    before = [tables.items(table) for table in (tables.rows, tables.documents, tables.parked)]
    refused = f"table {tables.rows} has the stored format {NEWER}, this version writes {FORMAT}: run the newer"

    for name, parts in WRITES.items():
        result = run(*(part.format(file=exported, state=tmp_path / "state") for part in parts))
        assert result.exit_code == 2, f"{name}: {result.output}"
        (line,) = [line for line in result.stderr.splitlines() if "stored format" in line]
        assert refused in line, name
        assert isinstance(result.exception, SystemExit), name

    mapping, problems = load_mappings(Path(environment["NEARVIEW_MAPPINGS"]))
    assert mapping is not None, problems
    with pytest.raises(RepairError, match=f"has the stored format {NEWER}"):
        RowStore.open(mapping, tables.rows, tables.documents, {}, region="eu-west-1", endpoint_url=tables.endpoint_url)
    assert f"problem  aws: {refused}" in run("worker", "check", "--online").output
    assert [tables.items(table) for table in (tables.rows, tables.documents, tables.parked)] == before


def test_what_this_version_has_written_and_what_nobody_has_is_no_problem(tables: Tables) -> None:
    assert refusal(tables.client, tables.rows) is None
    assert tables.items(tables.rows) == []
    claim(tables.client, tables.rows)
    assert refusal(tables.client, tables.rows) is None
