"""The shape of the package: who may import what."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import api_lambdas

FOLDER = Path(str(api_lambdas.__file__)).parent
MODULES = sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*.py"))
# module prefix -> the only modules that may import it
SHELLS = {
    "boto3": set[str](),
    "botocore": set[str](),
    "http.client": {
        *("access/jwks.py", "commands/monolith.py", "events/bus.py", "regions/forward.py"),
        *("shared/aws_service.py", "shared/deadline.py", "shared/dynamodb.py"),
    },
    "socket": {"link_probe.py", "shared/deadline.py"},
    "ssl": {"access/jwks.py", "shared/aws_service.py", "shared/deadline.py"},
    "yaml": {"packing/access_file.py", "packing/yaml_file.py"},
    "os": {"query.py", "command.py", "health.py", "health_alarm.py", "ingest.py", "ingest_event.py", "link_probe.py"},
    "sys": {"link_probe.py", "package.py", "shared/log.py"},
    "time": {
        *("query.py", "command.py", "health_alarm.py", "link_probe.py"),
        *("access/composed.py", "commands/composed.py", "events/bus.py", "regions/forward.py"),
        *("shared/aws_service.py", "shared/deadline.py", "shared/dynamodb.py", "shared/entry.py"),
    },
    "worker": set[str](),
    "local": set[str](),
}
# A start waits for every module: none of an AWS SDK, none of the standard library's large ones.
SLOW = {"asyncio", "boto3", "botocore", "concurrent", "logging", "multiprocessing", "orjson", "urllib3", "uuid", "yaml"}
MAX_MODULES = 200


@pytest.mark.parametrize("path", MODULES)
def test_every_outside_system_has_one_shell(path: str) -> None:
    """Everything else is pure, and nothing of the worker or the local stack gets into the functions."""
    imported = set[str]()
    for node in ast.walk(ast.parse((FOLDER / path).read_text("utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(str(node.module))

    wrong = [
        name
        for name in imported
        for system, shells in SHELLS.items()
        if (name == system or name.startswith(f"{system}.")) and path not in shells
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("module", "not_needed"),
    [
        ("query", SLOW | {"fastjsonschema", "contract.mapping"}),
        ("command", SLOW | {"contract.mapping", "api_lambdas.regions.table"}),
        ("ingest", SLOW | {"contract.mapping"}),
        ("ingest_event", SLOW | {"fastjsonschema", "contract.mapping"}),
        ("health_alarm", SLOW | {"fastjsonschema", "contract.mapping"}),
        ("health", SLOW | {"fastjsonschema", "contract.mapping"}),
    ],
)
def test_a_start_imports_little(module: str, not_needed: set[str]) -> None:
    """In an interpreter of its own, without what site-packages add."""
    vendored = [path for path in sys.path if path.endswith("site-packages")]
    script = f"""
import json, sys
sys.path[:0] = {[str(FOLDER.parent), *vendored]!r}
import api_lambdas.{module}
print(json.dumps(sorted(sys.modules)))
"""
    command = [sys.executable, "-I", "-S", "-c", script]

    run = subprocess.run(command, capture_output=True, text=True, check=True)

    imported = set(json.loads(run.stdout))
    assert imported & not_needed == set()
    assert len(imported) <= MAX_MODULES
