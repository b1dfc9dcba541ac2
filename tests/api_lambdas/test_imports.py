"""The shape of the package: who may import what."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import api_lambdas

MODULES = sorted(Path(str(api_lambdas.__file__)).parent.glob("*.py"))
# module prefix -> the only modules that may import it
SHELLS = {
    "boto3": set[str](),
    "botocore": {"dynamodb.py"},
    "http.client": {"monolith.py"},
    "socket": {"monolith.py"},
    "yaml": {"commands_file.py"},
    "os": {"query.py", "command.py"},
    "sys": {"log.py", "package.py"},
    "time": {"entry.py", "command.py", "monolith.py"},
    "worker": set[str](),
    "local": set[str](),
}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_every_outside_system_has_one_shell(path: Path) -> None:
    """Everything else is pure, and nothing of the worker or the local stack gets into the functions."""
    imported = set[str]()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(str(node.module))

    wrong = [
        name
        for name in imported
        for system, shells in SHELLS.items()
        if (name == system or name.startswith(f"{system}.")) and path.name not in shells
    ]
    assert wrong == []
