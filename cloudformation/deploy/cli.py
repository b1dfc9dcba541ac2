"""`nearview deploy` on the command line."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NoReturn

import click
from rich.console import Console

from cloudformation.deploy import compose, decide, plan, remove, show
from cloudformation.deploy.aws import Aws
from cloudformation.deploy.changes import Change
from cloudformation.deploy.errors import DeployError, Failed
from cloudformation.deploy.finishing import Finishing
from cloudformation.deploy.order import Step
from cloudformation.deploy.run import Deployment
from cloudformation.deploy.site import Site

EXIT_DONE: Final = 0
EXIT_STOPPED: Final = 1
EXIT_UNUSABLE: Final = 2
EXIT_INTERRUPTED: Final = 130


@click.command("deploy")
@click.argument("env", metavar="ENV")
@click.option("--dry-run", is_flag=True, help="Show what would change and end.")
@click.option("--yes", is_flag=True, help="Do not ask. What would lose data is refused all the same.")
@click.option("--status", "show_status", is_flag=True, help="Show the state of every stack and end.")
@click.option(
    "--remove", "removing", is_flag=True, help="Remove the stacks, the last one first; what holds data stays."
)
@click.option("--delete-data", is_flag=True, help="With --remove: what holds data as well, for ever.")
@click.option("--confirm", metavar="ENV", help="For --delete-data without a terminal: the environment's name again.")
@click.option(
    "--allow-data-loss", multiple=True, metavar="LAYER.RESOURCE", help="Let a change replace or remove it; repeatable."
)
@click.option("--only", multiple=True, metavar="LAYER", help="These layers alone, in their order; repeatable.")
@click.option(
    "--environments",
    type=click.Path(path_type=Path),
    default=compose.ENVIRONMENTS,
    help="Folder of the environments' files; ENV may be the path of a file as well.",
)
@click.option(
    "--templates", type=click.Path(path_type=Path), default=compose.FOLDER, help="Folder of layers.yaml and templates."
)
@click.option("--journal", type=click.Path(path_type=Path), help="File that steps are recorded in.")
@click.option("--profile", metavar="NAME", help="Profile of AWS's configuration.")
@click.option("--no-lint", is_flag=True, help="Leave out cfn-lint, where it is installed.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object; progress stays on stderr.")
def deploy(env: str, **options: Any) -> None:
    """Deploy all layers of an environment to its regions, in order; run again, it goes on where it stopped.

    Everything is checked and shown before anything is changed: files, templates, account, regions, and the change set
    of each stack. Credentials come from where AWS's own tools take them.

    Exit codes: 0 all is as it should be, 1 it stopped at a step, 2 nothing was done.
    """
    console = Console(stderr=True)
    try:
        _run(env, options, console)
    except Failed as error:
        _end(error, EXIT_STOPPED)
    except DeployError as error:
        _end(error, EXIT_UNUSABLE)
    except KeyboardInterrupt:
        click.echo(
            "nearview deploy: interrupted; what CloudFormation has begun goes on there. Run it again to go on", err=True
        )
        raise SystemExit(EXIT_INTERRUPTED) from None


def _run(env: str, options: dict[str, Any], console: Console) -> None:
    if options["delete_data"] and not options["removing"]:
        raise DeployError("--delete-data goes with --remove")
    wanted = compose.read(env, options["environments"], options["templates"], lint_too=not options["no_lint"])
    aws = Aws(options["profile"])
    identity = compose.identify(wanted, aws)
    prefix = wanted.environment.prefix
    journal = options["journal"] or Path(".nearview") / "deploy" / f"{prefix}.jsonl"
    site = compose.site(wanted, aws, identity, journal, show.Progress(console), only=options["only"])
    console.print(
        f"{prefix} in {', '.join(wanted.environment.regions)}: account {identity.account}, {identity.arn}",
        highlight=False,
        soft_wrap=True,
    )
    if options["show_status"]:
        _status(site, as_json=options["as_json"])
    elif options["removing"]:
        _remove(site, options, console)
    else:
        _deploy(site, options, console)


def _status(site: Site, *, as_json: bool) -> None:
    found = [(step, site.stack_name(step), site.look(step)) for step in site.steps]
    if as_json:
        listed = [
            {
                "layer": step.layer.name,
                "region": step.region,
                "stack": name,
                "status": stack.status if stack else None,
                "protected": stack.protected if stack else None,
                "outputs": dict(stack.outputs) if stack else {},
            }
            for step, name, stack in found
        ]
        click.echo(json.dumps({"env": site.environment.prefix, "stacks": listed}, indent=1))
    else:
        show.status(Console(), found)
    good = all(stack is not None and stack.status in decide.STABLE for _, _, stack in found)
    sys.exit(EXIT_DONE if good else EXIT_STOPPED)


def _deploy(site: Site, options: dict[str, Any], console: Console) -> None:
    planned = plan.plan(site, site.journal.run)
    show.plan(console, planned)
    allowed = frozenset(options["allow_data_loss"])
    if lines := plan.losses(planned, allowed):
        raise DeployError(*lines)
    if options["dry_run"]:
        _say(options, {"env": site.environment.prefix, "dry_run": True, "steps": [one.as_json() for one in planned]})
        return
    changing = [one for one in planned if not one.unchanged]
    if changing:
        _ask(options, f"{len(changing)} of {len(planned)} stacks change. Go on?")
    site.journal.record("begin", action="deploy", file=site.environment.file, regions=list(site.environment.regions))
    deployment = Deployment(site, Finishing(site, time.sleep), _confirmer(options, console), allowed)
    try:
        deployment.run(planned)
    finally:
        done = [one.as_json() for one in deployment.done]
        ended = "done" if len(done) == len(planned) else "stopped"
        site.journal.record("end", result=ended)
        _say(
            options,
            {
                **site.journal.common,
                "run": site.journal.run,
                "result": ended,
                "steps": done,
            },
        )
    show.results(console, deployment.done)


def _remove(site: Site, options: dict[str, Any], console: Console) -> None:
    delete_data = options["delete_data"]
    planned = remove.plan(site, delete_data=delete_data)
    show.removal(console, planned)
    prefix = site.environment.prefix
    if options["dry_run"]:
        _say(options, {"env": prefix, "dry_run": True, "steps": [one.as_json() for one in planned]})
        return
    name = site.environment.env
    if delete_data:
        typed = options["confirm"]
        if typed is None and sys.stdin.isatty():
            typed = click.prompt(f"All data of {prefix} is deleted, for ever. Type the environment's name", err=True)
        if typed != name:
            raise DeployError(f"--delete-data: not confirmed, type {name} (or give --confirm {name}); nothing was done")
    elif any(one.result == "removed" for one in planned):
        _ask(options, f"{sum(one.result == 'removed' for one in planned)} stacks are removed. Go on?")
    site.journal.record("begin", action="remove", file=site.environment.file, delete_data=delete_data)
    result = "stopped"
    try:
        done = remove.run(site, planned, time.sleep, delete_data=delete_data)
        result = "done"
    finally:
        site.journal.record("end", result=result)
    _say(
        options,
        {**site.journal.common, "run": site.journal.run, "result": result, "steps": [one.as_json() for one in done]},
    )


def _confirmer(options: dict[str, Any], console: Console) -> Callable[[Step, tuple[Change, ...]], bool]:
    """Asks about changes that were not in the plan: outputs of stacks before may lead to more."""

    def confirm(step: Step, found: tuple[Change, ...]) -> bool:
        console.print(f"[bold]{step.name}[/]: changes that the plan could not show", highlight=False)
        console.print(show.changes(found))
        if options["yes"]:
            return True
        return sys.stdin.isatty() and click.confirm("Go on?", err=True)

    return confirm


def _ask(options: dict[str, Any], question: str) -> None:
    if options["yes"]:
        return
    if not sys.stdin.isatty():
        raise DeployError("nobody can be asked here: look with --dry-run, then give --yes")
    if not click.confirm(question, err=True):
        raise DeployError("not confirmed, nothing was done")


def _say(options: dict[str, Any], result: dict[str, Any]) -> None:
    if options["as_json"]:
        click.echo(json.dumps(result, indent=1))


def _end(error: DeployError, code: int) -> NoReturn:
    for line in error.problems:
        click.echo(f"nearview deploy: {line}", err=True)
    raise SystemExit(code)
