"""What the stand-in finds in a real database, and the one line for what it cannot work with."""

from collections.abc import Iterator
from typing import Any, Self

import pytest

from local.dms.catalog import Catalog, connection
from local.dms.errors import DmsError
from local.dms.load import load_table
from local.dms.records import Record, TableRecords
from local.dms.settings import DEFAULT_TASK, load_settings
from local.dms.table_mappings import TableMappings
from local.dms.tables import INT4, NUMERIC, Table
from local.dms.transformations import Locator

ALL = TableMappings((Locator("shop", "%"),), (), ())


def _tables(source: Any, mappings: TableMappings = ALL) -> tuple[Table, ...]:
    with connection(source.url) as connected:
        return Catalog(connected).tables(mappings)


def test_finds_keys_in_their_order_domains_and_no_generated_columns(source: Any) -> None:
    source.run(
        "CREATE DOMAIN shop.amount AS numeric(12,2)",
        "CREATE TABLE shop.t (b int, a int, d shop.amount, g int GENERATED ALWAYS AS (1) STORED, PRIMARY KEY (a, b))",
    )
    [table] = _tables(source)
    assert table.key == ("a", "b")
    assert [column.name for column in table.columns] == ["b", "a", "d"]
    assert (table.columns[2].type_oid, table.columns[2].numeric_scale) == (NUMERIC, 2)
    assert [column.nullable for column in table.columns] == [False, False, True]
    assert table.columns[0].type_oid == INT4


def test_partitions_are_one_table_and_inheriting_tables_are_two(source: Any) -> None:
    source.run(
        "CREATE TABLE shop.p (id int PRIMARY KEY) PARTITION BY RANGE (id)",
        "CREATE TABLE shop.p1 PARTITION OF shop.p FOR VALUES FROM (0) TO (10)",
        "CREATE TABLE shop.parent (id int PRIMARY KEY)",
        "CREATE TABLE shop.child (PRIMARY KEY (id)) INHERITS (shop.parent)",
        "INSERT INTO shop.p VALUES (1)",
        "INSERT INTO shop.child VALUES (2)",
    )
    tables = _tables(source)
    assert [table.name for table in tables] == ["child", "p", "parent"]
    found: dict[str, list[Record]] = {}
    for table in tables:
        settings, rows = load_settings(DEFAULT_TASK), found.setdefault(table.name, [])
        load_table(source.url, TableRecords(table, settings), settings, rows.extend, lambda _: None)
    assert {name: len(records) for name, records in found.items()} == {"p": 1, "child": 1, "parent": 0}


@pytest.mark.parametrize(
    ("statements", "mappings", "line"),
    [
        (["CREATE TABLE shop.t (id int)"], ALL, r"table shop\.t: has no primary key.*exclude rule"),
        (
            ["CREATE TABLE shop.t (id int PRIMARY KEY)", "ALTER TABLE shop.t REPLICA IDENTITY NOTHING"],
            ALL,
            r"table shop\.t: its replica identity .*REPLICA IDENTITY DEFAULT",
        ),
        ([], ALL, r"no table in the source matches shop\.%"),
        (
            ["CREATE TABLE shop.t (id int PRIMARY KEY)"],
            TableMappings((Locator("shop", "%"), Locator("shop", "x")), (), ()),
            r"no table in the source matches shop\.x;",
        ),
    ],
)
def test_tables_that_cannot_be_captured_are_named(
    source: Any, statements: list[str], mappings: TableMappings, line: str
) -> None:
    source.run(*statements)
    with pytest.raises(DmsError, match=line):
        _tables(source, mappings)


def test_a_role_without_the_right_to_replicate_is_told_how_to_get_it(source: Any) -> None:
    source.run("SET ROLE NONE", "DROP ROLE IF EXISTS plain", "CREATE ROLE plain")
    try:
        with connection(source.url) as connected, connected.cursor() as cursor:
            cursor.execute("SET ROLE plain")
            with pytest.raises(DmsError, match='role plain may not replicate: ALTER ROLE "plain" REPLICATION'):
                Catalog(connected).check()
    finally:
        source.run("DROP ROLE plain")


@pytest.fixture
def role(source: Any) -> Iterator[str]:
    """A role that owns nothing yet; what it got goes with it."""
    source.run("CREATE ROLE app", "GRANT USAGE, CREATE ON SCHEMA shop TO app")
    yield "app"
    source.run("DROP OWNED BY app", "DROP ROLE app")


def _prepare_as(source: Any, role: str) -> None:
    with connection(source.url) as connected, connected.cursor() as cursor:
        tables = Catalog(connected).tables(ALL)
        cursor.execute(f"SET ROLE {role}")
        Catalog(connected).prepare("dms_test", "dms_test", tables)


def test_a_role_that_may_not_publish_is_told_which_grant_it_needs(source: Any, role: str) -> None:
    source.run("CREATE TABLE shop.t (id int PRIMARY KEY)", f"ALTER TABLE shop.t OWNER TO {role}")
    database = source.value("SELECT current_database()")
    with pytest.raises(DmsError, match=f'^source: role app .*: GRANT CREATE ON DATABASE "{database}" TO "app"$'):
        _prepare_as(source, role)


def test_a_role_that_does_not_own_a_table_is_told_so(source: Any, role: str) -> None:
    source.run("CREATE TABLE shop.mine (id int PRIMARY KEY)", f"ALTER TABLE shop.mine OWNER TO {role}")
    source.run("CREATE TABLE shop.a (id int PRIMARY KEY)", "CREATE TABLE shop.b (id int PRIMARY KEY)")
    source.execute(f'GRANT CREATE ON DATABASE "{source.value("SELECT current_database()")}" TO {role}')
    line = r'must own .* superuser, and does not own shop\.a, shop\.b: ALTER TABLE "shop"\."a" OWNER TO "app"$'
    with pytest.raises(DmsError, match=line):
        _prepare_as(source, role)


def test_a_role_that_lacks_both_learns_it_in_one_line(source: Any, role: str) -> None:
    source.run("CREATE TABLE shop.t (id int PRIMARY KEY)")
    with pytest.raises(DmsError, match=r"GRANT CREATE ON DATABASE .*ALTER TABLE") as caught:
        _prepare_as(source, role)
    assert "\n" not in str(caught.value)


class _OtherServer:
    """A session on a server with another wal_level."""

    def cursor(self) -> Self:
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def execute(self, statement: str, arguments: object) -> None:
        assert statement == "SHOW wal_level"

    def fetchall(self) -> list[tuple[str]]:
        return [("replica",)]


def test_a_server_without_a_logical_log_is_told_what_to_set() -> None:
    with pytest.raises(DmsError, match="wal_level is replica, it must be logical"):
        Catalog(_OtherServer()).check()


@pytest.mark.parametrize(
    ("url", "line"),
    [
        ("postgresql://127.0.0.1:1/x", "^source: .*refused"),
        ("postgresql//me:secret@host/x", "^source: not a database URL; write [^@]*@host:port/database$"),
    ],
)
def test_a_source_that_cannot_be_reached_gives_one_line(url: str, line: str) -> None:
    with pytest.raises(DmsError, match=line) as caught, connection(url):
        pass
    assert "\n" not in str(caught.value)
