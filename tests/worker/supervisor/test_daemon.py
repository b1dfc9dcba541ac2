"""A daemon's process: its output becomes events, and it dies with whoever started it."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil

from tests.worker.supervisor.real_worker import wait_for
from worker.log import Log
from worker.supervisor import archive, tether
from worker.supervisor.daemon import Daemon, command, forward_output


def forwarded(*lines: bytes) -> list[dict[str, Any]]:
    """What the log says after the daemon printed these lines."""
    target = io.StringIO()
    forward_output(io.BytesIO(b"\n".join(lines)), target, Log("info", target))
    return [json.loads(line) for line in target.getvalue().splitlines()]


def test_events_of_children_pass_unchanged() -> None:
    assert forwarded(b'{"time": "t", "event": "batch_done"}', b"") == [{"time": "t", "event": "batch_done"}]


def test_lines_of_kcl_become_events() -> None:
    (entry,) = forwarded(b"KCL ERROR software.amazon.kinesis.X no lease java.io.IOException: closed")
    assert (entry["level"], entry["event"], entry["logger"]) == ("error", "kcl", "software.amazon.kinesis.X")
    assert entry["message"] == "no lease java.io.IOException: closed"


def test_anything_else_is_kept_in_part() -> None:
    first, second, third = forwarded(b"OpenJDK warning \xff", b"KCL is here", b"x" * 5000)
    assert first["event"] == second["event"] == "daemon_output"
    assert first["message"] == "OpenJDK warning \ufffd"
    assert len(third["message"]) == 1000


def test_output_that_nobody_can_log_is_still_read() -> None:
    closed = io.StringIO()
    closed.close()
    source = io.BytesIO(b'{"time": 1}\nother\n')
    forward_output(source, closed, Log("info", closed))
    assert source.closed


def test_the_command_names_classes_and_files(tmp_path: Path) -> None:
    jars = tmp_path / "jars"
    jars.mkdir()
    (jars / "a.jar").touch()
    arguments = command(Path("/j/java"), "-Xmx1g  -Da=b", jars, Path("/run/daemon.properties"))
    assert arguments[:3] == ["/j/java", "-Xmx1g", "-Da=b"]
    assert arguments[arguments.index("-cp") + 1] == str(jars / "a.jar")
    assert not [argument for argument in arguments if "SharedArchive" in argument]
    (tmp_path / archive.NAME).touch()
    arguments = command(Path("/j/java"), "", jars, Path("/run/daemon.properties"))
    assert f"-XX:SharedArchiveFile={tmp_path / archive.NAME}" in arguments
    assert arguments[arguments.index("--properties-file") + 1] == "/run/daemon.properties"


def test_a_daemon_is_waited_for_asked_and_ended() -> None:
    log = Log("error", io.StringIO())
    patient = Daemon([sys.executable, "-c", "import time; time.sleep(600)"], os.environ, log)
    assert patient.exit_code() is None
    assert not patient.wait(0.01)
    patient.terminate()
    assert patient.wait(30)
    assert patient.exit_code() == -15
    stubborn = Daemon([sys.executable, "-c", "import time; time.sleep(600)"], os.environ, log)
    stubborn.kill()
    assert stubborn.wait(30)
    assert stubborn.exit_code() == -9


def test_a_tethered_program_dies_with_its_parent() -> None:
    parent = (
        "import os, subprocess, sys, time\n"
        f"p = subprocess.Popen([sys.executable, {tether.__file__!r}, str(os.getpid()), sys.executable, '-c',"
        " 'import time; time.sleep(600)'])\n"
        "print(p.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout
            tethered = psutil.Process(int(process.stdout.readline()))
            wait_for("the program", lambda: "tether" not in " ".join(tethered.cmdline()))
        finally:
            process.kill()
    wait_for("its end", lambda: not tethered.is_running() or tethered.status() == psutil.STATUS_ZOMBIE)


def test_a_program_whose_parent_is_gone_already_does_not_start() -> None:
    done = subprocess.run([sys.executable, tether.__file__, "1", "/bin/echo", "x"], capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (1, b"")
