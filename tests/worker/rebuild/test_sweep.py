"""The sweep after a reload: what vanished goes, whatever interrupts it; what is newer stays; and its command."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any, cast

import pytest
from click.testing import CliRunner, Result

from local.ministack import MiniStack
from tests.worker.conftest import Tables
from tests.worker.projection.strict_store import StrictStore
from tests.worker.rebuild.sweeping import (
    AS_OF,
    BEFORE,
    GONE,
    MAPPING,
    PLAN,
    RIGHT,
    TABLES,
    Killed,
    Scan,
    Torn,
    changed,
    documents,
    holders,
    plan,
    reloaded,
    swept,
)
from worker.cli import main
from worker.log import Log
from worker.pace import Pace
from worker.projection.engine import project
from worker.projection.image import Image
from worker.projection.operations import TableName
from worker.rebuild.scan import RowScan
from worker.rebuild.sweep import look, sweep
from worker.records.rows import Row, RowId
from worker.records.version import change_version, load_version
from worker.store.dynamodb import DynamoStore
from worker.store.lean import LeanDynamoDB

USERS = plan("aggregate: user\nsource: shop.users\nkey: id\nfields: [id, name]\n")


def test_rows_that_the_reload_did_not_bring_go_with_all_that_shows_them() -> None:
    store = reloaded()
    assert documents(store) != RIGHT
    done = swept(store)
    assert (done.gone, documents(store)) == (len(GONE), RIGHT)
    assert (store.image_regressions, store.document_regressions) == (0, 0)


def test_a_second_sweep_writes_nothing() -> None:
    store = reloaded()
    swept(store)
    before = store.applied_writes
    again = swept(store)
    assert (again.gone, again.documents_written) == (0, 0)
    assert store.applied_writes == before


def test_only_counting_changes_nothing() -> None:
    store = reloaded()
    before = store.applied_writes
    found = look(cast("RowScan", Scan(store)), TABLES, 2)
    assert sum(rows.gone for rows in found.values()) == len(GONE)
    assert sum(rows.loaded for rows in found.values()) == len(BEFORE) - len(GONE)
    assert store.applied_writes == before


def test_tables_that_are_not_named_stay() -> None:
    store = reloaded()
    assert swept(store, tables=frozenset({"shop.lines"})).gone == 1
    assert documents(store)["order#1"] == RIGHT["order#1"]
    assert documents(store)["order#2"]["customer"] == {"name": "Ben"}
    assert "order#3" in documents(store)


def test_a_load_that_comes_after_the_sweep_puts_its_row_back() -> None:
    store = reloaded()
    swept(store)
    late: dict[tuple[str, str], Row] = {("shop.customers", "2"): {"id": 2, "name": "Eve"}}
    store.drive(project(PLAN, changed(late, load_version(2, 1)), AS_OF))
    assert documents(store)["order#2"]["customer"] == {"name": "Eve"}


def test_an_old_record_that_comes_after_the_sweep_does_not() -> None:
    store = reloaded()
    swept(store)
    store.drive(project(PLAN, changed(BEFORE, change_version(1, 900, 1)), AS_OF))
    assert documents(store) == RIGHT


def test_a_row_that_changed_in_the_new_incarnation_stays_though_no_load_brought_it() -> None:
    store = reloaded()
    born: dict[tuple[str, str], Row] = {("shop.orders", "3"): {"id": 3, "note": "new", "customer_id": 1}}
    store.drive(project(PLAN, changed(born, change_version(2, 1, 1)), AS_OF))
    swept(store)
    assert documents(store)["order#3"]["note"] == "new"


def _torn_everywhere(scan: Callable[[Any], Scan]) -> Iterator[tuple[int, Any]]:
    """What is in the documents after a sweep died before its nth operation and another one ran, for every n."""
    for operations in count():
        store = reloaded()
        try:
            swept(store, scan(store), operations)
        except Killed:
            swept(store, scan(store))
            assert (store.image_regressions, store.document_regressions) == (0, 0)
            yield operations, documents(store)
        else:
            return


def test_a_sweep_that_is_killed_between_any_two_operations_is_made_good_by_the_next() -> None:
    ends = list(_torn_everywhere(Scan))
    assert len(ends) > 20
    assert [operations for operations, found in ends if found != RIGHT] == []


def test_a_sweep_that_passed_over_the_rows_it_had_removed_would_be_caught() -> None:
    """The planted defect: a row that has the sweep's own version counts as done, with its documents."""

    def passes_over(image: Image) -> bool:
        return image.version != load_version(2, 0)

    wrong = [n for n, found in _torn_everywhere(lambda store: Scan(store, passes_over)) if found != RIGHT]
    assert len(wrong) > 3


def test_rows_that_only_documents_hold_go_as_well() -> None:
    """Killed anywhere and begun again; a row that comes late all the same is put back by its load."""
    (before, after), gone = (change_version(1, 100, 1), load_version(2, 1_000)), ("shop.users", "2")
    users: dict[RowId, Row] = {("shop.users", str(number)): {"id": number, "name": "x"} for number in range(1, 10)}
    for operations in count():
        store = StrictStore()
        store.drive(project(USERS, changed(users, before), AS_OF))
        store.drive(project(USERS, changed({i: row for i, row in users.items() if i != gone}, after), AS_OF))
        found = look(cast("RowScan", Scan(store)), frozenset({"shop.users"}), 2, holders(USERS, store))
        assert (found["shop.users"].gone, found["shop.users"].loaded) == (1, 8)
        killed = False
        for left in (operations, -1):
            driver, scan = cast("DynamoStore", Torn(store, left)), cast("RowScan", Scan(store))
            try:
                sweep(USERS, driver, scan, frozenset({"shop.users"}), 2, Pace(), lambda _: None, holders(USERS, store))
            except Killed:
                killed = True
        assert set(documents(store)) == {f"user#{key}" for _, key in users} - {"user#2"}
        store.drive(project(USERS, changed({gone: users[gone]}, after), AS_OF))
        assert documents(store)["user#2"] == users[gone]
        assert (store.image_regressions, store.document_regressions) == (0, 0)
        if not killed:
            break


# the command


@pytest.fixture
def store(tables: Tables, ministack: MiniStack) -> Iterator[DynamoStore]:
    """The engine's store on the test's tables."""
    lean = LeanDynamoDB(ministack.environment()["AWS_REGION"], ministack.url)
    made = DynamoStore(
        lean, {TableName.ROWS: tables.rows, TableName.DOCUMENTS: tables.documents}, Log("error", io.StringIO())
    )
    yield made
    made.close()


@pytest.fixture
def run(tables: Tables, ministack: MiniStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs the program as in a shell with the settings of the tables."""
    (tmp_path / "order.yaml").write_text(MAPPING)
    for name, value in {**ministack.environment(), **tables.environment(), "NEARVIEW_MAPPINGS": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    return lambda *arguments: CliRunner().invoke(main, ["sweep", *arguments])


def test_the_command_sweeps_the_newest_incarnation(
    run: Callable[..., Result], store: DynamoStore, tables: Tables
) -> None:
    def shown() -> set[str]:
        return {item["pk"]["S"] for item in tables.items(tables.documents) if "_deleted" not in item}

    store.drive(project(PLAN, changed(BEFORE, change_version(1, 100, 1)), AS_OF))
    refused = run(*TABLES)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "no incarnation was raised" in refused.stderr
    assert CliRunner().invoke(main, ["incarnation", "raise", "--yes"]).exit_code == 0
    kept = {row_id: row for row_id, row in BEFORE.items() if row_id not in GONE}
    store.drive(project(PLAN, changed(kept, load_version(2, 1_000)), AS_OF))

    counted = run(*TABLES)
    assert counted.exit_code == 1
    assert "shop.orders: 1 rows would be removed, 2 were loaded or changed since\n" in counted.stdout
    assert shown() == {"order#1", "order#2", "order#3"}
    done = run("--yes", "--json", *TABLES)
    assert done.exit_code == 0
    assert json.loads(done.stdout)["swept"]["gone"] == len(GONE)
    assert shown() == {"order#1", "order#2"}
    assert run(*TABLES).exit_code == 0


def test_a_table_that_was_not_reloaded_is_refused_unless_it_is_said_to_be_empty(
    run: Callable[..., Result], store: DynamoStore, tables: Tables
) -> None:
    """Else an incarnation raised for another reason would cost all rows and documents."""
    store.drive(project(PLAN, changed(BEFORE, change_version(1, 100, 1)), AS_OF))
    assert CliRunner().invoke(main, ["incarnation", "raise", "--yes"]).exit_code == 0

    refused = run("--yes", "shop.orders")
    assert refused.exit_code == 2
    assert "no row of shop.orders was loaded in incarnation 2: reload first, or give --empty for" in refused.stderr
    assert len(tables.items(tables.documents)) == 3

    assert run("--yes", "--empty", "shop.orders", "shop.orders").exit_code == 0
    assert {"_deleted" in item for item in tables.items(tables.documents)} == {True}


def test_a_table_that_no_mapping_uses_is_refused(run: Callable[..., Result]) -> None:
    refused = run("shop.order")
    assert refused.exit_code == 2
    assert "no mapping uses the table shop.order" in refused.stderr
