"""The `nearview` program."""

import json
from importlib.metadata import EntryPoint

import pytest
from click.testing import CliRunner

from worker import cli
from worker.settings_reference import markdown


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    """Runs the program with three added commands: a good one, one without its module, one whose package is left out."""
    points = [
        EntryPoint("good", "worker.cli:settings_command", cli.GROUP),
        EntryPoint("needy", "tests.worker.needs_a_missing_module:command", cli.GROUP),
        EntryPoint("absent", "no_such_package.cli:command", cli.GROUP),
    ]
    monkeypatch.setattr(cli, "entry_points", lambda group: points if group == cli.GROUP else [])
    return CliRunner()


def test_help_lists_own_and_added_commands_that_are_here(run: CliRunner) -> None:
    result = run.invoke(cli.main, ["--help"])
    assert result.exit_code == 0
    names = [line.split()[0] for line in result.output.partition("Commands:\n")[2].splitlines() if line[2] != " "]
    assert names == sorted(["good", "needy", "settings", "worker", *(point.name for point in cli.OWN)])


def test_an_added_command_runs(run: CliRunner) -> None:
    assert json.loads(run.invoke(cli.main, ["good", "--json"]).output)


def test_a_command_whose_module_is_missing_says_so_in_one_line(run: CliRunner) -> None:
    result = run.invoke(cli.main, ["needy", "anything", "--at-all"])
    assert result.exit_code == 1
    assert result.output == "Error: needy needs the Python module a_module_nobody_has, which is not installed\n"


def test_an_unknown_command_is_an_error_of_use(run: CliRunner) -> None:
    assert run.invoke(cli.main, ["absent"]).exit_code == 2


def test_the_settings_are_listed_in_three_forms(run: CliRunner) -> None:
    assert "NEARVIEW_STREAM  (text; required)" in run.invoke(cli.main, ["settings"]).output
    assert run.invoke(cli.main, ["settings", "--markdown"]).output == markdown()
    entries = json.loads(run.invoke(cli.main, ["settings", "--json"]).output)
    assert {"name", "values", "default", "required", "secret", "description"} == set(entries[0])


def test_the_check_lists_what_is_well_and_every_problem(run: CliRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "NEARVIEW_STREAM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NEARVIEW_HTTP_PORT", "x")
    result = run.invoke(cli.main, ["worker", "check"])
    assert result.exit_code == 1
    assert "ok       jars: " in result.output
    assert "problem  setting: NEARVIEW_STREAM is not set" in result.output
    assert "problem  setting: NEARVIEW_HTTP_PORT must be" in result.output
