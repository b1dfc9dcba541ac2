"""The shape of the package: who may import what."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import api_lambdas

MODULES = sorted(Path(str(api_lambdas.__file__)).parent.glob("*.py"))
# module prefix -> the only modules that may import it
SHELLS = {
    "boto3": set[str](),
    "botocore": set[str](),
    "http.client": {
        "aws_service.py",
        "deadline.py",
        "dynamodb.py",
        "event_bus.py",
        "forward.py",
        "jwks.py",
        "monolith.py",
    },
    "socket": {"deadline.py", "link_probe.py"},
    "ssl": {"aws_service.py", "deadline.py", "jwks.py"},
    "yaml": {"access_file.py", "commands_file.py", "events_file.py", "yaml_file.py"},
    "os": {"query.py", "command.py", "health.py", "health_alarm.py", "ingest.py", "ingest_event.py", "link_probe.py"},
    "sys": {"link_probe.py", "log.py", "package.py"},
    "time": {
        *("aws_service.py", "composed.py", "entry.py", "command.py", "dynamodb.py", "link_probe.py"),
        *("event_bus.py", "monolith.py", "query.py", "composed_regions.py", "forward.py", "health_alarm.py"),
    },
    "worker": set[str](),
    "local": set[str](),
}
# A start waits for every module: none of an AWS SDK, none of the standard library's large ones.
SLOW = {"asyncio", "boto3", "botocore", "concurrent", "logging", "multiprocessing", "orjson", "urllib3", "uuid", "yaml"}
MAX_MODULES = 200


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


@pytest.mark.parametrize(
    ("module", "not_needed"),
    [
        ("query", SLOW | {"fastjsonschema", "contract.mapping"}),
        ("command", SLOW - {"uuid"} | {"contract.mapping", "api_lambdas.regions"}),
        ("ingest", SLOW | {"contract.mapping"}),
        ("ingest_event", SLOW | {"fastjsonschema", "contract.mapping"}),
        ("health_alarm", SLOW | {"fastjsonschema", "contract.mapping"}),
        ("health", SLOW | {"fastjsonschema", "contract.mapping"}),
    ],
)
def test_a_start_imports_little(module: str, not_needed: set[str]) -> None:
    """In an interpreter of its own, without what site-packages add."""
    folder = Path(str(api_lambdas.__file__)).parents[1]
    vendored = [path for path in sys.path if path.endswith("site-packages")]
    script = f"""
import json, sys
sys.path[:0] = {[str(folder), *vendored]!r}
import api_lambdas.{module}
print(json.dumps(sorted(sys.modules)))
"""
    command = [sys.executable, "-I", "-S", "-c", script]

    run = subprocess.run(command, capture_output=True, text=True, check=True)

    imported = set(json.loads(run.stdout))
    assert imported & not_needed == set()
    assert len(imported) <= MAX_MODULES
