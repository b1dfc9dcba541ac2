"""Positions of each engine as integers; what does not order is refused with the rule to add."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.records.envelope import ChangeEvent, Operation
from worker.records.errors import TableLacks
from worker.records.positions import Engine, Order, engine_of, mysql_position, postgresql_position
from worker.records.version import change_version, load_version

# of a real record
BINLOG = "mysql-bin-changelog.002171:36912271:0:36912333:9324410911751:mysql-bin-changelog.002171:36912209"
LSN = "00000002/7C007178.3.00000002/7C007178"
# documented as a start position, never seen in a record
SQLSERVER_LSN = "00000014:00000061:0001"
SEQUENCE = "20240528195624220000000000000000073"


def _event(operation: Operation = Operation.INSERT, **more: Any) -> ChangeEvent:
    fields: dict[str, Any] = {"stream_position": LSN, "record_number": 4, "commit_micros": 1_000_000, **more}
    return ChangeEvent("s.t", operation, fields.pop("data", {"id": 1}), None, built_micros=2_000_000, **fields)


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.integers(0, 99))
def test_a_position_is_the_change_s_own_and_not_the_commit_s(high: int, low: int, number: int) -> None:
    text = f"{high:08x}/{low:08X}.{number}.FFFFFFFF/FFFFFFFF"

    assert postgresql_position(text) == high * 2**32 + low


@pytest.mark.parametrize(
    ("text", "position"),
    [
        (LSN, 0x2_7C007178),
        ("2/7C007178", 0x2_7C007178),
        ("0/16B3748.1.0/16B3780", 0x16B3748),
        ("", None),
        ("mysql-bin-changelog.000012:4567:-1:4567", None),
        ("0000000000A1B2C3", None),
        ("00000002/7C0071789.3", None),
        ("00000002-7C007178", None),
        (" 2/7C007178", None),
        ("2/7C00717G", None),
        ("٢/7", None),
        ("00000002/7C00717 .3", None),
        ("0000_002/7C007178.3", None),
        ("0000000G/7C007178.3", None),
    ],
)
def test_only_a_log_position_of_postgresql_is_a_position(text: str, position: int | None) -> None:
    assert postgresql_position(text) == position


@pytest.mark.parametrize(
    ("text", "position"),
    [
        (BINLOG, (2171 << 96) + (36912271 << 32) + 1),
        ("mysql-bin-changelog.000012:4567:-1:4567", (12 << 96) + (4567 << 32)),
        ("bin.1:4:0:5", (1 << 96) + (4 << 32) + 1),
        ("mysql-bin-changelog.000012:4567", None),
        ("mysql-bin-changelog:4567:0:1", None),
        ("a:b.000012:4:0:1", None),
        (LSN, None),
        (SQLSERVER_LSN, None),
        ("bin.٢:4:0:5", None),
        (f"bin.{'9' * 30}:4:0:5", None),
    ],
)
def test_a_binary_log_position_is_file_offset_and_row(text: str, position: int | None) -> None:
    assert mysql_position(text) == position


binlog = st.tuples(st.integers(0, 999_999_999), st.integers(0, 2**63), st.integers(0, 999_999_999))


@given(binlog, binlog)
def test_binary_log_positions_order_by_file_then_offset_then_row(
    one: tuple[int, int, int], other: tuple[int, int, int]
) -> None:
    """As text, file 999999 would come after file 1000000, and offset 9 after 10."""
    found = [mysql_position(f"mysql-bin.{f:06d}:{o}:{r}:0:0:mysql-bin.{f:06d}:4") for f, o, r in (one, other)]

    assert found[0] is not None
    assert found[1] is not None
    assert (found[0] < found[1]) == (one < other)
    assert max(found[0], found[1]) < 2**128


@pytest.mark.parametrize(
    ("text", "engine"),
    [
        (LSN, Engine.POSTGRESQL),
        (BINLOG, Engine.MYSQL),
        (SQLSERVER_LSN, Engine.SQLSERVER),
        ("0000000000A1B2C3", None),
    ],
)
def test_positions_show_whose_they_are(text: str, engine: Engine | None) -> None:
    assert engine_of(text) is engine


@given(st.text() | st.from_regex(r"[a-z.0-9:/-]{1,40}", fullmatch=True))
def test_any_text_is_a_position_or_none(text: str) -> None:
    for position in (postgresql_position(text), mysql_position(text)):
        assert position is None or 0 <= position < 2**128


def test_a_version_is_made_of_position_and_record_number() -> None:
    assert Order().version(_event(), 3) == change_version(3, 0x2_7C007178, 4)
    binlog_order = Order(Engine.MYSQL)
    assert binlog_order.version(_event(stream_position=BINLOG), 1) == change_version(1, mysql_position(BINLOG) or 0, 4)


@pytest.mark.parametrize("engine", [Engine.ORACLE, Engine.SQLSERVER])
def test_the_change_sequence_takes_the_place_of_a_position_that_does_not_order(engine: Engine) -> None:
    """It needs no transaction details; a load has none, its column is empty then."""
    order = Order(engine, "seq")
    bare: dict[str, Any] = {"stream_position": None, "record_number": None, "commit_micros": None}

    assert order.version(_event(data={"seq": SEQUENCE}, **bare), 1) == change_version(1, int(SEQUENCE), 0)
    assert order.version(_event(data={"seq": SEQUENCE}), 1) == change_version(1, int(SEQUENCE), 4)
    assert order.version(_event(Operation.LOAD, data={"seq": ""}, **bare), 1) == load_version(1, 2_000_000)
    assert len(order.version(_event(data={"seq": "9" * 35}), 1)) == 50
    with pytest.raises(ValueError, match="needs a change sequence"):
        Order(engine)


@pytest.mark.parametrize("value", [None, "", "2024", SEQUENCE + "0", "٢" * 35, True, 1.5, [SEQUENCE]])
def test_a_change_without_its_sequence_stops_the_table_and_names_the_rule(value: Any) -> None:
    with pytest.raises(TableLacks, match=r"column seq: add a transformation rule of s.t .*\$AR_H_CHANGE_SEQ"):
        Order(Engine.ORACLE, "seq").version(_event(data={"seq": value}), 1)


@pytest.mark.parametrize(
    ("engine", "text", "told"),
    [
        (Engine.POSTGRESQL, BINLOG, "looks like one of MySQL: set NEARVIEW_SOURCE_ENGINE=mysql"),
        (Engine.POSTGRESQL, SQLSERVER_LSN, "looks like one of SQL Server: set NEARVIEW_SOURCE_ENGINE=sqlserver"),
        (Engine.MYSQL, LSN, "looks like one of PostgreSQL: set NEARVIEW_SOURCE_ENGINE=postgresql"),
        (Engine.MYSQL, "0000000000A1B2C3", "is not a MySQL log position: set NEARVIEW_SOURCE_ENGINE"),
    ],
)
def test_a_position_of_another_engine_is_refused_and_told(engine: Engine, text: str, told: str) -> None:
    with pytest.raises(TableLacks, match=told):
        Order(engine).version(_event(stream_position=text), 1)
