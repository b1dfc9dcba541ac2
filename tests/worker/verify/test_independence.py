"""A proof by the same code would prove nothing: `verify` and the worker share the contract only."""

import ast
from pathlib import Path

import pytest

import worker.verify

FOLDER = Path(worker.verify.__file__).parent
MODULES = sorted(FOLDER.glob("*.py"))
ALLOWED = ("contract", "worker.verify", "worker.mapping.loader", "worker.dms", "worker.pace", "worker.source_secret")
SDKS = {"psycopg2": "source.py", "boto3": "target.py", "botocore": "target.py", "sqlite3": "spool.py"}


def imported(path: Path) -> set[str]:
    """Every module that a file names in an import, also inside functions."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {str(node.module)}
    return names


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_verify_imports_nothing_of_the_worker_but_the_reader_of_mappings(path: Path) -> None:
    allowed = (
        (*ALLOWED, "worker.repair") if path.name == "cli.py" else ALLOWED
    )  # which hands it on, when asked to repair
    ours = {name for name in imported(path) if name.split(".")[0] in ("worker", "api_lambdas", "local", "contract")}

    assert {name for name in ours if name != "worker.mapping.loader" and not name.startswith(allowed)} == set()


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_each_outside_system_has_one_module(path: Path) -> None:
    used = {name.split(".")[0] for name in imported(path)} & SDKS.keys()

    assert {SDKS[name] for name in used} <= {path.name}


def test_the_worker_never_imports_verify() -> None:
    """It would bring a driver of the source into the worker, which never asks it."""
    others = [path for path in FOLDER.parent.rglob("*.py") if FOLDER not in path.parents]

    assert others
    assert [path.name for path in others if any(n.startswith("worker.verify") for n in imported(path))] == []
