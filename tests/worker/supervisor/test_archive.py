"""The archive of classes is made by Java itself, and the daemon is told of it only if it is there."""

import gzip
import os
import subprocess
from pathlib import Path

import pytest

from worker.errors import FatalError
from worker.supervisor import archive
from worker.supervisor.jars import jar_folder
from worker.supervisor.java import find_java

FEW = "\n".join(["java/lang/Object", "java/lang/String", "software/amazon/kinesis/multilang/MultiLangDaemon"])


@pytest.fixture
def jars(tmp_path: Path) -> Path:
    """The real jars, as if installed where a test may write."""
    found = jar_folder()
    assert found
    (tmp_path / "jars").symlink_to(found)
    return tmp_path / "jars"


def test_without_an_archive_java_is_told_nothing_of_it(tmp_path: Path) -> None:
    assert archive.options(tmp_path / "jars") == []


def test_the_path_of_the_jars_is_always_in_the_same_order(tmp_path: Path) -> None:
    for name in ("b.jar", "a.jar", "c.txt"):
        (tmp_path / name).touch()
    assert archive.class_path(tmp_path) == f"{tmp_path}/a.jar{os.pathsep}{tmp_path}/b.jar"


def test_the_list_names_the_daemon_and_what_reads_a_stream() -> None:
    names = gzip.decompress(archive.CLASSES.read_bytes()).decode().split()
    assert len(names) > 5000
    assert "software/amazon/kinesis/multilang/MultiLangDaemon" in names
    assert "software/amazon/kinesis/retrieval/polling/PrefetchRecordsPublisher" in names


def test_java_makes_an_archive_and_takes_it(jars: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few = tmp_path / "few.gz"
    few.write_bytes(gzip.compress(FEW.encode()))
    monkeypatch.setattr(archive, "CLASSES", few)
    java = find_java("", os.environ)

    made = archive.build(java, jars)

    assert made == tmp_path / archive.NAME
    options = [option if option != "-Xshare:auto" else "-Xshare:on" for option in archive.options(jars)]
    command = [str(java), *options, "-Xlog:class+load", "-cp", archive.class_path(jars)]
    done = subprocess.run(
        [*command, "software.amazon.kinesis.multilang.MultiLangDaemon"], capture_output=True, text=True, check=False
    )
    assert "MultiLangDaemon source: shared objects file" in done.stdout
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("nearview-archive-")] == []


def test_one_that_does_not_fit_is_left_aside_without_a_word(jars: Path) -> None:
    archive.place(jars).write_bytes(b"not an archive")
    command = [str(find_java("", os.environ)), *archive.options(jars), "-XX:-UsePerfData", "-version"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "rchive" not in done.stderr + done.stdout


def test_a_java_that_cannot_is_told_in_one_line(jars: Path) -> None:
    with pytest.raises(FatalError, match="/bin/false cannot make an archive of classes: exit code 1"):
        archive.build(Path("/bin/false"), jars)
    assert archive.options(jars) == []
