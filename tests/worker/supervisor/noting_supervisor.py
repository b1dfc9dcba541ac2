"""A real supervisor over noting children; a program for tests.

PARKED names a file of lines that make it red. With PATIENCE_SECONDS a lease may stand still for so long only.
"""

import os
import sys
from pathlib import Path

from worker.settings import Settings
from worker.supervisor import watch
from worker.supervisor.main import Parts, run


def parked_tables(_settings: Settings) -> list[str]:
    """The lines of the file, if there is one."""
    path = Path(os.environ["PARKED"])
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def mapping_problems(_settings: Settings) -> list[str]:
    """The one that the test asks for."""
    return [os.environ["MAPPING_PROBLEM"]] if "MAPPING_PROBLEM" in os.environ else []


if __name__ == "__main__":
    if "PATIENCE_SECONDS" in os.environ:
        watch.LEAST_PATIENCE_SECONDS = watch.LEASES_LOOK_SECONDS = float(os.environ["PATIENCE_SECONDS"])
        watch.PATIENCE_FAILOVERS = 0
    parts = Parts("tests.worker.supervisor.noting_child", mapping_problems, parked_tables, lambda *_: None)
    sys.exit(run(os.environ, parts))
