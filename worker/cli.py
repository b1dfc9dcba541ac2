"""The `nearview` program: the worker's commands, and those that other packages add as entry points."""

import json
import os
import sys
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec

import click

from worker.errors import FatalError, SettingsError
from worker.settings import parse
from worker.settings_reference import markdown, reference

GROUP = "nearview.commands"
# loaded as the added ones are: looking at parked records must not slow down the start of a worker
OWN = (
    EntryPoint("deploy", "cloudformation.deploy.cli:deploy", GROUP),
    EntryPoint("dms", "worker.dms.cli:dms", GROUP),
    EntryPoint("parked", "worker.parked.cli:parked", GROUP),
    EntryPoint("incarnation", "worker.source_cli:incarnation", GROUP),
    EntryPoint("drift", "worker.source_cli:drift", GROUP),
    EntryPoint("lint", "worker.mapping.cli:lint_command", GROUP),
    EntryPoint("schema", "worker.mapping.cli:schema_command", GROUP),
    EntryPoint("test", "worker.examples.cli:test", GROUP),
    EntryPoint("explain", "worker.explain.cli:explain", GROUP),
    EntryPoint("plan", "worker.evolve.cli:plan", GROUP),
    EntryPoint("init", "worker.init.cli:init", GROUP),
    EntryPoint("rebuild", "worker.rebuild.cli:rebuild", GROUP),
    EntryPoint("failover", "worker.failover.cli:failover", GROUP),
    EntryPoint("replay", "worker.replay.cli:replay", GROUP),
    EntryPoint("console", "worker.console.cli:console", GROUP),
    EntryPoint("heartbeat", "worker.heartbeat.cli:heartbeat", GROUP),
    EntryPoint("status", "worker.status.cli:status", GROUP),
    EntryPoint("trace", "worker.trace.cli:trace", GROUP),
    EntryPoint("sweep", "worker.rebuild.cli:sweep_command", GROUP),
    EntryPoint("sweep-parts", "worker.rebuild.parts_cli:sweep_parts_command", GROUP),
)


class Commands(click.Group):
    """Loads an added command when it is asked for, so that one that cannot be loaded spoils no other."""

    def list_commands(self, context: click.Context) -> list[str]:
        """Own and added commands. A package that is left out on purpose, as in the image, has none."""
        return sorted({*super().list_commands(context), *(name for name, point in _added().items() if _is_here(point))})

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """The command, or one that says in one line why it is not available."""
        if own := super().get_command(context, name):
            return own
        point = _added().get(name)
        if point is None or not _is_here(point):
            return None
        try:
            command = point.load()
        except ModuleNotFoundError as error:
            return _unavailable(name, error.name or point.value)
        return command if isinstance(command, click.Command) else None


def _added() -> dict[str, EntryPoint]:
    return {point.name: point for point in (*OWN, *entry_points(group=GROUP))}


def _is_here(point: EntryPoint) -> bool:
    return find_spec(point.module.partition(".")[0]) is not None


def _unavailable(name: str, module: str) -> click.Command:
    @click.command(
        name,
        help=f"Not available here: the Python module {module} is not installed.",
        context_settings={"ignore_unknown_options": True},
    )
    @click.argument("arguments", nargs=-1)
    def command(arguments: tuple[str, ...]) -> None:  # noqa: ARG001 - whatever was asked, the answer is the same
        raise click.ClickException(f"{name} needs the Python module {module}, which is not installed")

    return command


@click.group(cls=Commands)
@click.version_option(package_name="nearview")
def main() -> None:
    """nearview: ready documents near every user, from the changes of a far-away relational database."""


@main.group()
def worker() -> None:
    """Run or check the worker."""


@worker.command("run")
def worker_run() -> None:
    """Run the supervisor until SIGTERM; it starts KCL's daemon and with it a process per shard."""
    from worker.supervisor.main import run

    sys.exit(run(os.environ))


@worker.command("check")
@click.option("--online", is_flag=True, help="Look for the tables, the stream and the key of parked payloads as well.")
def worker_check(online: bool) -> None:
    """Check Java, jars, settings and mappings; exit 1 if anything is wrong."""
    from worker.parked.keys import unusable_key
    from worker.supervisor import aws, checks

    good, bad = checks.installation(os.environ.get("NEARVIEW_JAVA", ""), os.environ)
    try:
        settings = parse(os.environ)
    except SettingsError as error:
        bad += [f"setting: {line}" for line in error.problems]
    else:
        good.append("settings: complete")
        mappings = checks.mapping_problems(settings)
        bad += [f"mapping: {line}" for line in mappings]
        good += [] if mappings else [f"mappings: {settings.mappings} has no problem"]
        if online:
            found = aws.clients(settings)
            missing = [*aws.missing_resources(found, settings)]
            missing += [] if missing else aws.newer_format(found, settings)
            bad += [f"aws: {line}" for line in (*missing, *unusable_key(settings))]
    for line in good:
        click.echo(f"ok       {line}")
    for line in bad:
        click.echo(f"problem  {line}")
    sys.exit(bool(bad))


@worker.command("archive")
def worker_archive() -> None:
    """Prepare Java's start: an archive of the classes that the daemon needs. Make it again with another Java."""
    from worker.supervisor import archive, jars
    from worker.supervisor.java import find_java

    folder = jars.jar_folder()
    try:
        if folder is None or (fault := jars.problem(folder)):
            raise FatalError(fault if folder else "amazon_kclpy is not installed")
        made = archive.build(find_java(os.environ.get("NEARVIEW_JAVA", ""), os.environ), folder)
    except FatalError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{made}: {made.stat().st_size / 1e6:.0f} MB; the daemon uses it from its next start on")


@main.command("settings")
@click.option("--json", "as_json", is_flag=True, help="As a JSON list.")
@click.option("--markdown", "as_markdown", is_flag=True, help="As the text of docs/settings.md.")
def settings_command(as_json: bool, as_markdown: bool) -> None:
    """List every setting of the worker: values, default and meaning."""
    if as_json:
        click.echo(json.dumps(reference(), indent=2))
    elif as_markdown:
        click.echo(markdown(), nl=False)
    else:
        for entry in reference():
            default = "required" if entry["required"] else f"default: {entry['default']!r}"
            click.echo(f"{entry['name']}  ({entry['values']}; {default})\n    {entry['description']}")


if __name__ == "__main__":
    main()
