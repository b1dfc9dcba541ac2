"""The command: what it prints, asks and refuses, as a process sees it."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner, Result

from tests.cloudformation.deploy.test_run import STEPS
from tests.cloudformation.deploy.world import World
from worker.cli import main


@pytest.fixture(autouse=True)
def _of_ministack(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in world.ministack.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("cloudformation.deploy.cloud.POLL_SECONDS", 0.01)
    monkeypatch.chdir(world.folder)


def call(world: World, *options: str) -> Result:
    world.write()
    return CliRunner().invoke(
        main, ["deploy", str(world.file), "--templates", str(world.templates), "--no-lint", *options]
    )


def test_nothing_is_deployed_by_a_dry_run_nor_unasked(world: World) -> None:
    dry = call(world, "--dry-run", "--json")
    assert dry.exit_code == 0, dry.output
    assert {step["action"] for step in json.loads(dry.stdout)["steps"]} == {"create"}
    assert call(world, "--status").exit_code == 1

    unasked = call(world)
    assert unasked.exit_code == 2
    assert "look with --dry-run, then give --yes" in unasked.stderr
    assert not any(world.stacks().values())


@pytest.mark.long
def test_from_nothing_to_an_empty_account_again(world: World) -> None:
    done = call(world, "--yes", "--json")
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert report["result"] == "done"
    assert report["who"].startswith("arn:aws:")
    assert [f"{step['layer']} in {step['region']}" for step in report["steps"]] == STEPS
    assert "CREATE_COMPLETE" in done.stderr

    state = call(world, "--status", "--json")
    assert state.exit_code == 0
    assert {stack["status"] for stack in json.loads(state.stdout)["stacks"]} == {"CREATE_COMPLETE"}

    again = json.loads(call(world, "--json").stdout)
    assert {step["result"] for step in again["steps"]} == {"unchanged"}

    refused = call(world, "--remove", "--delete-data", "--yes")
    assert refused.exit_code == 2
    assert "type test (or give --confirm test)" in refused.stderr
    assert call(world, "--remove", "--delete-data", "--confirm", "tset").exit_code == 2
    assert call(world, "--status").exit_code == 0

    gone = call(world, "--remove", "--delete-data", "--confirm", "test", "--json")
    assert gone.exit_code == 0, gone.output
    assert {step["result"] for step in json.loads(gone.stdout)["steps"]} == {"removed"}

    journal = [
        json.loads(line)
        for line in (world.folder / f".nearview/deploy/{world.project}-test.jsonl").read_text().splitlines()
    ]
    assert {line["who"] for line in journal} == {report["who"]}
    assert all(line["time"] and line["run"] for line in journal)
    created = [line for line in journal if line["run"] == report["run"] and line["what"] == "created"]
    assert [f"{line['layer']} in {line['region']}" for line in created] == STEPS
    assert all(line["change_set"].startswith("arn:aws:cloudformation:") for line in created)


@pytest.mark.long
def test_the_journal_is_copied_into_the_bucket(world: World) -> None:
    report = json.loads(call(world, "--yes", "--json").stdout)
    s3 = world.ministack.client("s3")
    key = f"deployments/{world.project}-test/{report['run']}.jsonl"
    text = s3.get_object(Bucket=f"{world.project}-test-code-eu-west-1", Key=key)["Body"].read().decode()
    local = (world.folder / f".nearview/deploy/{world.project}-test.jsonl").read_text()
    assert text
    assert local.startswith(text)
    assert json.loads(text.splitlines()[-1])["what"] == "created"


def test_another_account_is_refused_before_anything_is_looked_at(world: World) -> None:
    world.content["account"] = "999999999999"
    done = call(world, "--yes")
    assert done.exit_code == 2
    assert "account is 999999999999, but these credentials are of 000000000000" in done.stderr
    assert not any(world.stacks().values())


def test_a_region_that_does_not_exist_is_refused(world: World) -> None:
    world.content["regions"] = ["eu-west-1", "eu-west-99"[:-1]]
    done = call(world, "--yes")
    assert done.exit_code == 2
    assert "eu-west-9 is no region of AWS" in done.stderr


def test_without_credentials_nothing_is_tried(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    done = call(world, "--yes")
    assert done.exit_code == 2
    assert "no valid credentials" in done.stderr
    assert "Traceback" not in done.output


@pytest.mark.long
def test_one_layer_alone(world: World) -> None:
    call(world, "--yes")
    world.content["parameters"] = {"service": {"Size": 2}, "tables": {"Peer": "x"}}
    report = json.loads(call(world, "--yes", "--json", "--only", "service").stdout)
    assert [(step["layer"], step["result"]) for step in report["steps"]] == [("service", "updated")] * 2
    assert "no layer servise" in call(world, "--only", "servise").stderr


def test_a_step_that_fails_ends_with_one_and_the_reason(world: World) -> None:
    world.change("20-tables.yaml", "Type: AWS::SSM::Parameter\n", "Type: AWS::SSM::Parameter\n    DependsOn: Twin\n")
    world.change(
        "20-tables.yaml",
        "Outputs:",
        "  Twin:\n    Type: AWS::SSM::Parameter\n"
        '    Properties: {Name: !Sub "/${Project}/peer", Type: String, Value: x}\nOutputs:',
    )
    done = call(world, "--yes", "--json")
    assert done.exit_code == 1
    assert "is ROLLBACK_COMPLETE: Note (AWS::SSM::Parameter):" in done.stderr
    assert json.loads(done.stdout)["result"] == "stopped"
    assert "Traceback" not in done.output
