"""python -m bench: run the benchmarks, redraw what the documents show of them, look for regressions."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import click
from rich.console import Console
from rich.table import Table

from bench import check as checks
from bench import commit_latency, documentation, query, query_load, results, throughput
from bench.child import ChildFailed
from bench.forwarding import forwarding
from bench.machine import machine
from bench.recovery.command import recovery
from bench.session import FULL, QUICK, USUAL, Metrics, Session
from bench.table_server import ROOT, table_server
from local.running import StackError

SIZES: Final = {"quick": QUICK, "usual": USUAL, "full": FULL}
LEAST_RUNS: Final = 5


def _query(session: Session) -> Metrics:
    """The query function's own code and start, beside a plain handler of boto3 and Powertools."""
    session.say("query function")
    return query.measure(session.runs).metrics()


def _query_load(session: Session) -> Metrics:
    """The query function at the machine's limit, beside the same handler."""
    session.say("query function under load")
    return query_load.measure(session.runs)


BENCHMARKS: Final[dict[str, Callable[[Session], Metrics]]] = {
    "flat": throughput.flat,
    "nested": throughput.nested,
    "conditional_writes": throughput.conditional_writes,
    "replay": throughput.replay,
    "backlog": throughput.backlog,
    "hot_lookup": throughput.hot_lookup,
    "shards": throughput.shards,
    "documents": throughput.documents,
    "children": throughput.children,
    "fan_out": throughput.fan_out,
    "query": _query,
    "query_load": _query_load,
    "commit_to_document": commit_latency.commit_to_document,
}


@click.group(help=__doc__)
def main() -> None:
    pass


main.add_command(recovery)
main.add_command(forwarding)


@main.command()
@click.option("--only", multiple=True, type=click.Choice(list(BENCHMARKS)), help="One benchmark; may be repeated.")
@click.option("--runs", default=LEAST_RUNS, show_default=True, type=click.IntRange(min=1), help="Runs of each.")
@click.option(
    "--sizes", default="usual", show_default=True, type=click.Choice(list(SIZES)), help="How much a run does."
)
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON instead of tables.")
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Where to write the results.")
def run(only: tuple[str, ...], runs: int, sizes: str, as_json: bool, output: Path | None) -> None:
    """Run the benchmarks and write bench/results/latest.json, or with --only just those, and write nothing.

    --output writes the results somewhere else, also with --only. If a benchmark fails the others go on, the exit code
    is 1, and only --output is written.
    """
    started = time.monotonic()
    wanted = {name: BENCHMARKS[name] for name in BENCHMARKS if not only or name in only}
    found: dict[str, Metrics] = {}
    failures: list[str] = []
    described = machine()

    def say(what: str) -> None:
        click.echo(f"[{time.monotonic() - started:6.1f} s] {what}", err=True)

    for name, benchmark in wanted.items():
        # a server of its own for each, so that none meets what another left
        with table_server() as server:
            try:
                found[name] = benchmark(Session(server, runs, SIZES[sizes], say))
            except (ChildFailed, StackError, RuntimeError, ChildProcessError) as problem:
                failures.append(f"{name}: {problem}")
                say(failures[-1])
    about = {name: (wanted[name].__doc__ or "").strip() for name in found}
    everything = results.results(found, about, described, runs, sizes, time.monotonic() - started)
    target = output or (None if only or failures else results.LATEST)
    if target is not None:
        results.write(target, everything)
        say(f"written to {target}")
    if as_json:
        click.echo(json.dumps(everything, indent=1, ensure_ascii=False))
    else:
        _show(everything)
    if failures:
        raise click.ClickException("\n".join(failures))


@main.command()
@click.option("--update", is_flag=True, help="Store the ratios of this run instead of comparing them.")
def check(update: bool) -> None:
    """Compare key stages, in times a fixed piece of work, with bench/reference.json; exit 1 if one became slower."""
    with table_server() as server:
        found = checks.measure(server, click.echo)
    if update:
        checks.store_ratios(found)
        click.echo(f"stored in {checks.REFERENCE}")
        return
    if problems := checks.regressions(checks.stored_ratios(), found):
        raise click.ClickException("\n".join(problems))
    click.echo("no stage became slower")


@main.command("figures")
def figures_command() -> None:
    """Make the tables and drawings of docs/performance.md anew from bench/results/latest.json."""
    for path in documentation.write():
        click.echo(f"written: {path.relative_to(ROOT)}")


def _show(everything: dict[str, object]) -> None:
    console = Console()
    for title, columns, rows in results.tables(everything):
        table = Table(*columns, title=title, title_justify="left")
        for row in rows:
            table.add_row(*row)
        console.print(table)


if __name__ == "__main__":
    main()
