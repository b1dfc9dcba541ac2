"""A public schema with documents that other queries made, end to end: load and 321 transactions become the same.

The data is not part of this repository: TEST_CHINOOK names a folder with load.sql.gz, changes.sql,
expected_after_load.jsonl.gz and expected_after_changes.jsonl.gz.
"""

from __future__ import annotations

import gzip
import json
import os
import random
import re
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import psycopg2
import pytest

from local.postgres import Postgres
from tests.proof.replay import Replay, read_folder
from tests.proof.standin import Capture, random_task, settings_of
from worker.verify.compare import first_difference

_FOLDER: Final = os.environ.get("TEST_CHINOOK")
_MAPPINGS: Final = Path(__file__).parent / "chinook"
_FAULTS: Final = 2  # for the load, and for each part of the changes
# playlists of 3,000 tracks are written anew by nearly every batch, so small ones take very long
_LARGE: Final = (3_000, 10_000)
_SMALL: Final = (500, 2_000)

pytestmark = pytest.mark.skipif(
    _FOLDER is None, reason="TEST_CHINOOK names no folder with the Chinook data, which is not in this repository"
)

Found = dict[tuple[str, str], dict[str, Any]]


@pytest.fixture(scope="module")
def folder() -> Path:
    return Path(_FOLDER or "")


@pytest.fixture(scope="module")
def template(postgres: Postgres, folder: Path) -> str:
    """A database with all rows, to be copied."""
    name = "proof_chinook"
    postgres.create_database(name)
    with closing(psycopg2.connect(postgres.url(name))) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute(gzip.decompress((folder / "load.sql.gz").read_bytes()).decode())
    return name


@pytest.fixture
def url(postgres: Postgres, template: str) -> Iterator[str]:
    """URL of a copy."""
    postgres.create_database("proof_chinook_run", template=template)
    yield postgres.url("proof_chinook_run")
    postgres.drop_database("proof_chinook_run")


def transactions(folder: Path) -> list[str]:
    """What the script sets first, then each transaction by itself: together, a BEGIN would take in what is before."""
    parts = re.split(r"^-- @txn ", (folder / "changes.sql").read_text(), flags=re.MULTILINE)
    return [f"-- {part}" for part in parts]


def expected(path: Path) -> Found:
    lines = (json.loads(line, parse_float=Decimal) for line in gzip.decompress(path.read_bytes()).splitlines())
    return {(line["aggregate"], line["key"]): line["document"] for line in lines}


def assert_same(found: Found, wanted: Found) -> None:
    assert found.keys() == wanted.keys()
    different = {at: first_difference(body, found[at], {}) for at, body in wanted.items()}
    assert [(at, difference.path) for at, difference in different.items() if difference is not None] == []


@pytest.mark.parametrize(
    ("parts", "batches"),
    [
        pytest.param(1, _LARGE, id="large batches"),
        pytest.param(4, _SMALL, id="small batches, four parts", marks=pytest.mark.long),
    ],
)
def test_documents_after_the_load_and_after_all_changes(
    url: str, folder: Path, parts: int, batches: tuple[int, ...]
) -> None:
    """Each equals the document that the other queries gave; workers are killed, come back as zombies, repeat."""
    rng = random.Random(321)
    settings = settings_of(random_task(rng, "public"))
    replay = Replay(rng, read_folder(_MAPPINGS), settings)
    capture = Capture(url, "public", settings)
    tables = capture.begin()
    try:
        replay.run([capture.load(table) for table in tables], [], faults=_FAULTS, batches=_LARGE)
        assert replay.wrongs() == []
        assert_same(replay.documents(), expected(folder / "expected_after_load.jsonl.gz"))

        with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
            connection.autocommit = True
            for transaction in transactions(folder):
                cursor.execute(transaction)
        changes = capture.changes()
    finally:
        capture.end()
    size = len(changes) // parts + 1
    for start in range(0, len(changes), size):
        replay.run([], changes[start : start + size], faults=_FAULTS, batches=batches)

    assert replay.wrongs() == []
    assert_same(replay.documents(), expected(folder / "expected_after_changes.jsonl.gz"))
    assert replay.verify(url).differences == 0
