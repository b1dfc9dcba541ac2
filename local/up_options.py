"""The options of `nearview local up` and `demo`: what a new stack is to run."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click
import psycopg2
from click.core import ParameterSource
from psycopg2.extensions import parse_dsn

from local.ministack import REGION
from local.postgres import HOST, USER
from local.running import Options
from local.stack import DATABASE

_PATH: Final = click.Path(path_type=Path, exists=True)
_REGION: Final = re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9]")
_OPTIONS: Final = (
    click.option(
        "--mappings", type=_PATH, default=Options().mappings, show_default=True, help="Folder of mapping files."
    ),
    click.option(
        "--schema", type=_PATH, help="SQL script (.sql or .sql.gz) that makes and fills a database of your own."
    ),
    click.option(
        "--source-url",
        envvar="NEARVIEW_SOURCE_URL",
        help="A PostgreSQL of your own, with wal_level=logical; instead of --schema.",
    ),
    click.option("--task", type=_PATH, help="DMS settings for the stand-in (as local/dms/default_task.json)."),
    click.option(
        "--stand-in",
        multiple=True,
        metavar="NAME=VALUE",
        help="A switch of the stand-in, over the task file's; may be repeated.",
    ),
    click.option("--orders", default=2_000, show_default=True, help="Orders in the demo's seed data."),
    click.option("--seed", default=1, show_default=True, help="Seed of the demo's data."),
    click.option(
        "--shards", default=2, show_default=True, help="Shards of the stream; each gets a child of the worker."
    ),
    click.option(
        "--regions",
        default=REGION,
        show_default=True,
        metavar="PRIMARY[,SECONDARY]",
        help="The regions of the installation; with two, the demo's shop only.",
    ),
    click.option("--ministack-port", type=int, help="Port of the AWS stand-in (default: a free one)."),
    click.option("--postgres-port", type=int, help="Port of PostgreSQL (default: a free one)."),
    click.option("--http-port", type=int, help="Port of the worker's metrics and health (default: a free one)."),
)


def stack_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command all options of a new stack."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def chosen_options(options: dict[str, Any], say: Callable[[str], None]) -> Options:
    """What the running command was asked to run. Raises UsageError when --schema and --source-url are both given.

    A URL from the environment does not stand above --schema, nor is it used when it is that of a local stack: the shell
    has it from `nearview local env`, and that database goes with its stack.
    """
    schema, url = options["schema"], options["source_url"]
    given = click.get_current_context().get_parameter_source("source_url") is ParameterSource.COMMANDLINE
    if given and schema is not None:
        raise click.UsageError("--schema makes a database, --source-url takes one that runs: give one of them")
    if url is not None and not given and (schema is not None or _is_of_a_local_stack(url)):
        say("NEARVIEW_SOURCE_URL is not used: " + ("--schema" if schema else "it is that of a local stack"))
        url = None
    regions = tuple(options["regions"].split(","))
    if len(regions) > 2 or len(set(regions)) != len(regions) or not all(_REGION.fullmatch(r) for r in regions):
        raise click.UsageError("--regions: one or two names of regions, as eu-west-1,us-east-1")
    chosen = Options(**{**options, "source_url": url, "regions": regions})
    if len(regions) == 2 and not chosen.is_shop:
        raise click.UsageError("--regions: two regions need the demo's shop, without --schema and --source-url")
    return chosen


def _is_of_a_local_stack(url: str) -> bool:
    try:
        parts = parse_dsn(url)
    except psycopg2.ProgrammingError:
        return False
    return (parts.get("user"), parts.get("host"), parts.get("dbname")) == (USER, HOST, DATABASE)
