"""The jars that amazon_kclpy downloaded while it was installed, checked against the committed SHA-256 sums.

`python -m worker.supervisor.jars` does it and exits 0 or 1 with one line. pip can reuse a cached build without any jar,
and its download checks nothing, so an installation that looks fine may be incomplete.
"""

import hashlib
import importlib.util
import sys
from pathlib import Path

SUMS = Path(__file__).with_name("jars.sha256")
ADVICE = "reinstall it with: pip install --force-reinstall --no-deps --no-cache-dir amazon_kclpy==3.1.3"


def jar_folder() -> Path | None:
    """Where the installed amazon_kclpy keeps its jars; None if it is not installed."""
    spec = importlib.util.find_spec("amazon_kclpy")
    return Path(spec.origin).parent / "jars" if spec and spec.origin else None


def expected_sums(sums: Path = SUMS) -> dict[str, str]:
    """SHA-256 by file name."""
    lines = sums.read_text(encoding="utf-8").splitlines()
    pairs = (line.split() for line in lines if line and not line.startswith("#"))
    return {name: digest for digest, name in pairs}


def problem(folder: Path | None, sums: Path = SUMS) -> str | None:
    """What is wrong with the jars in `folder`, in one line; None if they are exactly the expected ones."""
    if folder is None:
        return "amazon_kclpy is not installed"
    expected = expected_sums(sums)
    found = {path.name: path for path in folder.glob("*.jar")}
    missing = sorted(expected.keys() - found.keys())
    surplus = sorted(found.keys() - expected.keys())
    changed = sorted(name for name in expected.keys() & found.keys() if _sum(found[name]) != expected[name])
    kinds = (("missing", missing), ("with a wrong SHA-256 sum", changed), ("not expected", surplus))
    faults = [f"{len(names)} {kind} ({_first(names)})" for kind, names in kinds if names]
    return f"amazon_kclpy's jars in {folder}: {', '.join(faults)}; {ADVICE}" if faults else None


def _first(names: list[str]) -> str:
    return ", ".join(names[:2]) + (", ..." if len(names) > 2 else "")


def _sum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def summary() -> tuple[bool, str]:
    """Whether all is well, with one line that says so."""
    fault = problem(jar_folder())
    return not fault, fault or f"amazon_kclpy's {len(expected_sums())} jars are complete and have their SHA-256 sums"


if __name__ == "__main__":
    good, line = summary()
    print(line, file=sys.stdout if good else sys.stderr)
    sys.exit(not good)
