"""Which database a new stack takes: what the command line says stands above the environment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from local.postgres import HOST, USER
from local.stack import DATABASE
from local.up_options import chosen_options, stack_options

URL = "NEARVIEW_SOURCE_URL"
MINE = "postgresql://me@127.0.0.1:5432/shop"
STACK = f"postgresql://{USER}:secret@{HOST}:48921/{DATABASE}"


@click.command()
@stack_options
def show(**options: Any) -> None:
    """Print the choice."""
    chosen = chosen_options(options, click.echo)
    click.echo(f"{chosen.schema and chosen.schema.name} {chosen.source_url} {chosen.is_shop}")


@pytest.fixture
def script(tmp_path: Path) -> str:
    path = tmp_path / "x.sql"
    path.touch()
    return str(path)


def _run(*arguments: str, **environment: str | None) -> Result:
    return CliRunner(env={URL: None, **environment}).invoke(show, arguments)


def test_without_anything_it_is_the_demo() -> None:
    assert _run().stdout == "None None True\n"


def test_a_database_of_the_environment_is_taken() -> None:
    assert _run(**{URL: MINE}).stdout == f"None {MINE} False\n"


@pytest.mark.parametrize("url", [MINE, STACK, "nothing of the kind"])
def test_a_script_stands_above_the_environment(script: str, url: str) -> None:
    assert _run("--schema", script, **{URL: url}).stdout == f"{URL} is not used: --schema\nx.sql None False\n"


def test_the_url_of_a_local_stack_in_the_environment_is_left_alone() -> None:
    assert _run(**{URL: STACK}).stdout == f"{URL} is not used: it is that of a local stack\nNone None True\n"
    assert _run("--source-url", STACK).stdout == f"None {STACK} False\n"


def test_a_script_and_a_url_on_the_command_line_are_refused(script: str) -> None:
    refused = _run("--schema", script, "--source-url", MINE)
    assert refused.exit_code == 2
    assert "give one of them" in refused.stderr
