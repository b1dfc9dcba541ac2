"""The daemon's side of the protocol, driving a real child process over pipes."""

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import Any

ROOT = Path(__file__).parents[3]
SETTINGS = {
    "AWS_REGION": "eu-west-1",
    "NEARVIEW_APPLICATION": "test",
    "NEARVIEW_STREAM": "changes",
    "NEARVIEW_ROWS_TABLE": "rows",
    "NEARVIEW_DOCUMENTS_TABLE": "documents",
    "NEARVIEW_PARKED_TABLE": "parked",
    "NEARVIEW_LOG_LEVEL": "debug",
}
PATIENCE_SECONDS = 30.0


class FakeDaemon:
    """Starts `python -m module` and speaks to it; `folder` is the child's run folder."""

    def __init__(self, folder: Path, module: str = "tests.worker.child.scripted_child", **settings: str) -> None:
        (folder / "metrics").mkdir()
        (folder / "children").mkdir()
        self.folder = folder
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            **SETTINGS,
            "NEARVIEW_RUN_FOLDER": str(folder),
            "PROMETHEUS_MULTIPROC_DIR": str(folder / "metrics"),
            "SCRIPTED_CHILD_OUT": str(folder / "durable"),
            **settings,
        }
        with (folder / "stderr").open("wb") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-u", "-m", module],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd=ROOT,
                env=environment,
            )
        self._lines: Queue[bytes] = Queue()
        Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            if line.strip():
                self._lines.put(line)
        self._lines.put(b"")

    def send(self, action: str, **members: Any) -> None:
        """One line to the child."""
        self.send_line(json.dumps({"action": action, **members}).encode())

    def send_line(self, line: bytes) -> None:
        """One raw line to the child."""
        assert self.process.stdin
        self.process.stdin.write(line + b"\n")
        self.process.stdin.flush()

    def receive(self) -> dict[str, Any] | None:
        """The child's next message; None when it closed its output."""
        try:
            line = self._lines.get(timeout=PATIENCE_SECONDS)
        except Empty:
            raise AssertionError(f"the child said nothing; its log: {self.log_text()}") from None
        message: dict[str, Any] | None = json.loads(line) if line else None
        return message

    def initialize(self, shard: str = "shard-0") -> dict[str, Any] | None:
        """Name the shard and return the answer."""
        self.send("initialize", shardId=shard, sequenceNumber="TRIM_HORIZON", subSequenceNumber=0)
        return self.receive()

    def deliver(self, *words: str, first: int = 1) -> None:
        """Send a delivery with a record for each word, numbered from `first`."""
        records = [
            {
                "action": "record",
                "data": base64.b64encode(word.encode()).decode(),
                "partitionKey": "p",
                "sequenceNumber": str(number),
                "subSequenceNumber": 0,
                "approximateArrivalTimestamp": 1_700_000_000_000,
            }
            for number, word in enumerate(words, first)
        ]
        self.send("processRecords", millisBehindLatest=7, records=records)

    def answer_checkpoint(self, error: str | None = None) -> dict[str, Any]:
        """Take the checkpoint that the child asks for, answer it and return it."""
        asked = self.receive()
        assert asked, self.log_text()
        assert asked["action"] == "checkpoint", asked
        self.send(
            "checkpoint",
            sequenceNumber=asked["sequenceNumber"],
            subSequenceNumber=asked["subSequenceNumber"],
            error=error,
        )
        return asked

    def close(self) -> None:
        """Close the child's input, as a daemon does that is done with it or was killed."""
        assert self.process.stdin
        self.process.stdin.close()

    def exit_code(self) -> int:
        """The child's exit code, once it has ended."""
        return self.process.wait(PATIENCE_SECONDS)

    def durable(self) -> list[str]:
        """The batches that were made durable, as blank-separated sequence numbers."""
        path = self.folder / "durable"
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []

    def log_text(self) -> str:
        """What the child wrote to standard error."""
        return (self.folder / "stderr").read_text(encoding="utf-8")

    def events(self) -> list[dict[str, Any]]:
        """The child's log."""
        return [json.loads(line) for line in self.log_text().splitlines() if line.startswith('{"time"')]

    def registered(self) -> list[str]:
        """Shards of children that did not leave in good order."""
        return [path.read_text(encoding="utf-8") for path in (self.folder / "children").iterdir()]

    def end(self) -> None:
        """Leave nothing behind."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe and not pipe.closed:
                pipe.close()
