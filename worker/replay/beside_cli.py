"""`nearview replay --beside` on the command line."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click
from rich.console import Console

from worker.compose import build_retry
from worker.errors import FatalError
from worker.horizon import check_horizon, horizon_millis
from worker.log import Log
from worker.operator_cli import EXIT_DONE, operator_settings
from worker.parked.parking import Parking
from worker.parked.settings import DECODES, LOOKS
from worker.rebuild.stored_format import claim_patiently
from worker.replay import beside_state
from worker.replay.beside import Beside, Unparked
from worker.replay.beside_filter import make_filter
from worker.replay.beside_state import ShardState, State
from worker.replay.budget import Budget
from worker.replay.estimate import Estimate, total
from worker.replay.plan import First
from worker.replay.report import about
from worker.replay.request import Kind, Request, instant, parse_moment
from worker.replay.run import check_retention, point
from worker.replay.sampling import sample
from worker.replay.shards import Shards
from worker.replay.stream import Start, Stream
from worker.settings import Settings
from worker.source_settings import read_mapping, source
from worker.store.dynamodb import dynamodb_client
from worker.supervisor.aws import clients

NEEDED: Final = (*LOOKS, "rows_table", *DECODES, "stream", "conditional_writes", "max_document_bytes")
DEFAULT_WRITES: Final = 100.0
STATE: Final = Path("nearview-replay-beside.json")

Command = TypeVar("Command", bound=Callable[..., Any])

_OPTIONS: Final = (
    click.option("--beside", is_flag=True, help="Read with a consumer of its own; leases and workers are left alone."),
    click.option("--table", "tables", multiple=True, metavar="SCHEMA.TABLE", help="Beside: only of this table."),
    click.option("--key", "keys", multiple=True, help="Beside: only the row with this key; a|b for two columns."),
    click.option("--to-timestamp", metavar="TIME", help="Beside: what came in later is not read. Default: now."),
    click.option("--to-sequence", multiple=True, metavar="SHARD=NUMBER", help="Beside: the last record of a shard."),
    click.option("--writes-per-second", type=click.FloatRange(min=0.1), help="Beside: write units. Default: 100."),
    click.option("--reads-per-second", type=click.FloatRange(min=0.1), help="Beside: read units. Default: no limit."),
    click.option("--state", type=click.Path(path_type=Path), help=f"Beside: file to go on from. Default: {STATE}."),
    click.option("--restart", is_flag=True, help="Beside: begin anew, whatever the file says."),
)
_ONLY_BESIDE: Final = {
    "tables": "--table",
    "keys": "--key",
    "to_timestamp": "--to-timestamp",
    "to_sequence": "--to-sequence",
    "writes_per_second": "--writes-per-second",
    "reads_per_second": "--reads-per-second",
    "state": "--state",
    "restart": "--restart",
}
_NOT_BESIDE: Final = {"path": "--backup", "wait": "--wait"}


def BESIDE_OPTIONS(command: Command) -> Command:  # noqa: N802  used as click's decorators are
    """Adds the options."""
    return functools.reduce(lambda wrapped, option: option(wrapped), reversed(_OPTIONS), command)


def check_beside_options(options: dict[str, Any]) -> None:
    """Raises FatalError for options that go with the other kind of replay."""
    wrong = _NOT_BESIDE if options["beside"] else _ONLY_BESIDE
    if given := [name for key, name in wrong.items() if options[key]]:
        raise FatalError(f"{given[0]} goes {'not' if options['beside'] else 'only'} with --beside")
    if options["keys"] and len(options["tables"]) != 1:
        raise FatalError("--key needs the one --table that it is a key of")


def beside(request: Request, now_millis: int, options: dict[str, Any]) -> None:
    """Read again beside the workers. Raises FatalError; ends with the exit code."""
    settings = operator_settings(os.environ, NEEDED)
    mapping = read_mapping(Path(settings.mappings))
    wanted = make_filter(mapping, source(settings, mapping), options["tables"], options["keys"])
    found = clients(settings)
    stream = Stream(found.kinesis, settings.stream)
    shards = stream.shards()
    ends = _ends(options["to_sequence"])
    if unknown := sorted((request.named | ends.keys()) - {shard.name for shard in shards.in_order()}):
        raise FatalError(f"no shard {', '.join(unknown)} in the stream: wrong name, or all its records have expired")
    path = options["state"] or STATE
    asked = _asked(settings, options, request)
    state = None if options["restart"] or options["dry_run"] else beside_state.read(path, asked)
    if state is None:
        state, firsts = _begin(stream, shards, request, asked, _until(options["to_timestamp"], now_millis), now_millis)
        if options["dry_run"]:
            _print_outlook(stream, state, firsts, now_millis, as_json=options["as_json"])
            raise SystemExit(EXIT_DONE)
    oldest = min((shard.start_millis for shard in state.shards.values()), default=None)
    check_horizon(horizon_millis(found.dynamodb, settings.rows_table), oldest, "the replay")
    log = Log("warning")
    client = dynamodb_client(settings.region, settings.endpoint_url)
    claim_patiently(client, settings.rows_table, log)
    parking = Parking(client, settings.parked_table, log)
    run = Beside(
        stream,
        shards,
        build_retry(settings, Unparked(parking), log),
        wanted,
        Budget(options["writes_per_second"] or DEFAULT_WRITES),
        Budget(options["reads_per_second"]),
        state,
        ends,
        functools.partial(beside_state.write, path),
        _teller(as_json=options["as_json"]),
    )
    run.run()
    _print_done(state, as_json=options["as_json"])
    raise SystemExit(EXIT_DONE)


def _begin(
    stream: Stream, shards: Shards, request: Request, asked: dict[str, Any], until_millis: int, now_millis: int
) -> tuple[State, dict[str, First]]:
    """A state at the beginning, with the shards that have records from there on."""
    if request.kind is Kind.TIMESTAMP:
        check_retention(stream, request, now_millis)
    chosen = request.named | shards.descendants(request.named)
    names = [shard.name for shard in shards.in_order() if not chosen or shard.name in chosen]
    looked = {name: stream.first(name, _start(name, request)) for name in names}
    firsts = {name: first for name, first in looked.items() if first and first.arrival_millis <= until_millis}
    found = {
        name: ShardState("", first.sequence, first.arrival_millis, first.arrival_millis)
        for name, first in firsts.items()
    }
    return State(asked, until_millis, found), firsts


def _start(name: str, request: Request) -> Start:
    if request.kind is Kind.START or (request.sequences and name not in request.sequences):
        return Start()
    return point(name, request)


def _until(text: str | None, now_millis: int) -> int:
    return parse_moment(text, "--to-timestamp", now_millis) if text else now_millis


def _ends(texts: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for text in texts:
        shard, equals, number = text.partition("=")
        if not equals or not number.isascii() or not number.isdigit():
            raise FatalError(f"--to-sequence {text} is not SHARD=NUMBER")
        found[shard] = number
    return found


def _asked(settings: Settings, options: dict[str, Any], request: Request) -> dict[str, Any]:
    """What makes a replay the same one: as it was given, for a span of time is another one later."""
    return {
        "stream": settings.stream,
        "documents": settings.documents_table,
        "from": [str(part) for part in options["asked"]],
        "shards": sorted(request.shards),
        "tables": sorted(options["tables"]),
        "keys": sorted(options["keys"]),
        "to": [options["to_timestamp"] or "", *sorted(options["to_sequence"])],
    }


def _print_outlook(stream: Stream, state: State, firsts: dict[str, First], now_millis: int, *, as_json: bool) -> None:
    found = {name: sample(stream, name, first, now_millis) for name, first in firsts.items()}
    if as_json:
        shards = {name: {"first": firsts[name].sequence, "records": one.records} for name, one in found.items()}
        click.echo(json.dumps({"until": instant(state.until_millis), "shards": shards, "exact": _exact(found)}))
        return
    for name, one in found.items():
        at = instant(firsts[name].arrival_millis)
        click.echo(f"{name} from {at}: {about(one.records, one.exact)} records, {one.payload_bytes / 1e6:,.1f} MB")
    all_of_them = total(found.values())
    click.echo(f"{about(all_of_them.records, all_of_them.exact)} records up to now, filters not considered")


def _exact(found: dict[str, Estimate]) -> bool:
    return all(one.exact for one in found.values())


def _teller(*, as_json: bool) -> Callable[[State], None]:
    console = Console(stderr=True)

    def tell(state: State) -> None:
        if not as_json or console.is_terminal:
            counts = state.counts
            console.print(
                f"{state.part():.0%}: {counts['records']:,} records, {counts['documents_written']:,} documents written,"
                f" {counts['documents_unchanged']:,} unchanged",
                highlight=False,
            )

    return tell


def _print_done(state: State, *, as_json: bool) -> None:
    counts = {name: round(number, 1) for name, number in sorted(state.counts.items()) if number}
    if as_json:
        click.echo(json.dumps({"done": state.done, "until": instant(state.until_millis), **counts}, indent=1))
        return
    reads = sum(number for name, number in counts.items() if name.startswith("read_units"))
    writes = sum(number for name, number in counts.items() if name.startswith("write_units"))
    get = counts.get
    click.echo(
        f"{get('records', 0):,} records read, {get('records_taken', 0):,} of them used, {get('changes', 0):,} changes:"
        f" {get('rows_written', 0):,} rows and {get('documents_written', 0):,} documents written,"
        f" {get('documents_unchanged', 0):,} documents unchanged\n"
        f"{reads:,.1f} read units, {writes:,.1f} write units"
    )
    for name, number in counts.items():
        if name.startswith("not_used_") or name == "records_unreadable":
            why = name.removeprefix("not_used_").removeprefix("records_")
            click.echo(f"{number:,} not used: {why} (the workers park such records)")
