"""Composition root of a child. Standard output is taken before anything is imported that could print."""

from worker.child.stdout import take_stdout

_PROTOCOL = take_stdout()

import os  # noqa: E402
import sys  # noqa: E402

from worker.child.run import run  # noqa: E402
from worker.compose import build_pipeline  # noqa: E402

if __name__ == "__main__":
    run(os.environ, build_pipeline, sys.stdin.buffer, _PROTOCOL)
