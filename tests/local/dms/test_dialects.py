"""Positions of other engines: their form, and that they order as the source did."""

import re
from itertools import pairwise

import pytest

from local.dms.dialects import DELETE, DIALECTS, INSERT, UPDATE, Dialect, commit_timestamp, stream_position
from local.dms.pgoutput import Begin

MYSQL = re.compile(r"mysql-bin-changelog\.(\d{6}):(\d+):(\d+):(\d+):(\d+):mysql-bin-changelog\.(\d{6}):(\d+)")


def _begun(name: str, commit_lsn: int, micros: int = 1_234_567, xid: int = 700) -> Dialect:
    dialect = DIALECTS[name]()
    dialect.begin(Begin(commit_lsn, micros, xid))
    return dialect


def _mysql(text: str) -> tuple[int, int, int]:
    found = MYSQL.fullmatch(text)
    assert found is not None, text
    file, rows, row, end, transaction, same_file, table_map = (int(group) for group in found.groups())
    assert file == same_file
    assert table_map < rows < end < 1 << 32
    assert transaction >> 32 == file
    assert transaction & 0xFFFFFFFF < table_map
    return file, rows, row


def test_postgresql_positions_are_zero_padded_hexadecimal() -> None:
    assert _begun("postgresql", 1).position(0x1_0000_00AB, UPDATE, 1) == "00000001/000000AB.2.00000001/000000AB"
    assert stream_position(0xAB, INSERT) == "00000000/000000AB.3.00000000/000000AB"


def test_mysql_has_the_form_and_the_distances_of_a_documented_record() -> None:
    """Transaction at 36912135, table map at 36912209, rows at 36912271, end at 36912333."""
    dialect = _begun("mysql", 0)
    assert dialect.transaction_id == 1 << 32 | 4
    assert dialect.position(0, INSERT, 1) == (
        f"mysql-bin-changelog.000001:{4 + 136}:0:{4 + 198}:{1 << 32 | 4}:mysql-bin-changelog.000001:{4 + 74}"
    )


def test_mysql_rows_of_one_table_share_an_event_and_are_numbered_in_it() -> None:
    dialect = _begun("mysql", 0x1800010)
    places = [_mysql(dialect.position(0, code, oid)) for code, oid in [(3, 1), (3, 1), (3, 2), (2, 2), (3, 1)]]
    assert [row for _, _, row in places] == [0, 1, 0, 0, 0]
    assert len({rows for _, rows, _ in places}) == 4


@pytest.mark.parametrize("step", [40, 1 << 20])
def test_mysql_positions_rise_from_commit_to_commit_and_within(step: int) -> None:
    """However long a transaction is and however short the log between two commits."""
    dialect = DIALECTS["mysql"]()
    places, transactions = [], []
    for commit_lsn in range((1 << 20) - 200, (1 << 20) - 200 + 10 * step, step):
        dialect.begin(Begin(commit_lsn, 0, 5))
        transactions.append(dialect.transaction_id)
        places += [_mysql(dialect.position(0, (INSERT, DELETE)[n % 2], n % 3)) for n in range(700)]
    assert places == sorted(set(places))
    assert transactions == sorted(set(transactions))


def test_commit_times_are_as_coarse_as_the_engine_s() -> None:
    found = {name: _begun(name, 1).committed[20:] for name in DIALECTS}
    assert found == {"postgresql": "234567Z", "mysql": "000000Z", "oracle": "000000Z", "sqlserver": "234000Z"}


def test_oracle_uses_transaction_ids_again_and_its_positions_order_nothing() -> None:
    ids = [_begun("oracle", 1, xid=xid).transaction_id for xid in range(1, 400)]
    assert len(set(ids)) == 340
    dialect = _begun("oracle", 0x1000)
    assert dialect.position(0x1008, INSERT, 1) == dialect.position(0x1010, UPDATE, 1)
    assert "/" not in dialect.position(0x1008, INSERT, 1)


def test_sql_server_positions_have_the_documented_form_and_rise() -> None:
    dialect = _begun("sqlserver", 1)
    texts = [
        dialect.position(lsn, INSERT, 1) for lsn in (0x14_0000_C200, 0x14_0000_C208, 0x14_0000_C400, 0x15_0000_0000)
    ]
    assert texts[0] == "00000014:00000061:0001"
    numbers = [tuple(int(part, 16) for part in text.split(":")) for text in texts]
    assert all(before < after for before, after in pairwise(numbers))


def test_commit_times_have_six_digits_always() -> None:
    assert commit_timestamp(0) == "2000-01-01T00:00:00.000000Z"
    assert commit_timestamp(-1) == "1999-12-31T23:59:59.999999Z"
