"""A real child whose pipeline does what the records say; a program for tests, run with `python -m`.

Data of a record: `keep` makes it durable, the other words raise, print or wait. Durable sequence numbers go to the
file that SCRIPTED_CHILD_OUT names. SCRIPTED_CHILD_MINUTE: after so many seconds unused memory is given back.
"""

from worker.child.stdout import take_stdout

_PROTOCOL = take_stdout()

import os  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
import weakref  # noqa: E402
from collections.abc import Sequence  # noqa: E402
from pathlib import Path  # noqa: E402

from tests.worker.child.counts import Counts  # noqa: E402
from worker.child import freed_memory  # noqa: E402
from worker.child.run import run  # noqa: E402
from worker.due_work import DueReport  # noqa: E402
from worker.errors import FatalError  # noqa: E402
from worker.projection import images as projection  # noqa: E402
from worker.records.stream import StreamRecord  # noqa: E402
from worker.settings import Settings  # noqa: E402


class Cycle:
    """What only the collector of cycles ends."""

    def __init__(self) -> None:
        self.itself = self


class ScriptedPipeline:
    """Obeys the data of the records."""

    def __init__(self, out: Path) -> None:
        self._out = out

    def process(self, records: Sequence[StreamRecord]) -> Counts:
        """Do what each record says, then note the batch as durable."""
        for record in records:
            self._obey(record.data.decode())
        with self._out.open("a", encoding="utf-8") as out:
            out.write(" ".join(record.sequence_number for record in records) + "\n")
        return Counts(len(records))

    def work_off(self) -> DueReport | None:
        """As many slices as the file beside says, each noted there."""
        due = self._out.parent / "due"
        left = int(due.read_text() or 0) if due.exists() else 0
        if not left:
            return None
        due.write_text(str(left - 1))
        return DueReport(projection.Counts(), left - 1)

    def _obey(self, word: str) -> None:
        if word == "fatal":
            raise FatalError("the rows table is gone")
        if word == "secret-value":
            int(word)
        if word == "exit":
            sys.exit(0)
        if word == "print":
            print('{"action":"status","responseFor":"processRecords"}\n' * 5000, flush=True)  # noqa: T201
            os.write(1, b"straight to the descriptor\n")
        if word == "cycle":
            cycle = Cycle()
            weakref.finalize(cycle, (self._out.parent / "collected").touch)
        if word == "wait":
            (self._out.parent / "waiting").touch()
            time.sleep(600)


def build_pipeline(_settings: Settings, shard_id: str) -> ScriptedPipeline:
    """A pipeline, or what a wrong mapping would raise."""
    if shard_id == "shard-broken":
        raise FatalError("mappings/order.yaml:3:1: unknown table")
    return ScriptedPipeline(Path(os.environ["SCRIPTED_CHILD_OUT"]))


if __name__ == "__main__":
    freed_memory.EVERY_SECONDS = float(os.environ.get("SCRIPTED_CHILD_MINUTE", freed_memory.EVERY_SECONDS))
    run(os.environ, build_pipeline, sys.stdin.buffer, _PROTOCOL)
