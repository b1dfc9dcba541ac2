"""The loads of tables, several at once: all awaited before the changes, or beside them."""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from types import TracebackType
from typing import Self

from local.dms.errors import Disconnected, Stopped
from local.dms.log import log
from local.dms.tables import Table

_POLL_SECONDS = 0.1


class Loads:
    """A pool of threads that load tables; leaving it waits for those that run."""

    def __init__(self, load: Callable[[Table], None], failed: threading.Event, threads: int) -> None:
        """`load` loads one table; `failed` is set when one fails, so that the others end too."""
        self._load = load
        self._failed = failed
        self._pool = ThreadPoolExecutor(max(1, threads))
        self._running: dict[Future[None], Table] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if error is not None:
            self._failed.set()
        self._pool.shutdown(cancel_futures=True)

    @property
    def busy(self) -> bool:
        """Whether any table is being loaded."""
        return bool(self._running)

    def start(self, tables: Iterable[Table]) -> None:
        """Load the tables as threads are free."""
        for table in tables:
            self._running[self._pool.submit(self._load, table)] = table

    def finish(self, meanwhile: Callable[[], None]) -> None:
        """Return when all are loaded; raises what a load raised."""
        while self._running:
            wait(self._running, timeout=_POLL_SECONDS, return_when=FIRST_EXCEPTION)
            self._take_done(again=False)
            meanwhile()

    def check(self) -> None:
        """Raise what a load raised, but begin it anew if only its connection was lost."""
        self._take_done(again=True)

    def _take_done(self, *, again: bool) -> None:
        for future in [future for future in self._running if future.done()]:
            table = self._running.pop(future)
            error = future.exception()
            if again and isinstance(error, Disconnected):
                log(f"table {table.full_name}: {error}; loading it again")
                self.start([table])
            elif error is not None:
                if not isinstance(error, Stopped):
                    self._failed.set()  # ends the other tables' loads as well
                raise error
