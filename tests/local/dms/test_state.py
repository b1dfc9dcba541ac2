"""The state folder: what is written is read again, one process at a time."""

from pathlib import Path

import pytest

from local.dms.errors import DmsError
from local.dms.state import CHANGES, Point, State, StateFolder, format_lsn, parse_lsn


def test_a_state_is_read_as_it_was_written(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path)
    assert folder.read() is None
    state = State(phase=CHANGES, tables=["shop.t"], rows_loaded={"shop.t": 2}, changes=3)
    state.points = [Point(1), Point(2, (7, 1), 5, "2024052819562422")]
    state.confirmed = 0x1_0000_00AB
    folder.write(state)
    assert folder.read() == state
    assert state.confirmed_lsn == "1/AB"
    folder.remove()
    assert folder.read() is None


def test_a_damaged_state_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text("{")
    with pytest.raises(DmsError, match=r"state\.json: damaged; run the drop command"):
        StateFolder(tmp_path).read()


def test_a_folder_belongs_to_one_process(tmp_path: Path) -> None:
    first, second = StateFolder(tmp_path), StateFolder(tmp_path)
    with first.locked(), pytest.raises(DmsError, match="another process runs this task"), second.locked():
        pass
    with StateFolder(tmp_path).locked():
        pass


def test_log_positions_round_trip() -> None:
    assert parse_lsn("16/B374D848") == 0x16B374D848
    assert format_lsn(0x16B374D848) == "16/B374D848"


def test_a_resume_goes_on_from_what_is_confirmed_or_from_the_oldest_point_to_be_sent_again() -> None:
    state = State(confirmed_lsn="0/30", points=[Point(0x10, (7, 1), 4), Point(0x20, (8, 2), 6)])
    assert state.resume_point(0) == Point(0x30, (8, 2), 6)
    assert state.resume_point(1) == Point(0x10, (7, 1), 4)
