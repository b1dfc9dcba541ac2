"""`python -m worker.supervisor`: the same as `nearview worker run`."""

import os
import sys

from worker.supervisor.main import run

if __name__ == "__main__":
    sys.exit(run(os.environ))
