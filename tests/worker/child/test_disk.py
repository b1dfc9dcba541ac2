"""A disk that is full or takes no write: a child reports nothing that is not durable, and its successor goes on."""

from __future__ import annotations

import json
import resource
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from local.ministack import MiniStack
from tests.worker.child.fake_daemon import FakeDaemon
from tests.worker.conftest import Tables
from tests.worker.dms_records import change

MAPPING = "aggregate: order\nsource: shop.orders\nkey: order_id\nfields: [order_id, note]\n"
STATUS = {"action": "status", "responseFor": "processRecords"}
BATCHES = 12
Start = Callable[[Path], FakeDaemon]


@pytest.fixture
def start(tables: Tables, ministack: MiniStack, tmp_path: Path) -> Iterator[Start]:
    """Starts nearview's own child on the tables, with its run folder in the given one."""
    (tmp_path / "mappings").mkdir()
    (tmp_path / "mappings" / "order.yaml").write_text(MAPPING)
    made: list[FakeDaemon] = []

    def starter(folder: Path) -> FakeDaemon:
        for inner in ("metrics", "children", "pulses"):
            shutil.rmtree(folder / inner, ignore_errors=True)
        settings = {**ministack.environment(), **tables.environment(), "NEARVIEW_MAPPINGS": str(tmp_path / "mappings")}
        made.append(FakeDaemon(folder, "worker.child", **settings))
        return made[-1]

    yield starter
    for daemon in made:
        daemon.end()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own that holds little."""
    place = tmp_path / "disk"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", place], capture_output=True).returncode:
        pytest.skip("a file system of its own needs the right to mount one")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def batch(number: int) -> list[str]:
    """A good record, and every other time one that is parked, with a metric of its own."""
    good = json.dumps(change("insert", "shop.orders", {"order_id": number, "note": "x"}, position=number + 1))
    return [good, "no record"] if number % 2 else [good]


def feed(daemon: FakeDaemon, first: int) -> int:
    """Deliver batches from that number on; the first one that was not reported as done, BATCHES if all were."""
    for number in range(first, BATCHES):
        try:
            daemon.deliver(*batch(number), first=number * 10)
            while (message := daemon.receive()) is not None and message["action"] == "checkpoint":
                daemon.send(
                    "checkpoint",
                    sequenceNumber=message["sequenceNumber"],
                    subSequenceNumber=message["subSequenceNumber"],
                )
        except OSError:
            return number
        if message != STATUS:
            return number
    return BATCHES


def orders(tables: Tables) -> set[int]:
    """The documents that there are."""
    return {number for number in range(BATCHES) if tables.document("order", str(number))}


def test_a_child_at_work_needs_no_room_on_the_disk(start: Start, tables: Tables, tmp_path: Path) -> None:
    """No file may grow any more, as on a file system that has become read-only: all goes on."""
    (tmp_path / "run").mkdir()
    daemon = start(tmp_path / "run")
    assert daemon.initialize()
    resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, (0, 0))
    assert feed(daemon, 0) == BATCHES
    assert orders(tables) == set(range(BATCHES))
    parked: list[Any] = [item for item in tables.items(tables.parked) if "reason" in item]
    assert len(parked) == BATCHES // 2


@pytest.mark.long
def test_a_full_disk_ends_a_child_at_worst_and_costs_no_record(start: Start, tables: Tables, small_disk: Path) -> None:
    daemon = start(small_disk)
    assert daemon.initialize()
    done = feed(daemon, 0) if _fill(small_disk) else 0
    assert set(range(done)) <= orders(tables), "nothing was reported that is not there"
    if done < BATCHES:
        assert daemon.exit_code() in (1, -signal.SIGBUS)

    starved = start(small_disk)
    assert starved.initialize() is None, "without room for its metrics a child does not begin"
    assert starved.exit_code() != 0

    (small_disk / "filling").unlink()
    successor = start(small_disk)
    assert successor.initialize()
    assert feed(successor, done) == BATCHES
    assert orders(tables) == set(range(BATCHES))


def _fill(folder: Path) -> bool:
    with (folder / "filling").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            return True
