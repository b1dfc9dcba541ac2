"""Records that come all the time, to every part of the key space, and what became of them."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence

from tests.worker.supervisor.real_worker import Stage, Worker, wait_for

KEYS = 32
EVERY_SECONDS = 0.2


class Load:
    """Sends `<key>-<number>` for each key, number by number."""

    def __init__(self, stage: Stage) -> None:
        self.sent: list[str] = []
        self._stage = stage
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def end(self) -> list[str]:
        """Stop; everything that was sent."""
        self._stop.set()
        if self._thread.ident:
            self._thread.join()
        return self.sent

    def _run(self) -> None:
        number = 0
        while not self._stop.wait(EVERY_SECONDS):
            texts = [f"{key}-{number}" for key in range(KEYS)]
            # the partition key must stay the same, or the order of a key's records would mean nothing
            records = [{"Data": text.encode(), "PartitionKey": text.partition("-")[0]} for text in texts]
            answer = self._stage.kinesis.put_records(StreamName=f"{self._stage.name}-changes", Records=records)
            assert answer["FailedRecordCount"] == 0
            self.sent += texts
            number += 1

    def passed(self, workers: Sequence[Worker]) -> None:
        """Return when what is sent from now on reaches children."""
        now = len(self.sent)
        wait_for("more records sent", lambda: len(self.sent) >= now + 2 * KEYS)
        wanted = set(self.sent[now : now + KEYS])
        _wait_processed("records processed", wanted, workers)

    def assert_all_processed(self, workers: Sequence[Worker]) -> Counter[str]:
        """End the load; everything was processed, each key in its order. How often each record was."""
        sent = set(self.end())
        _wait_processed("everything processed", sent, workers)
        for worker in workers:
            assert in_order(worker.noted()), worker.folder
        return Counter(noted(workers))


def _wait_processed(what: str, wanted: set[str], workers: Sequence[Worker]) -> None:
    """Return when all of these were; a worker that makes its way through them may take its time."""
    wait_for(what, lambda: wanted <= set(noted(workers)), moves=lambda: len(wanted & set(noted(workers))))


def noted(workers: Sequence[Worker]) -> list[str]:
    """Data of all records that were processed, repeats included."""
    return [text for worker in workers for text in worker.noted()]


def in_order(texts: Sequence[str]) -> bool:
    """Whether the first time that each record of a key appears comes after all of that key's earlier ones that do."""
    newest: dict[str, int] = {}
    seen: set[str] = set()
    for text in texts:
        key, _, number = text.partition("-")
        if text not in seen:
            seen.add(text)
            if int(number) < newest.get(key, -1):
                return False
            newest[key] = int(number)
    return True
