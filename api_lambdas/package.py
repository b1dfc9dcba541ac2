"""Packs the Lambdas into one zip file: `python -m api_lambdas.package --mapping compiled.json --out api.zip`.

The zip holds pure Python only, so it runs on every architecture, and equal input gives equal bytes, so that a
deployment changes functions only when their code changed.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import zipfile
from collections.abc import Iterator, Mapping
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import contract
from api_lambdas.access import rules
from api_lambdas.commands import declared
from api_lambdas.events import declared as declared_events
from api_lambdas.packing import openapi
from api_lambdas.packing.access_file import read_access
from api_lambdas.packing.commands_file import read_commands
from api_lambdas.packing.events_file import read_events
from contract.mapping import Mapping as CompiledMapping

FOLDER: Final = Path(__file__).parent
COMMANDS_FILE: Final = FOLDER / "commands.yaml"
ACCESS_FILE: Final = FOLDER / "access.yaml"
EVENTS_FILE: Final = FOLDER / "events.yaml"
DOCS_PAGE: Final = "openapi.html"
VENDORED: Final = "fastjsonschema"
NOT_PACKED: Final = (
    # they read YAML, describe the API and write zip files; the functions do nothing of that
    *("api_lambdas/package.py", "api_lambdas/packing/"),
    # what describes how documents are made
    "contract/mapping.py",
    "fastjsonschema/__main__.py",
)
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)


class PackageError(Exception):
    """The input is not usable; `problems` holds a line for each."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def build(
    mapping_json: str,
    commands_yaml: str,
    commands_name: str = COMMANDS_FILE.name,
    *,
    access_yaml: str | None = None,
    access_name: str = ACCESS_FILE.name,
    examples: Mapping[str, Mapping[str, Any]] | None = None,
    events_yaml: str | None = None,
    events_name: str = EVENTS_FILE.name,
) -> bytes:
    """The zip file from a compiled mapping (`Mapping.to_json`) and the declared commands. Raises PackageError.

    `access_yaml`: who may call what, by default as `access.yaml` beside this file says; `events_yaml`: which events are
    taken, by default those of `events.yaml`. `examples`: documents by collection and key, for the description.
    """
    declarations = compiled(
        mapping_json, commands_yaml, commands_name, access_yaml, access_name, examples, events_yaml, events_name
    )
    return _zip({**dict(_code()), **{f"api_lambdas/{name}": text.encode() for name, text in declarations.items()}})


def compiled(
    mapping_json: str,
    commands_yaml: str,
    commands_name: str = COMMANDS_FILE.name,
    access_yaml: str | None = None,
    access_name: str = ACCESS_FILE.name,
    examples: Mapping[str, Mapping[str, Any]] | None = None,
    events_yaml: str | None = None,
    events_name: str = EVENTS_FILE.name,
) -> dict[str, str]:
    """The declarations as the functions read them, by file name: what `build` packs. Raises PackageError."""
    try:
        mapping = CompiledMapping.from_json(mapping_json)
    except (ValueError, KeyError, TypeError) as error:
        raise PackageError(f"the mapping is not what Mapping.to_json writes ({type(error).__name__})") from error
    if not mapping.aggregates:
        raise PackageError("the mapping has no aggregate: there would be nothing to read")
    commands, problems = read_commands(commands_yaml, commands_name)
    declared_text = EVENTS_FILE.read_text("utf-8") if events_yaml is None else events_yaml
    events, problems_of_events = read_events(declared_text, events_name)
    if problems or problems_of_events:
        raise PackageError(*problems, *problems_of_events)
    text = ACCESS_FILE.read_text("utf-8") if access_yaml is None else access_yaml
    access, problems = read_access(text, access_name, openapi.routes(mapping, commands, events))
    if access is None:
        raise PackageError(*problems)
    described = openapi.document(mapping, commands, access, examples, events)
    return {
        "mapping.json": mapping.to_json(),
        "commands.json": declared.to_json(commands),
        "events.json": declared_events.to_json(events),
        "access.json": rules.to_json(access),
        "openapi.json": json.dumps(described, ensure_ascii=False, separators=(",", ":")),
    }


def _code() -> Iterator[tuple[str, bytes]]:
    vendored = find_spec(VENDORED)
    if vendored is None or vendored.origin is None:
        raise PackageError(f"{VENDORED} is not installed: install requirements/dev.lock")
    yield f"{FOLDER.name}/{DOCS_PAGE}", (FOLDER / DOCS_PAGE).read_bytes()
    for folder in (FOLDER, Path(str(contract.__file__)).parent, Path(vendored.origin).parent):
        for path in folder.rglob("*.py"):
            name = path.relative_to(folder.parent).as_posix()
            if not name.startswith(NOT_PACKED):
                yield name, path.read_bytes()
    for file in metadata.files(VENDORED) or ():
        if "licenses" in file.parts or file.name == "LICENSE":  # its licence wants to travel with it
            yield f"{VENDORED}/{file.name}", file.read_binary()


def _zip(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3  # Unix, else the permissions are not read
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, files[name])
    return buffer.getvalue()


def main(arguments: list[str]) -> int:
    """The command line. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m api_lambdas.package", description="Pack the API's Lambdas.")
    parser.add_argument("--mapping", required=True, type=Path, help="compiled mapping, as JSON")
    parser.add_argument("--commands", default=COMMANDS_FILE, type=Path, help="declared commands (default: %(default)s)")
    parser.add_argument("--events", default=EVENTS_FILE, type=Path, help="declared events (default: %(default)s)")
    parser.add_argument("--access", default=ACCESS_FILE, type=Path, help="who may call what (default: %(default)s)")
    parser.add_argument("--openapi", type=Path, help="write the description of the API (OpenAPI 3.1) here as well")
    parser.add_argument("--out", required=True, type=Path, help="zip file to write")
    options = parser.parse_args(arguments)
    try:
        packed = build(
            options.mapping.read_text("utf-8"),
            options.commands.read_text("utf-8"),
            str(options.commands),
            access_yaml=options.access.read_text("utf-8"),
            access_name=str(options.access),
            events_yaml=options.events.read_text("utf-8"),
            events_name=str(options.events),
        )
        options.out.write_bytes(packed)
        if options.openapi is not None:
            with zipfile.ZipFile(options.out) as archive:
                options.openapi.write_bytes(archive.read("api_lambdas/openapi.json"))
    except PackageError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except (OSError, UnicodeDecodeError) as error:
        sys.stderr.write(f"cannot read or write: {error}\n")
        return 1
    sys.stdout.write(f"{options.out}: {len(packed):,} bytes\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
