"""The pgoutput parser on literal bytes, and on what a real server sends."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.dms.catalog import Catalog, connection
from local.dms.pgoutput import (
    UNCHANGED,
    Begin,
    Commit,
    Delete,
    Insert,
    Other,
    ProtocolError,
    Relation,
    RelationColumn,
    Update,
    parse,
)
from local.dms.replication import replicate
from local.dms.table_mappings import TableMappings
from local.dms.transformations import Locator
from local.processes import wait_until

ROW_1_X = b"\x00\x02t\x00\x00\x00\x011t\x00\x00\x00\x01x"


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (
            b"B\x00\x00\x00\x02\x7c\x00\x71\x78\x00\x02\xc1\x5a\x3b\x2a\x00\x04\x00\x00\x04\x73",
            Begin(0x27C007178, 0x0002C15A3B2A0004, 1139),
        ),
        (
            b"C\x00\x00\x00\x00\x02\x7c\x00\x71\x78\x00\x00\x00\x02\x7c\x00\x71\xa8" + bytes(8),
            Commit(0x27C007178, 0x27C0071A8),
        ),
        (
            (
                b"R\x00\x00\x40\x00shop\x00t\x00d\x00\x02"
                b"\x01id\x00\x00\x00\x00\x14\xff\xff\xff\xff\x00name\x00\x00\x00\x04\x13\x00\x00\x00\x18"
            ),
            Relation(
                0x4000,
                "shop",
                "t",
                "d",
                (RelationColumn("id", 20, -1, True), RelationColumn("name", 1043, 24, False)),
            ),
        ),
        (b"I\x00\x00\x40\x00N" + ROW_1_X, Insert(0x4000, ("1", "x"))),
        (b"I\x00\x00\x40\x00N\x00\x01t\x00\x00\x00\x02\xd0\x96", Insert(0x4000, ("Ж",))),
        (b"U\x00\x00\x40\x00N" + ROW_1_X, Update(0x4000, None, False, ("1", "x"))),
        (
            b"U\x00\x00\x40\x00K\x00\x02t\x00\x00\x00\x010nN\x00\x02t\x00\x00\x00\x011u",
            Update(0x4000, ("0", None), True, ("1", UNCHANGED)),
        ),
        (
            b"U\x00\x00\x40\x00O" + ROW_1_X + b"N\x00\x02t\x00\x00\x00\x011n",
            Update(0x4000, ("1", "x"), False, ("1", None)),
        ),
        (b"D\x00\x00\x40\x00K\x00\x02t\x00\x00\x00\x011n", Delete(0x4000, ("1", None), True)),
        (b"D\x00\x00\x40\x00O" + ROW_1_X, Delete(0x4000, ("1", "x"), False)),
        (b"T\x00\x00\x00\x01\x00\x00\x00\x40\x00", Other("T")),
        (b"Y\x00\x00\x40\x01shop\x00mood\x00", Other("Y")),
    ],
)
def test_parses(payload: bytes, expected: object) -> None:
    assert parse(payload) == expected


@pytest.mark.parametrize(
    "payload", [b"", b"Z", b"B\x00", b"I\x00\x00\x40\x00N\x00\x01t\x00\x00\x00\x05ab", b"I\x00\x00\x40\x00N\x00\x01q"]
)
def test_refuses(payload: bytes) -> None:
    with pytest.raises(ProtocolError):
        parse(payload)


@given(st.sampled_from(b"BCRIUDX"), st.binary(max_size=60))
def test_any_bytes_give_a_message_or_a_protocol_error(kind: int, rest: bytes) -> None:
    with suppress(ProtocolError):
        parse(bytes((kind,)) + rest)


def test_a_real_server_sends_what_the_parser_knows(source: Any) -> None:
    source.run("CREATE TABLE shop.t (id int PRIMARY KEY, a text)")
    mappings = TableMappings((Locator("shop", "%"),), (), ())
    with connection(source.url) as connected:
        catalog = Catalog(connected)
        lsn = catalog.prepare("p", "test_pgoutput_slot", catalog.tables(mappings))
        source.run(
            "BEGIN; INSERT INTO shop.t VALUES (1, 'x'); UPDATE shop.t SET a = NULL; UPDATE shop.t SET id = 2; "
            "DELETE FROM shop.t; COMMIT"
        )
        found: list[Any] = []

        def complete() -> bool:
            while (message := stream.read()) is not None:
                found.append((message[0], parse(message[1])))
            return bool(found) and isinstance(found[-1][1], Commit)

        with replicate(source.url, "test_pgoutput_slot", "p", lsn) as stream:
            wait_until(complete, 10, "the transaction")
        wait_until(lambda: _dropped(catalog), 10, "the slot's release")
    oid = next(m.oid for _, m in found if isinstance(m, Relation))
    assert [m for _, m in found if not isinstance(m, Relation | Begin | Commit)] == [
        Insert(oid, ("1", "x")),
        Update(oid, None, False, ("1", None)),
        Update(oid, ("1", None), True, ("2", None)),
        Delete(oid, ("2", None), True),
    ]
    begin, commit = found[0], found[-1]
    assert begin[1].commit_lsn == commit[1].commit_lsn
    positions = [lsn for lsn, m in found if isinstance(m, Insert | Update | Delete)]
    assert positions == sorted(set(positions))
    assert positions[-1] < commit[1].end_lsn


def _dropped(catalog: Catalog) -> bool:
    try:
        catalog.drop("p", "test_pgoutput_slot")
    except Exception as error:  # noqa: BLE001  the server has not noticed yet that we left
        return "in use" not in str(error)
    return True
