"""A real child whose pipeline notes each record in the file that NOTED names; a program for tests."""

from worker.child.stdout import take_stdout

_PROTOCOL = take_stdout()

import os  # noqa: E402
import sys  # noqa: E402
from collections.abc import Sequence  # noqa: E402
from pathlib import Path  # noqa: E402

from tests.worker.child.counts import Counts  # noqa: E402
from worker.child.run import run  # noqa: E402
from worker.records.stream import StreamRecord  # noqa: E402
from worker.settings import Settings  # noqa: E402


class NotingPipeline:
    """A line for each record: process id, shard, data."""

    def process(self, records: Sequence[StreamRecord]) -> Counts:
        """Note the records."""
        lines = [f"{os.getpid()} {record.shard_id} {record.data.decode()}\n" for record in records]
        with Path(os.environ["NOTED"]).open("a", encoding="utf-8") as noted:
            noted.write("".join(lines))
        return Counts(len(records))

    def work_off(self) -> None:
        """Nothing is ever due."""


def build_pipeline(_settings: Settings, _shard_id: str) -> NotingPipeline:
    """A pipeline."""
    return NotingPipeline()


if __name__ == "__main__":
    run(os.environ, build_pipeline, sys.stdin.buffer, _PROTOCOL)
