"""What the commands for operators share: the settings they need, errors of one line, exit codes."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, NoReturn, TypeVar

import click

from worker.errors import NearviewError, SettingsError
from worker.settings import Settings, parse, specs

EXIT_DONE: Final = 0
EXIT_NOT_ALL: Final = 1
EXIT_UNUSABLE: Final = 2

Command = TypeVar("Command", bound=Callable[..., None])


mappings_option: Final = click.option(
    "--mappings",
    envvar="NEARVIEW_MAPPINGS",
    type=click.Path(path_type=Path),
    default=Path("mappings"),
    show_default=True,
    show_envvar=True,
    help="Folder of the mapping files.",
)


def operator_settings(environ: Mapping[str, str], needed: tuple[str, ...]) -> Settings:
    """Settings of which only those `needed` are read; of a worker's others an operator's shell need not know.

    Raises SettingsError with all problems.
    """
    used = {spec.name: environ.get(spec.name, "") for name, spec in specs() if name in needed}
    unused = {spec.name: "unused" for name, spec in specs() if spec.required and name not in needed}
    return parse({**used, **unused})


def one_line_errors(name: str) -> Callable[[Command], Command]:
    """A command `nearview NAME` whose errors take one line each on stderr and exit with 2."""

    def wrap(command: Command) -> Command:
        @functools.wraps(command)
        def run(*arguments: Any, **options: Any) -> None:
            try:
                command(*arguments, **options)
            except SettingsError as error:
                fail(name, *error.problems)
            except NearviewError as error:
                fail(name, str(error))

        return run  # type: ignore[return-value]

    return wrap


def fail(name: str, *lines: str) -> NoReturn:
    """End with lines on stderr: nothing could be done."""
    for line in lines:
        click.echo(f"nearview {name}: {line}", err=True)
    raise SystemExit(EXIT_UNUSABLE)
