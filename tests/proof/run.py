"""Runs random cases by hand: `python -m tests.proof.run --seed 7`, or `--seeds 0..2000 --json` for a long run."""

from __future__ import annotations

import json
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from local.postgres import Postgres
from local.processes import free_port
from tests.proof.case import Outcome, run_case

_PROGRESS_EVERY_SECONDS = 10.0


@contextmanager
def server() -> Iterator[Postgres]:
    """A PostgreSQL of its own, gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        postgres = Postgres(Path(folder), free_port(), durable=False)
        try:
            postgres.start()
            yield postgres
        finally:
            postgres.destroy()


def _seeds(seed: int | None, seeds: str | None) -> range:
    if seed is not None:
        return range(seed, seed + 1)
    first, dots, last = (seeds or "0..60").partition("..")
    if not (dots and first.isdigit() and last.isdigit()):
        raise click.UsageError("--seeds: write FIRST..END, for instance 0..60 (END is not run)")
    return range(int(first), int(last))


@click.command()
@click.option("--seed", type=int, help="one case, with its schema and mapping")
@click.option("--seeds", help="cases FIRST..END, END not included")
@click.option("--json", "as_json", is_flag=True, help="a line of JSON for each case")
@click.option("--stop", is_flag=True, help="end at the first case that fails")
def main(seed: int | None, seeds: str | None, as_json: bool, stop: bool) -> None:
    """Run random cases; exit code 1 if one of them fails."""
    failed: list[int] = []
    chosen = _seeds(seed, seeds)
    started = said = time.monotonic()
    with server() as postgres:
        for number in chosen:
            outcome = _case(postgres.url(), number)
            if outcome.findings:
                failed.append(number)
            _show(outcome, as_json=as_json, alone=seed is not None)
            if time.monotonic() - said > _PROGRESS_EVERY_SECONDS:
                said = time.monotonic()
                click.echo(f"{number - chosen.start + 1} of {len(chosen)} cases, {len(failed)} failed", err=True)
            if stop and failed:
                break
    click.echo(
        f"seeds {chosen.start}..{chosen.stop}: {len(failed)} failed {failed} in {time.monotonic() - started:.0f} s"
    )
    sys.exit(1 if failed else 0)


def _case(url: str, seed: int) -> Outcome:
    try:
        return run_case(url, seed)
    except Exception as error:  # noqa: BLE001  a case that breaks is a finding like any other
        return Outcome(seed, [f"{type(error).__name__}: {error}", *traceback.format_tb(error.__traceback__)[-3:]])


def _show(outcome: Outcome, *, as_json: bool, alone: bool) -> None:
    if as_json:
        figures = {k: v for k, v in vars(outcome).items() if k not in ("schema", "mappings")}
        click.echo(json.dumps(figures, ensure_ascii=False))
    elif outcome.findings or alone:
        click.echo(outcome.story())


if __name__ == "__main__":
    main()
