"""The command: what it prints where, and its exit codes."""

import json
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from contract.mapping import Mapping
from local.ministack import MiniStack
from tests.worker.verify.business import Target
from worker.mapping.loader import load_mappings
from worker.records.protect import TokenKey
from worker.verify.cli import verify
from worker.verify.options import Settle

Run = Callable[..., Result]

PEOPLE = """
aggregate: person
collection: people
source: biz.people
key: id
fields: [id, name, {rating: {type: decimal}}]
one:
  boss: {source: biz.people, key: id, join: boss, fields: [name]}
"""
BODIES = {
    "1": {"id": 1, "name": "Ada", "rating": Decimal("2.2"), "boss": None},
    "2": {"id": 2, "name": 'Bo "b" ☃', "rating": None, "boss": {"name": "Ada"}},
    "3": {"id": 3, "name": "Cy", "rating": Decimal("0.1"), "boss": {"name": "Cy"}},
    "4": {"id": 4, "name": "gone", "rating": None, "boss": {"name": "Ada"}},
}


@pytest.fixture
def mappings(tmp_path: Path) -> Path:
    folder = tmp_path / "mappings"
    folder.mkdir()
    (folder / "person.yaml").write_text(PEOPLE)
    return folder


@pytest.fixture
def stored(mappings: Path, target: Target) -> Target:
    """A documents table with the right documents."""
    mapping, _ = load_mappings(mappings)
    assert isinstance(mapping, Mapping)
    for key, body in BODIES.items():
        target.put(mapping.aggregates[0], key, body)
    return target


@pytest.fixture
def run(ministack: MiniStack, business: str, mappings: Path, stored: Target) -> Run:
    """Run the command with everything right; options given later win."""

    def go(*options: str, endpoint: str = ministack.url) -> Result:
        environment = {
            **ministack.environment(),
            "AWS_ENDPOINT_URL": endpoint,
            "NEARVIEW_SOURCE_URL": business,
            "NEARVIEW_MAPPINGS": str(mappings),
            "NEARVIEW_DOCUMENTS_TABLE": stored.table,
        }
        return CliRunner(env=environment).invoke(verify, ("--settle-seconds", "0", *options))

    return go


def put_name(stored: Target, mappings: Path, key: str, name: str) -> None:
    mapping, _ = load_mappings(mappings)
    assert mapping is not None
    stored.put(mapping.aggregates[0], key, {**BODIES[key], "name": name})


def test_no_difference_exits_0_and_ends_with_the_count(run: Run) -> None:
    result = run()

    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == "verified 4 documents: 0 differences"
    assert "reading the documents table" in result.stderr


def test_differences_exit_1_and_are_named_without_values(run: Run, stored: Target, mappings: Path) -> None:
    put_name(stored, mappings, "2", "Mallory")

    result = run()

    assert result.exit_code == 1
    assert result.stdout.splitlines()[-2:] == [
        "different  person  2  name: another text",
        "verified 4 documents: 1 difference",
    ]
    assert not any(word in result.output for word in ("Mallory", "Bo "))


def test_values_are_shown_when_asked_for(run: Run, stored: Target, mappings: Path) -> None:
    put_name(stored, mappings, "2", "Mallory\x1b[2J")

    lines = run("--show-values").stdout.splitlines()

    assert lines[-3:-1] == ['    expected "Bo \\"b\\" ☃"', '    stored   "Mallory\\u001b[2J"']


def test_only_the_first_differences_are_shown_and_the_rest_is_counted(run: Run, stored: Target, mappings: Path) -> None:
    for key in BODIES:
        put_name(stored, mappings, key, "x")

    lines = run("--first", "1").stdout.splitlines()

    assert lines[-3:] == [
        "different  person  1  name: another text",
        "and 3 more (--first 4 shows all)",
        "verified 4 documents: 4 differences",
    ]


def test_json_is_one_object_with_exact_values_only_when_asked_for(run: Run, stored: Target, mappings: Path) -> None:
    put_name(stored, mappings, "2", "Mallory")
    finding = {"kind": "different", "aggregate": "person", "key": "2", "path": "name", "note": "another text"}

    plain = json.loads(run("--json").stdout)
    shown = json.loads(run("--json", "--show-values").stdout)

    assert plain == {
        "verified": 4,
        "differences": 1,
        "parked": 0,
        "moving": 0,
        "aggregates": {
            "person": {
                "expected": 4,
                "stored": 4,
                "equal": 3,
                "missing": 0,
                "surplus": 0,
                "different": 1,
                "parked": 0,
                "moving": 0,
            }
        },
        "not_compared": [],
        "not_comparable": [],
        "rebuilt": 0,
        "reload": [],
        "first": [finding],
    }
    assert shown["first"] == [{**finding, "expected": '"Bo \\"b\\" ☃"', "stored": '"Mallory"'}]


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--source", "nonsense"], "nearview verify: --source is no PostgreSQL URL: "),
        (["--source", "postgresql://127.0.0.1:1/x"], "nearview verify: cannot connect to the source: "),
        (["--documents-table", "nowhere"], "nearview verify: documents table nowhere does not exist there: "),
        (["--state", "/nowhere/state"], "nearview verify: --state /nowhere/state: No such file or directory"),
        (
            ["--dms-settings", "/nowhere/task"],
            "nearview verify: --dms-settings /nowhere/task: No such file or directory",
        ),
        (["--source", "mysql://root@127.0.0.1/shop"], "nearview verify: --source: verify reads PostgreSQL only"),
    ],
)
def test_nothing_to_verify_exits_2_with_one_line(run: Run, options: list[str], line: str) -> None:
    result = run(*options)

    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.splitlines()[-1].startswith(line)
    assert "Traceback" not in result.output


def test_an_unreachable_endpoint_exits_2(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.verify.target.ATTEMPTS", 1)

    result = run(endpoint="http://127.0.0.1:1")

    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1].startswith("nearview verify: documents table verify-")


def test_problems_of_the_mappings_exit_2_with_file_and_line(run: Run, mappings: Path) -> None:
    (mappings / "person.yaml").write_text(PEOPLE.replace("key: id\nfields", "kay: id\nfields"))

    result = run()

    assert result.exit_code == 2
    assert "person.yaml:5:" in result.stderr


def test_a_mapping_that_the_source_does_not_have_exits_2(run: Run, mappings: Path) -> None:
    (mappings / "person.yaml").write_text(PEOPLE.replace("biz.people\nkey", "biz.peple\nkey"))

    result = run()

    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1] == (
        'nearview verify: person: the source has no table biz.peple, did you mean "biz.people"?'
    )


def test_without_a_source_the_usage_is_shown(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NEARVIEW_SOURCE_URL", raising=False)

    result = CliRunner().invoke(verify, [])

    assert result.exit_code == 2
    assert "NEARVIEW_SOURCE_URL" in result.stderr


def test_the_command_says_so_when_the_driver_is_not_installed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker's image has none: the worker never asks the source."""
    monkeypatch.setitem(sys.modules, "worker.verify.source", None)

    result = run()

    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1].endswith("is not installed: pip install nearview[verify]")


def test_the_table_shows_the_counts_of_every_aggregate_in_eighty_columns(run: Run) -> None:
    lines = run().stdout.splitlines()

    assert lines[0].split() == [
        *("aggregate", "expected", "stored", "equal", "missing", "surplus", "different", "parked", "moving")
    ]
    assert lines[2].split() == ["person", "4", "4", "4", "0", "0", "0", "0", "0"]
    assert max(map(len, lines)) <= 80


def test_a_stored_key_cannot_play_tricks_on_the_terminal(run: Run, stored: Target) -> None:
    stored.client.put_item(TableName=stored.table, Item={"pk": {"S": "person#\x1b[2J"}, "sk": {"S": "#"}})

    assert run().stdout.splitlines()[-2] == "surplus  person  \\u001b[2J"


def test_documents_that_never_hold_still_exit_3(
    run: Run, stored: Target, mappings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither proven nor a difference."""
    put_name(stored, mappings, "2", "x")
    names = iter("abcdef")

    def write(_: float) -> None:
        mapping, _problems = load_mappings(mappings)
        assert mapping is not None
        name = next(names)
        stored.put(mapping.aggregates[0], "2", {**BODIES["2"], "name": name}, _rev=ord(name))

    monkeypatch.setattr("worker.verify.cli.Settle", lambda seconds, rounds: Settle(seconds, rounds, write))

    result = run("--settle-rounds", "2")

    assert result.exit_code == 3
    assert result.stdout.splitlines()[-1] == "verified 4 documents: 0 differences, 1 still moving"


def test_a_state_file_is_gone_when_the_run_is_over(run: Run, tmp_path: Path) -> None:
    result = run("--state", str(tmp_path / "state"), "--rows-per-second", "1000")

    assert result.exit_code == 0
    assert not (tmp_path / "state").exists()


def test_what_is_not_compared_is_named(run: Run, mappings: Path, tmp_path: Path) -> None:
    """By the mapping, and by the settings of DMS."""
    (mappings / "person.yaml").write_text(PEOPLE.replace("join: boss,", "join: boss, lookup: copy,"))
    (tmp_path / "task.json").write_text('{"KinesisSettings": {}, "TargetMetadata": {"LobMaxSize": 32}}')

    result = run("--dms-settings", str(tmp_path / "task.json"))

    assert result.exit_code == 0
    assert "not compared  person.boss: a copied lookup keeps what it showed first" in result.stdout.splitlines()
    assert (
        "not comparable  biz.people.id: integers of more than 15 digits (UseLargeIntegerValue is off)"
        in result.stdout.splitlines()
    )
    shown = json.loads(run("--json", "--dms-settings", str(tmp_path / "task.json")).stdout)
    assert {entry["column"] for entry in shown["not_comparable"]} == {
        "biz.people.id",
        "biz.people.boss",
        "biz.people.name",
    }


def test_a_source_that_is_no_postgresql_is_refused(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEARVIEW_SOURCE_ENGINE", "oracle")

    result = run()

    assert result.exit_code == 2
    assert result.stderr == "nearview verify: NEARVIEW_SOURCE_ENGINE is oracle: verify reads PostgreSQL only\n"


def test_tokens_are_compared_when_their_key_is_given(
    run: Run, stored: Target, mappings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (mappings / "tables.yaml").write_text("tables:\n  biz.people: {sensitive: {name: token}}\n")
    secret = "s" * 32
    token = TokenKey("k1", secret.encode()).token
    mapping, _ = load_mappings(mappings)
    assert mapping is not None
    for key, body in BODIES.items():
        boss: Any = body["boss"]
        shown = {**body, "name": token(body["name"]), "boss": boss and {"name": token(boss["name"])}}
        stored.put(mapping.aggregates[0], key, shown)

    without = run()
    monkeypatch.setenv("NEARVIEW_TOKEN_KEY", secret)
    monkeypatch.setenv("NEARVIEW_TOKEN_KEY_ID", "k1")
    with_key = run()
    monkeypatch.setenv("NEARVIEW_TOKEN_KEY", "another" + secret)
    with_another = run()

    assert without.exit_code == 0
    assert "not compared  person.name: a token, and no key is given" in without.stdout.splitlines()
    assert (with_key.exit_code, len(with_key.stdout.splitlines())) == (0, 4)
    assert (with_another.exit_code, "4 differences" in with_another.stdout) == (1, True)
