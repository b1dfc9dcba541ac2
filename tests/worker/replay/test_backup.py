"""The backup of a replay comes back as it was written, and what is none is said."""

from __future__ import annotations

import json
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from worker.errors import FatalError
from worker.replay import backup
from worker.replay.backup import Backup, Saved
from worker.replay.plan import BEGINNING, ENDED, Position

SAVED = Backup(
    "worker",
    "changes",
    "eu-west-1",
    "from the oldest record kept",
    1000,
    (
        Saved("s1", Position("5", -1), Position("9"), Position("9"), 500, 900, 40, True),
        Saved("p", BEGINNING, ENDED, None),
    ),
    ({"leaseKey": {"S": "s1"}, "pendingCheckpointState": {"B": b"\x00\xff"}, "parentShardId": {"SS": ["p"]}},),
)


def test_what_was_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "backup.json"
    backup.write(path, SAVED, new=True)

    assert backup.read(path) == SAVED
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_is_there_is_not_overwritten_by_a_new_backup(tmp_path: Path) -> None:
    path = tmp_path / "backup.json"
    backup.write(path, SAVED, new=True)

    with pytest.raises(FatalError, match="is there already: name another file with --backup"):
        backup.write(path, replace(SAVED, application="other"), new=True)
    assert backup.read(path).application == "worker"


def test_a_folder_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(FatalError, match=r"the backup .* cannot be written: No such file or directory"):
        backup.write(tmp_path / "none" / "backup.json", SAVED)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1}', '{"format": 1, "leases": [1], "rows": []}'])
def test_what_is_no_backup_is_said(tmp_path: Path, text: str) -> None:
    path = tmp_path / "backup.json"
    path.write_text(text)

    with pytest.raises(FatalError, match=r"cannot be read|is not a backup of a replay"):
        backup.read(path)


def test_a_backup_of_another_version_is_said(tmp_path: Path) -> None:
    path = tmp_path / "backup.json"
    path.write_text(json.dumps({**backup.as_json(SAVED), "format": 2}))

    with pytest.raises(FatalError, match="is of another version of nearview"):
        backup.read(path)
