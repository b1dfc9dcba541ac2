"""A second region on this machine: a MiniStack of its own, lines that can be cut, global tables between the two.

The first region keeps the stack's folder; the second has one of its own under `regions/`, with the same layout. What
enters or leaves a region goes over a line of that region: calls of its API (edge), its way to the monolith, its DMS
task's way to the source, the replication of global tables (link), and its functions' way to the other region's tables
(peer). Inside a region nothing is cut.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from itertools import permutations
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from contract.regions import Primary, primary_write
from local import ministack as ministack_process
from local.deploy import PROJECT, Api, Storage, deploy_api, deploy_storage
from local.line import HOST, Line, Lines
from local.ministack import MiniStack
from local.processes import Processes, free_port
from local.replication import Settings as ReplicationSettings
from local.running import Options, Running

if TYPE_CHECKING:
    from local.stack import Stack

PROGRAM: Final = (*ministack_process.PROGRAM, "statements-in-streams")
LINES: Final = "lines"
REPLICATION: Final = "replication"
START_SECONDS: Final = 30
CACHE_SECONDS: Final = 2
FENCE_SECONDS: Final = 40
LAG_MILLIS: Final = 200.0
"""Global tables usually take less than a second."""

EDGE, MONOLITH, SOURCE, LINK, PEER = "edge", "monolith", "source", "link", "peer"

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Ways:
    """How a region reaches what is outside of it, and is reached; without lines all of it is direct."""

    source_url: str
    monolith_url: str | None
    edge_port: int | None = None
    link_port: int | None = None
    peer_port: int | None = None

    def public(self, ministack: MiniStack, api: Api) -> str | None:
        """The API as the rest of the world reaches it."""
        if self.edge_port is None:
            return None
        return api.direct_url.replace(f":{ministack.port}/", f":{self.edge_port}/", 1)


def folder_of(folder: Path, region: str) -> Path:
    """Where a second region keeps everything."""
    return folder / "regions" / region


def others(folder: Path) -> list[str]:
    """The second regions that have a folder."""
    return sorted(path.name for path in (folder / "regions").glob("*") if path.is_dir())


def lines_of(folder: Path) -> Lines:
    """The lines of a stack."""
    return Lines(folder / LINES)


def ways(folder: Path, region: str, source_url: str, monolith_url: str | None) -> Ways:
    """The ways of a region over its lines."""
    lines = {line.name: line for line in lines_of(folder).laid() if line.regions[0] == region}
    if not lines:
        return Ways(source_url, monolith_url)
    over_line = source_url.replace(f":{lines[SOURCE].to_port}/", f":{lines[SOURCE].port}/", 1)
    monolith = None if monolith_url is None else f"http://{HOST}:{lines[MONOLITH].port}"
    return Ways(over_line, monolith, lines[EDGE].port, lines[LINK].port, lines[PEER].port)


def prepare(
    stack: Stack,
    options: Options,
    first: MiniStack,
    storage: Storage,
    postgres_port: int | None,
    monolith_url: str | None,
) -> MiniStack | None:
    """The second region's services, the lines and the replication, before a row is loaded; None with one region."""
    if len(options.regions) == 1 or postgres_port is None or monolith_url is None:
        return None
    name = options.regions[1]
    second = ministack_process.start(stack.second(name).processes, program=PROGRAM, region=name)
    deploy_storage(second, lambda _: None, shard_count=options.shards)
    lay(stack.processes, (first, second), postgres_port, monolith_url)
    replicate(stack.processes, (first, second), storage)
    return second


def lay(processes: Processes, ministacks: Sequence[MiniStack], postgres_port: int, monolith_url: str) -> None:
    """Start the lines of all regions; ProcessError if they cannot be."""
    lines = []
    for ministack in ministacks:
        targets = {
            EDGE: ministack.port,
            LINK: ministack.port,
            SOURCE: postgres_port,
            MONOLITH: int(monolith_url.rpartition(":")[2]),
        }
        lines += [Line(name, (ministack.region,), free_port(), port) for name, port in targets.items()]
    for one, other in permutations(ministacks):
        lines.append(Line(PEER, (one.region, other.region), free_port(), other.port))
    folder = processes.folder / LINES
    (folder / "serving").unlink(missing_ok=True)
    Lines(folder).lay(lines)
    processes.start(LINES, [sys.executable, "-m", "local.line", str(folder)])
    processes.wait_until((folder / "serving").exists, START_SECONDS, "the lines between the regions", [LINES])


def replicate(processes: Processes, ministacks: Sequence[MiniStack], storage: Storage) -> None:
    """Join the tables of the regions as replicas of global tables."""
    tables = storage.global_tables
    for ministack in ministacks:
        _stream(ministack, tables)
    folder = processes.folder
    links = {m.region: f"http://{HOST}:{ways(folder, m.region, '', None).link_port}" for m in ministacks}
    settings = ReplicationSettings(links, tables, LAG_MILLIS, str(folder / "replication.status.json"))
    file = folder / "replication.json"
    file.write_text(json.dumps(asdict(settings), indent=1))
    processes.start(REPLICATION, [sys.executable, "-m", "local.replication", str(file)])


def _stream(ministack: MiniStack, tables: Sequence[str]) -> None:
    """Global tables have streams with both images; a table of one region only may have none."""
    client = ministack.client("dynamodb")
    for table in tables:
        if not client.describe_table(TableName=table)["Table"].get("StreamSpecification", {}).get("StreamEnabled"):
            wanted = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
            client.update_table(TableName=table, StreamSpecification=wanted)


def wire(folder: Path, one: Running, fence_seconds: float = FENCE_SECONDS) -> None:
    """Tell a region's command function of the other region, whose tables it reaches over a line.

    On AWS the template does; there the other region's DynamoDB has its usual address.
    """
    client = one.ministack.client("lambda")
    name = f"{PROJECT}-command"
    variables = client.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    told = {
        "REGIONS_TABLE": one.storage.regions_table,
        "PEER_REGIONS": _peer(folder, one.region, one.other_region or ""),
        "REGIONS_CACHE_SECONDS": str(CACHE_SECONDS),
        "FENCE_SECONDS": str(fence_seconds),
    }
    client.update_function_configuration(FunctionName=name, Environment={"Variables": {**variables, **told}})


def fenced(folder: Path, region: str, other: str, storage: Storage) -> dict[str, str]:
    """The worker's settings by which it asks the other region, over a line; the stack runs."""
    return {
        "NEARVIEW_REGIONS_TABLE": storage.regions_table,
        "NEARVIEW_PEER_REGIONS": _peer(folder, region, other),
        "NEARVIEW_FENCE_SECONDS": str(FENCE_SECONDS),
    }


def _peer(folder: Path, region: str, other: str) -> str:
    """The other region and the address of its DynamoDB, as the settings of functions and workers name them."""
    return f"{other}=http://{HOST}:{ways(folder, region, '', None).peer_port}"


def register(first: Running) -> None:
    """The first region executes commands; nothing if a region was named before."""
    primary = Primary(first.region, 1, first.public_url or "")
    client = first.ministack.client("dynamodb")
    request = primary_write(first.storage.regions_table, primary, now=time.time_ns() // 1000)
    with suppress(client.exceptions.ConditionalCheckFailedException):
        client.update_item(**request)


def replication_status(folder: Path) -> dict[str, Any]:
    """What the replication says of itself; empty before it has said anything."""
    try:
        found: dict[str, Any] = json.loads((folder / "replication.status.json").read_text())
    except (OSError, ValueError):
        return {}
    return found


def start_second(second: Stack, ministack: MiniStack, first: Running, code: bytes, task: dict[str, Any]) -> str:
    """Deploy the second region, whose MiniStack runs, and keep its place in the source's log.

    Its worker and its DMS task stand by: a promotion starts them. Returns a line that says so.
    Raises DeployError, ProcessError, StackError.
    """
    there = ways(second.folder.parents[1], ministack.region, first.source_url, first.monolith_url)
    api = deploy_api(ministack, lambda _: None, code, there.monolith_url or first.api_direct_url or "")
    port = free_port()
    running = replace(
        first,
        ministack_port=ministack.port,
        region=ministack.region,
        captured_url=there.source_url,
        worker_url=f"http://{HOST}:{port}",
        environment={
            **first.environment,
            **ministack.environment(),
            "NEARVIEW_HTTP_PORT": str(port),
            **fenced(second.folder.parents[1], ministack.region, first.region, first.storage),
        },
        api_url=api.url,
        api_direct_url=api.direct_url,
        public_url=there.public(ministack, api),
        other_region=first.region,
    )
    second.keep(running)
    second.stand_in.write_task(task)
    second.stand_in.stand_by(running)
    for one in (first, running):
        wire(second.folder.parents[1], one)
    register(first)
    return f"second region {ministack.region}: API {running.public_url}; its worker and DMS task stand by"
