"""Java is found where it was asked for, else in a fixed order."""

from pathlib import Path

import pytest

from worker.errors import FatalError
from worker.supervisor.java import find_java, java_version


def program(path: Path) -> Path:
    """Something that can be run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\necho 'openjdk version \"17\"' >&2\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def test_the_order_is_setting_java_home_package_path(tmp_path: Path) -> None:
    asked, home, bundled = (program(tmp_path / name / "bin" / "java") for name in ("asked", "home", "bundled"))
    on_path = program(tmp_path / "path" / "java")
    environ = {"JAVA_HOME": str(tmp_path / "home"), "PATH": str(tmp_path / "path")}
    assert find_java(str(asked), environ, lambda: bundled) == asked
    assert find_java("", environ, lambda: bundled) == home
    assert find_java("", {"PATH": environ["PATH"]}, lambda: bundled) == bundled
    assert find_java("", {"PATH": environ["PATH"]}, lambda: None) == on_path


@pytest.mark.parametrize(
    ("setting", "environ", "message"),
    [
        ("/no/java", {}, "NEARVIEW_JAVA: /no/java is not a program"),
        ("", {"JAVA_HOME": "/no"}, "JAVA_HOME: /no/bin/java is not a program"),
        ("", {"PATH": "/no"}, "java was not found: set NEARVIEW_JAVA"),
    ],
)
def test_what_was_asked_for_and_is_not_there_is_not_replaced(
    setting: str, environ: dict[str, str], message: str
) -> None:
    with pytest.raises(FatalError, match=message):
        find_java(setting, environ, lambda: None)


def test_the_version_is_the_first_line(tmp_path: Path) -> None:
    assert java_version(program(tmp_path / "java")) == 'openjdk version "17"'


def test_a_java_that_does_not_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(FatalError, match="-version fails"):
        java_version(tmp_path / "none")
