"""A child's life from its first line to its exit; every way out goes through `os._exit` here."""

import gc
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO, NoReturn

from worker import metrics, pulse
from worker.child.checkpoints import Checkpoints
from worker.child.freed_memory import FreedMemory
from worker.child.processor import BatchProcessor, ShardProcessor
from worker.child.protocol import DaemonGone, ShardProcess
from worker.errors import SettingsError
from worker.log import Event, Log, capture_libraries, describe
from worker.run_folder import RunFolder
from worker.settings import Settings, parse

# between two actions a child sees the end of its input at once; within a batch this is what a batch may still take
ORPHAN_SECONDS = 2.0

# Python's collector looks for cycles after every 700 new objects, a batch makes millions and hardly a cycle: a quarter
# of the processor time went there
OBJECTS_BETWEEN_COLLECTIONS = 100_000


def run(
    environ: Mapping[str, str],
    build_pipeline: Callable[[Settings, str], BatchProcessor],
    source: BinaryIO,
    target: BinaryIO,
) -> NoReturn:
    """Serve the daemon at `source` and `target` until it is done with this process, then exit.

    Exits 0 when the daemon closed its end, 1 after one log line for anything else. No status is reported for an action
    that raised, so the daemon never takes its records for done.
    """
    # a signal to the process group must not stop a child: its life is in the daemon's hands
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        settings = parse(environ)
    except SettingsError as error:
        Log().error(Event.CHILD_FAILED, message=str(error))
        os._exit(1)
    log = Log(settings.log_level).bind(pid=os.getpid())
    capture_libraries(log)
    threading.Thread(target=_exit_when_orphaned, args=(source.fileno(), log), daemon=True).start()
    folder = RunFolder(Path(settings.run_folder)) if settings.run_folder else None
    if folder:
        pulse.begin(folder.pulse(os.getpid()))
        folder.register(os.getpid(), "")
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS, 20, 100)
    processor = ShardProcessor(
        lambda shard: _built(build_pipeline, settings, shard),
        lambda shard: folder.register(os.getpid(), shard) if folder else None,
        Checkpoints(log, pulse.sleep),
        settings.batch_records,
        log,
    )
    process = ShardProcess(processor, source, target, sys.stderr, FreedMemory().give_back)
    _exit(_serve(process, log), folder)


def _built(build_pipeline: Callable[[Settings, str], BatchProcessor], settings: Settings, shard: str) -> BatchProcessor:
    """The pipeline; what stands now stays to the end, so that no collection looks at it again."""
    pipeline = build_pipeline(settings, shard)
    gc.collect()
    gc.freeze()
    return pipeline


def _serve(process: ShardProcess, log: Log) -> int:
    try:
        process.run()
    except DaemonGone:
        log.warning(Event.DAEMON_GONE)
    except BaseException as error:  # noqa: BLE001 - whatever it is, it must end this process and not be lost
        log.error(Event.CHILD_FAILED, **describe(error))
        return 1
    else:
        log.info(Event.CHILD_STOPPED)
    return 0


def _exit(code: int, folder: RunFolder | None) -> NoReturn:
    """Leave without waiting for threads: one that hangs would hold the daemon's pipes, and with them the lease."""
    if folder:
        metrics.process_ended(os.getpid(), folder.metrics)
        if code == 0:
            folder.leave(os.getpid())
    sys.stderr.flush()
    os._exit(code)


def _exit_when_orphaned(source: int, log: Log) -> None:
    """End a process that is busy, perhaps retrying for ever, while its daemon is gone: the shard has a new owner."""
    hang_up = select.poll()
    hang_up.register(source, 0)  # reports only that the other end was closed
    hang_up.poll()
    time.sleep(ORPHAN_SECONDS)
    log.warning(Event.DAEMON_GONE)
    os._exit(0)
