"""`nearview init` against real databases: what it writes is a mapping, and `verify` can compare it with the schema."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from local.ministack import MiniStack
from tests.worker.conftest import Tables
from tests.worker.verify.business import run_sql
from worker.cli import main
from worker.mapping.loader import load_mappings

REPOSITORY = Path(__file__).parents[3]
SCHEMAS = {
    "music": (Path(__file__).parent / "music.sql").read_text("utf-8"),
    "shop": (REPOSITORY / "local/monolith/schema.sql").read_text("utf-8"),
    "library": (REPOSITORY / "docs/examples/library/schema.sql").read_text("utf-8"),
    "factory": (REPOSITORY / "tests/acceptance/factory/schema.sql").read_text("utf-8"),
}


def _run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["init", *map(str, arguments)])


@pytest.mark.parametrize("name", SCHEMAS)
def test_what_is_proposed_is_a_mapping_that_fits_the_schema(
    name: str, new_database: Callable[..., str], tmp_path: Path, tables: Tables, ministack: MiniStack
) -> None:
    """No problem in the files, and verify, which asks the database for every table and column, can compare."""
    url = new_database()
    run_sql(url, SCHEMAS[name])
    result = _run("--source-url", url, "--into", tmp_path / "mappings")
    assert result.exit_code == 0, result.stderr

    mapping, problems = load_mappings(tmp_path / "mappings")
    compared = CliRunner().invoke(
        main,
        ["verify", "--source", url, "--mappings", str(tmp_path / "mappings")],
        env={**ministack.environment(), **tables.environment()},
    )

    assert problems == []
    assert mapping is not None
    assert compared.exit_code in (0, 1), compared.stderr  # 2: the mapping does not fit; 1: the rows have no documents


def test_every_habit_of_a_grown_schema(new_database: Callable[..., str]) -> None:
    """Which files there are, what they are warned of, and some of what is in them."""
    url = new_database()
    run_sql(url, SCHEMAS["music"])
    found = json.loads(_run("--source-url", url, "--json").output)

    assert set(found["files"]) == {
        "artist.yaml", "album.yaml", "track.yaml", "playlist.yaml", "employee.yaml", "invoice.yaml", "parted.yaml",
    }  # fmt: skip
    assert found["files"]["album.yaml"].startswith("# What a shop sells:\n# one record\naggregate: album\n")
    assert "  - hidden: {column: _hidden, type: boolean}\n" in found["files"]["album.yaml"]
    assert '  - "naïve \\"x\\"": {type: text}\n' in found["files"]["album.yaml"]
    assert "    to: code\n" in found["files"]["track.yaml"]
    assert "    unwrap: Track\n" in found["files"]["playlist.yaml"]
    assert "    depth: 3\n" in found["files"]["employee.yaml"]
    assert "  Lines:\n" in found["files"]["invoice.yaml"]
    assert [line.split(" ")[0].rstrip(":") for line in found["warnings"]] == ["Music.log", "Music.Track.price"]
    assert found["prerequisites"][0].startswith("wal_level = logical:")


def test_only_one_schema_and_only_some_roots(new_database: Callable[..., str]) -> None:
    """Without a folder the files are printed."""
    url = new_database()
    run_sql(url, SCHEMAS["shop"])

    everything = json.loads(_run("--source-url", url, "--json").output)["files"]
    shop = json.loads(_run("--source-url", url, "--schema", "shop", "--json").output)["files"]
    result = _run("--source-url", url, "--root", "shop.orders")

    assert set(everything) - set(shop) == {"executed_command.yaml"}
    assert result.stdout.startswith("# order.yaml\naggregate: order\nsource: shop.orders\n")
    assert "needs: wal_level" in result.stderr
    assert "customer.yaml" not in result.stdout


def test_files_that_are_there_are_kept(new_database: Callable[..., str], tmp_path: Path) -> None:
    """Nothing at all is written then."""
    url = new_database()
    run_sql(url, SCHEMAS["shop"])
    (tmp_path / "order.yaml").write_text("mine")
    result = _run("--source-url", url, "--into", tmp_path)

    assert result.exit_code == 2
    assert "order.yaml is there already: nothing was written" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["order.yaml"]


@pytest.mark.parametrize(
    ("url", "line"),
    [
        ("what", "the source is no PostgreSQL URL"),
        ("postgresql://u:sesame@127.0.0.1:1/x", "cannot connect to the source"),
    ],
)
def test_a_source_that_cannot_be_read_is_one_line(url: str, line: str) -> None:
    """Without the password."""
    result = _run("--source-url", url)

    assert result.exit_code == 2
    assert result.stderr.startswith(f"nearview init: {line}")
    assert "sesame" not in result.stderr


def test_an_empty_database_has_nothing_to_propose(new_database: Callable[..., str]) -> None:
    """Said, not written."""
    result = _run("--source-url", new_database())

    assert (result.exit_code, result.stdout) == (2, "")
    assert "no table with a primary key was found" in result.stderr
