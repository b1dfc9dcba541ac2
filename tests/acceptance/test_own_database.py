"""A user's own database through `nearview local`, as a user would type it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from contract.keys import DOCUMENT_SK, document_pk
from local.processes import MARK
from local.stack import WORKER, Stack
from tests.acceptance.live import Live, nearview, wait_for

FACTORY = Path(__file__).with_name("factory")
CHANGE_OF_SUPPLIERS = "UPDATE factory.suppliers SET name = name || ' Ltd'"
SUPPLIER = """
aggregate: supplier
source: factory.suppliers
key: supplier_id
fields: [supplier_id, name]
many:
  parts: {source: factory.part_suppliers, key: [part_no, supplier_id], join: supplier_id, fields: [part_no]}
indexes: {by_name: {partition: name}}
"""


@dataclass(frozen=True, slots=True)
class Cli:
    """The program with a state folder of its own."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """What a user would set to keep two stacks apart."""
        return {"NEARVIEW_LOCAL_DIR": str(self.folder)}

    def __call__(self, *arguments: str, exit_code: int = 0) -> str:
        """Standard output of a command that must end with that exit code."""
        return nearview(*arguments, environment=self.environment, exit_code=exit_code)

    def fails(self, *arguments: str) -> str:
        """Standard error of a command that must refuse, without a traceback."""
        program = Path(sys.executable).with_name("nearview")
        environment = {**os.environ, **self.environment}
        done = subprocess.run([program, *arguments], env=environment, capture_output=True, check=False)
        error = done.stderr.decode()
        assert done.returncode == 1, error
        assert "Traceback" not in error
        return error

    def processes(self) -> list[psutil.Process]:
        """Everything that runs for this folder: it stands in their environment; PostgreSQL hides its own."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                mine = process.environ()
                if MARK in mine and mine.get("NEARVIEW_LOCAL_DIR") == str(self.folder):
                    found.append(process)
        postmaster = Stack(self.folder).postgres().pid
        if postmaster is not None:
            found += [psutil.Process(postmaster), *psutil.Process(postmaster).children(recursive=True)]
        return found


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """The program, with nothing running."""
    return Cli(tmp_path / "state")


@dataclass(frozen=True, slots=True)
class Factory:
    """The running stack that the tests here share, each leaving its documents right, and the folder of its mappings."""

    cli: Cli
    mappings: Path

    def up(self) -> str:
        """Start it."""
        return self.cli("local", "up", "--schema", str(FACTORY / "schema.sql"), "--mappings", str(self.mappings))


@pytest.fixture(scope="module")
def factory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Factory]:
    """A database of which nothing is known but its script."""
    folder = tmp_path_factory.mktemp("factory")
    shutil.copytree(FACTORY / "mappings", folder / "mappings")
    found = Factory(Cli(folder / "state"), folder / "mappings")
    try:
        assert "nearview local up" in found.cli.fails("local", "status")
        found.up()
        found.cli("local", "wait")
        yield found
    finally:
        Stack(found.cli.folder).down()


def test_another_business_from_its_sql_script_to_proven_documents(factory: Factory) -> None:
    cli = factory.cli
    assert "already runs" in factory.up()
    assert "verified 132 documents: 0 differences" in cli("local", "verify")

    assert "executed" in cli("local", "sql", str(FACTORY / "workload.sql"))
    cli("local", "wait")
    assert "verified 134 documents: 0 differences" in cli("local", "verify")

    wait_for("quiet in the status", lambda: json.loads(cli("local", "status", "--json"))["quiet"])
    status = json.loads(cli("local", "status", "--json"))
    assert (status["up"], status["health"]["status"]) == (True, "green")
    assert status["processes"] == dict.fromkeys(status["processes"], True)
    assert {"ministack", "dms", "worker"} <= status["processes"].keys()
    assert "shard_initialized" in cli("local", "logs", "worker", "-n", "200")
    assert "worker" in cli.fails("local", "logs", "nobody")

    with a_document_removed(cli):
        report = json.loads(cli("local", "verify", "--", "--json", exit_code=1))
        assert [(found["kind"], found["key"]) for found in report["first"]] == [("missing", "NEW-1")]


def test_a_new_aggregate_is_deployed_onto_the_running_stack(factory: Factory) -> None:
    cli, mappings = factory.cli, factory.mappings
    (mappings / "unknown.yaml").write_text("aggregate: x\nsource: factory.other\nkey: id\nfields: [id]\n")
    assert "the DMS task does not capture factory.other" in cli.fails("local", "deploy")
    (mappings / "unknown.yaml").unlink()
    (mappings / "supplier.yaml").write_text(SUPPLIER)

    cli("local", "deploy")
    running = Stack(cli.folder).running()
    assert running is not None
    nearview("rebuild", "supplier", environment={**cli.environment, **running.settings})
    live = Live(Stack(cli.folder), running)
    live.sql(CHANGE_OF_SUPPLIERS)
    cli("local", "wait")

    report = json.loads(cli("local", "verify", "--", "--json"))
    assert report["differences"] == 0
    name, key = live.rows("SELECT name, supplier_id::text FROM factory.suppliers WHERE name LIKE '% Ltd' LIMIT 1")[0]
    answer = live.request("GET", f"/suppliers?{urllib.parse.urlencode({'name': name})}")
    assert (answer.status, key in [item["supplier_id"] for item in answer.body["items"]]) == (200, True)


def test_what_a_crashed_stack_left_is_cleared_by_the_next_start_and_a_stop_leaves_nothing(factory: Factory) -> None:
    cli = factory.cli
    shutil.rmtree(factory.mappings)
    shutil.copytree(FACTORY / "mappings", factory.mappings)
    crashed = cli.processes()
    assert len(crashed) > 10
    for process in crashed:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGKILL)
    psutil.wait_procs(crashed, timeout=30)
    assert json.loads(cli("local", "status", "--json"))["up"] is False

    factory.up()
    cli("local", "wait")
    assert "verified 132 documents: 0 differences" in cli("local", "verify")
    running = cli.processes()
    assert len(running) > 10
    Stack(cli.folder).processes.stop(WORKER, grace_seconds=0)
    assert json.loads(cli("local", "status", "--json"))["up"] is False
    assert "stopped" in cli("local", "down")
    assert not [process for process in running if process.is_running()]
    assert cli.processes() == []
    assert "nothing was running" in cli("local", "down")


def test_mistakes_are_named_with_their_place_and_nothing_is_left_running(cli: Cli, tmp_path: Path) -> None:
    mappings = tmp_path / "mappings"
    mappings.mkdir()
    (mappings / "part.yaml").write_text("aggregate: part\nsource: factory.parts\nkeys: part_no\nfields: [part_no]\n")
    error = cli.fails("local", "up", "--schema", str(FACTORY / "schema.sql"), "--mappings", str(mappings))
    assert "part.yaml:3:1" in error

    script = tmp_path / "schema.sql"
    script.write_text("CREATE SCHEMA factory;\n\nCREATE TABLE factory.parts (part_no varchr(40));\n")
    error = cli.fails("local", "up", "--schema", str(script), "--mappings", str(FACTORY / "mappings"))
    assert f"{script}:3" in error
    assert cli.processes() == []


@contextmanager
def a_document_removed(cli: Cli) -> Iterator[None]:
    """Take one away behind everybody's back, meanwhile."""
    running = Stack(cli.folder).running()
    assert running is not None
    dynamodb, table = running.ministack.client("dynamodb"), running.storage.documents_table
    key = {"pk": {"S": document_pk("part", "NEW-1")}, "sk": {"S": DOCUMENT_SK}}
    item = dynamodb.get_item(TableName=table, Key=key, ConsistentRead=True)["Item"]
    dynamodb.delete_item(TableName=table, Key=key)
    yield
    dynamodb.put_item(TableName=table, Item=item)
