"""The folder that tells a child's good end from its death."""

from pathlib import Path

import pytest

from worker.run_folder import RunFolder


def test_who_registers_is_known_until_it_leaves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folder = RunFolder.create()
    assert folder.metrics.is_dir()
    folder.register(12, "shard-0")
    folder.register(13, "shard-1")
    folder.leave(12)
    folder.leave(99)
    assert folder.registered() == {13: "shard-1"}
