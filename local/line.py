"""Lines between regions: TCP proxies that can be cut as a cable is, and be made as long as a distance.

A cut line drops what is sent: nobody gets a reset, new connections get no answer, and what was on its way arrives
when the line is mended. So callers wait until their own time-outs, as they would when a region is lost.

`python -m local.line FOLDER` serves the lines of FOLDER/lines.json and follows FOLDER/state.json, which `Lines` writes.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

HOST: Final = "127.0.0.1"
BACKLOG: Final = 128
FOLLOW_SECONDS: Final = 0.05
CHUNK_BYTES: Final = 65536
FILL: Final = 4
"""More connections than a queue of length 0 takes: further ones are dropped by the kernel without an answer."""


@dataclass(frozen=True, slots=True)
class Line:
    """Who connects to `port` reaches host:to_port, unless one of the regions that it joins is cut off."""

    name: str
    regions: tuple[str, ...]
    port: int
    to_port: int
    host: str = HOST


@dataclass(frozen=True, slots=True)
class LineState:
    """Which regions are cut off, and how long one way into a region takes."""

    cut: tuple[str, ...] = ()
    one_way_millis: Mapping[str, float] = field(default_factory=dict)


class Lines:
    """The lines of a folder, as those see them who cut and mend."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def lay(self, lines: Sequence[Line]) -> None:
        """Say which lines there are; before the process starts."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "lines.json").write_text(json.dumps([asdict(line) for line in lines], indent=1))
        self.set(LineState())

    def laid(self) -> tuple[Line, ...]:
        """All lines; none where none were laid."""
        with suppress(OSError):
            return tuple(
                Line(**{**line, "regions": tuple(line["regions"])})
                for line in json.loads((self.folder / "lines.json").read_text())
            )
        return ()

    def set(self, state: LineState) -> None:
        """Change the state of all lines at once; they follow within a tenth of a second."""
        draft = self.folder / "state.draft"
        draft.write_text(json.dumps(asdict(state)))
        draft.replace(self.folder / "state.json")

    def state(self) -> LineState:
        """The state that was set last."""
        stored = json.loads((self.folder / "state.json").read_text())
        return LineState(tuple(stored["cut"]), stored["one_way_millis"])

    def cut(self, region: str) -> None:
        """Cut a region off."""
        state = self.state()
        self.set(LineState((*(r for r in state.cut if r != region), region), state.one_way_millis))

    def mend(self, region: str) -> None:
        """Connect a region again."""
        state = self.state()
        self.set(LineState(tuple(r for r in state.cut if r != region), state.one_way_millis))


class Server:
    """One line that is served."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self.one_way_seconds = 0.0
        self._open = asyncio.Event()
        self._open.set()
        self._filled: list[socket.socket] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((HOST, line.port))
        self._socket.listen(BACKLOG)
        self._socket.setblocking(False)

    def serve(self) -> None:
        """Accept from now on, in the running loop; not by asyncio's server, which could not stop for a cut."""
        asyncio.get_running_loop().add_reader(self._socket, self._accept)

    def _accept(self) -> None:
        with suppress(BlockingIOError, ConnectionError):
            taken, _ = self._socket.accept()
            taken.setblocking(False)
            task = asyncio.create_task(self._carry(taken))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def follow(self, state: LineState) -> None:
        """Become what the state says."""
        self.one_way_seconds = max(state.one_way_millis.get(region, 0.0) for region in self.line.regions) / 1000
        is_cut = not set(self.line.regions).isdisjoint(state.cut)
        if is_cut and self._open.is_set():
            self._open.clear()
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.listen(0)
            self._filled = [self._unanswered() for _ in range(FILL)]
        elif not is_cut and not self._open.is_set():
            for filled in self._filled:
                filled.close()
            self._filled = []
            self._socket.listen(BACKLOG)
            self._open.set()
            self.serve()

    def _unanswered(self) -> socket.socket:
        made = socket.socket()
        made.setblocking(False)
        with suppress(BlockingIOError):
            made.connect((HOST, self.line.port))
        return made

    async def _carry(self, taken: socket.socket) -> None:
        writers = []
        try:
            reader, writer = await asyncio.open_connection(sock=taken)
            writers.append(writer)
            await self._pause()
            await self._pause()  # who connects waits for a packet there and one back
            to_reader, to_writer = await asyncio.open_connection(self.line.host, self.line.to_port)
            writers.append(to_writer)
            await asyncio.gather(self._pump(reader, to_writer), self._pump(to_reader, writer))
        except OSError:
            pass
        finally:
            for each in writers:
                each.close()

    async def _pause(self) -> None:
        if self.one_way_seconds:
            await asyncio.sleep(self.one_way_seconds)
        await self._open.wait()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(CHUNK_BYTES):
            await self._pause()
            writer.write(data)
            await writer.drain()
        await self._pause()  # an end, too, is a packet that a cut line loses
        with suppress(OSError):
            writer.write_eof()


async def run(folder: Path) -> None:
    """Serve all lines of the folder until the process ends."""
    lines = Lines(folder)
    servers = [Server(line) for line in lines.laid()]
    for server in servers:
        server.serve()
    (folder / "serving").touch()
    while True:
        state = lines.state()
        for server in servers:
            server.follow(state)
        await asyncio.sleep(FOLLOW_SECONDS)


if __name__ == "__main__":
    asyncio.run(run(Path(sys.argv[1])))
