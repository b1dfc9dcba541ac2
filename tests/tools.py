"""Programs that some tests need and pip cannot install: a clear skip where one is missing, a failure in CI."""

from __future__ import annotations

import os
import shutil
from typing import Final

import pytest

from local.processes import REPOSITORY

UNPACKED: Final = REPOSITORY / "build" / "tools" / "usr" / "bin"
REQUIRED: Final = "TEST_TOOLS"
"""`required` in the environment makes a missing program a failure; `.ci/run` sets it."""


def program(name: str, package: str, setting: str) -> str:
    """Path of a program: the one that the environment variable `setting` names, one on PATH, or .ci/tools' own."""
    found = shutil.which(os.environ.get(setting) or name) or shutil.which(name, path=UNPACKED)
    if found:
        return found
    missing = f"{name} is missing: run .ci/tools, install Debian's {package}, or name the program in {setting}"
    if os.environ.get(REQUIRED) == "required":
        pytest.fail(missing, pytrace=False)
    pytest.skip(missing)
