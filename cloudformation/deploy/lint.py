"""cfn-lint over the templates of a deployment, where it is installed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Final

_PROGRAM: Final = "import sys; from cfnlint.runner import main; sys.exit(main())"


def installed() -> bool:
    """Whether templates can be checked here; it is a tool for development, and large."""
    return find_spec("cfnlint") is not None


def problems(folder: Path, files: Iterable[str], regions: Iterable[str]) -> list[str]:
    """A line for each thing that is wrong in the templates, with our own rules where they are there."""
    rules = folder / "rules"
    done = subprocess.run(
        [
            *(sys.executable, "-c", _PROGRAM, "--format", "parseable", "--non-zero-exit-code", "error"),
            *(["--append-rules", str(rules)] if rules.is_dir() else []),
            *("--regions", *regions),
            *("--template", *(str(folder / file) for file in sorted(set(files)))),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if not done.returncode:
        return []
    return [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
