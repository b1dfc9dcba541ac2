"""The classes that the daemon loads until its first record, read and verified beforehand: it starts in half the time.

Java's class data sharing. `classes.txt.gz` names them; it was noted by a daemon at work, with the option
`-XX:DumpLoadedClassList`. An archive serves the Java and the jars that it was made with. With any other Java, and
without one, the daemon starts as it always did.
"""

import gzip
import os
import subprocess
import tempfile
from pathlib import Path

from worker.errors import FatalError

CLASSES = Path(__file__).with_name("classes.txt.gz")
NAME = "nearview-kcl.jsa"
# about ten seconds of one core; a slow machine may take its time
LONGEST_SECONDS = 600


def class_path(jars: Path) -> str:
    """All jars in an order of their own: Java takes an archive only for the very path that it was made with."""
    return os.pathsep.join(map(str, sorted(jars.glob("*.jar"))))


def place(jars: Path) -> Path:
    """Where the archive of a folder of jars is, or would be."""
    return jars.parent / NAME


def options(jars: Path) -> list[str]:
    """What Java has to be told of the archive, if there is one. One that does not fit is left aside without a word."""
    archive = place(jars)
    return [f"-XX:SharedArchiveFile={archive}", "-Xshare:auto", "-Xlog:cds=off"] if archive.is_file() else []


def build(java: Path, jars: Path) -> Path:
    """Make the archive, or make it anew. Raises FatalError with what to do."""
    archive = place(jars)
    try:
        with tempfile.TemporaryDirectory(prefix="nearview-archive-", dir=archive.parent) as folder:
            names, draft = Path(folder) / "classes", Path(folder) / NAME
            names.write_bytes(gzip.decompress(CLASSES.read_bytes()))
            _dump([str(java), "-Xshare:dump", "-XX:+UseSerialGC", "-cp", class_path(jars)], names, draft)
            draft.chmod(0o644)
            draft.replace(archive)
    except OSError as error:
        raise FatalError(f"{archive}: the archive of classes cannot be written: {error.strerror}") from error
    return archive


def _dump(command: list[str], names: Path, draft: Path) -> None:
    arguments = [*command, f"-XX:SharedClassListFile={names}", f"-XX:SharedArchiveFile={draft}"]
    try:
        done = subprocess.run(arguments, capture_output=True, check=False, timeout=LONGEST_SECONDS)
    except subprocess.TimeoutExpired:
        raise FatalError(f"{command[0]} has not made the archive of classes in {LONGEST_SECONDS} seconds") from None
    if done.returncode or not draft.is_file():
        raise FatalError(f"{command[0]} cannot make an archive of classes: exit code {done.returncode}")
