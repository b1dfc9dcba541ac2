"""The zip file of both Lambdas."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from api_lambdas.package import COMMANDS_FILE, PackageError, build, main
from contract.mapping import Mapping
from tests.api_lambdas.support import MAPPING, PUBLIC, event

COMMANDS = COMMANDS_FILE.read_text("utf-8")


@pytest.fixture(scope="module")
def packed() -> bytes:
    return build(MAPPING.to_json(), COMMANDS, access_yaml=PUBLIC)


def test_equal_input_gives_equal_bytes(packed: bytes) -> None:
    """A deployment changes functions only when their code changed."""
    assert build(json.dumps(json.loads(MAPPING.to_json())), COMMANDS, access_yaml=PUBLIC) == packed


def test_the_zip_holds_what_runs_and_nothing_else(packed: bytes) -> None:
    """Our two packages, the vendored one with its licence, the compiled declarations; small, and no native code."""
    names = set(zipfile.ZipFile(io.BytesIO(packed)).namelist())

    assert {name.partition("/")[0] for name in names} == {"api_lambdas", "contract", "fastjsonschema"}
    assert {
        "api_lambdas/query.py",
        "api_lambdas/command.py",
        "api_lambdas/health_alarm.py",
        "api_lambdas/ingest.py",
        "api_lambdas/ingest_event.py",
        "api_lambdas/shared/__init__.py",
        "api_lambdas/regions/forward.py",
        "contract/keys.py",
        "fastjsonschema/LICENSE",
    } <= names
    assert not names & {"api_lambdas/package.py", "api_lambdas/commands.yaml", "contract/mapping.py"}
    assert not [name for name in names if name.startswith("api_lambdas/packing")]
    declared = {
        f"api_lambdas/{name}"
        for name in ("mapping.json", "commands.json", "events.json", "access.json", "openapi.json", "openapi.html")
    }
    assert declared <= names
    assert {Path(name).suffix for name in names} == {".py", ".json", ".html", ""}
    assert len(packed) < 200_000


def test_the_mapping_is_packed(packed: bytes) -> None:
    """The Lambda reads what the worker's mapping was compiled to."""
    text = zipfile.ZipFile(io.BytesIO(packed)).read("api_lambdas/mapping.json").decode()

    assert Mapping.from_json(text) == MAPPING


@pytest.mark.parametrize("module", ["query", "command", "ingest"])
def test_the_zip_runs_without_the_repository(packed: bytes, tmp_path: Path, module: str) -> None:
    """With nothing beside it; nothing heavy is imported."""
    (tmp_path / "api.zip").write_bytes(packed)
    zipfile.ZipFile(tmp_path / "api.zip").extractall(tmp_path / "code")
    script = f"""
import json, sys
sys.path.insert(0, "code")
from api_lambdas.{module} import handler
answer = handler(json.loads(sys.argv[1]), None)
print(json.dumps([answer["statusCode"], sys.modules["api_lambdas"].__file__, sorted(sys.modules)]))
"""
    url = {
        "query": ("GET", "/nothing/1"),
        "command": ("POST", "/commands/nothing"),
        "ingest": ("POST", "/events/nothing"),
    }[module]
    environment = {
        "PATH": os.environ["PATH"],
        "AWS_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "DOCUMENTS_TABLE": "d",
        "COMMANDS_TABLE": "c",
        "EVENTS_TABLE": "e",
        "EVENT_BUS": "b",
        "MONOLITH_URL": "http://127.0.0.1:1",
        "CURSOR_SECRET": "c" * 32,
    }
    command = [sys.executable, "-I", "-S", "-c", script, json.dumps(event(*url))]

    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    assert run.returncode == 0, run.stderr
    status, file, modules = json.loads(run.stdout)
    assert status == 404
    assert file == str(tmp_path / "code" / "api_lambdas" / "__init__.py") or file == "code/api_lambdas/__init__.py"
    assert not set(modules) & {"yaml", "boto3", "botocore", "worker", "orjson"}


def test_the_command_line_writes_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And prints its size."""
    (tmp_path / "m.json").write_text(MAPPING.to_json(), "utf-8")

    assert main(["--mapping", str(tmp_path / "m.json"), "--out", str(tmp_path / "api.zip")]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'api.zip'}: {(tmp_path / 'api.zip').stat().st_size:,} bytes\n"


@pytest.mark.parametrize("mapping", ["", "[]", "{}", "[1]", '[{"name": "x"}]'])
def test_a_wrong_mapping_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], mapping: str) -> None:
    """One line, no traceback, no file."""
    (tmp_path / "m.json").write_text(mapping, "utf-8")

    assert main(["--mapping", str(tmp_path / "m.json"), "--out", str(tmp_path / "api.zip")]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_missing_file_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It names the file."""
    assert main(["--mapping", str(tmp_path / "nowhere.json"), "--out", "x"]) == 1
    assert "nowhere.json" in capsys.readouterr().err


def test_wrong_commands_are_refused() -> None:
    """With the problems of the commands file."""
    with pytest.raises(PackageError) as caught:
        build(MAPPING.to_json(), "a: 1", "mine.yaml")

    assert caught.value.problems == ("mine.yaml:1: a: expected `endpoint` and `body`",)


def test_the_description_can_be_had_beside_the_zip(tmp_path: Path) -> None:
    """For generators of clients; rules of access of another file are in it."""
    (tmp_path / "m.json").write_text(MAPPING.to_json(), "utf-8")
    (tmp_path / "access.yaml").write_text("default: public", "utf-8")
    options = ["--mapping", str(tmp_path / "m.json"), "--out", str(tmp_path / "api.zip")]

    assert main([*options, "--access", str(tmp_path / "access.yaml"), "--openapi", str(tmp_path / "o.json")]) == 0
    described = json.loads((tmp_path / "o.json").read_text("utf-8"))
    assert described["paths"]["/orders"]["get"]["security"] == []


def test_wrong_rules_of_access_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the place in their file."""
    (tmp_path / "m.json").write_text(MAPPING.to_json(), "utf-8")
    (tmp_path / "access.yaml").write_text("default: iam\nroutes:\n  GET /order: public", "utf-8")

    assert main(["--mapping", str(tmp_path / "m.json"), "--out", "x", "--access", str(tmp_path / "access.yaml")]) == 1
    assert (
        capsys.readouterr().err == f"{tmp_path}/access.yaml:3: GET /order: no such route, did you mean `GET /orders`?\n"
    )
