"""Packs both Lambdas into one zip file: `python -m api_lambdas.package --mapping compiled.json --out api.zip`.

The zip holds pure Python only, so it runs on every architecture, and equal input gives equal bytes, so that a
deployment changes functions only when their code changed.
"""

from __future__ import annotations

import argparse
import io
import sys
import zipfile
from collections.abc import Iterator
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import contract
from api_lambdas import declared
from api_lambdas.commands_file import read_commands
from contract.mapping import Mapping

COMMANDS_FILE: Final = Path(__file__).parent / "commands.yaml"
VENDORED: Final = "fastjsonschema"
# They read YAML and write zip files; the functions do neither.
_NOT_PACKED: Final = frozenset({"package.py", "commands_file.py", "__main__.py"})
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)


class PackageError(Exception):
    """The input is not usable; `problems` holds a line for each."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def build(mapping_json: str, commands_yaml: str, commands_name: str = COMMANDS_FILE.name) -> bytes:
    """The zip file from a compiled mapping (`Mapping.to_json`) and the declared commands. Raises PackageError."""
    try:
        mapping = Mapping.from_json(mapping_json)
    except (ValueError, KeyError, TypeError) as error:
        raise PackageError(f"the mapping is not what Mapping.to_json writes ({type(error).__name__})") from error
    if not mapping.aggregates:
        raise PackageError("the mapping has no aggregate: there would be nothing to read")
    commands, problems = read_commands(commands_yaml, commands_name)
    if problems:
        raise PackageError(*problems)
    files = dict(_code())
    files["api_lambdas/mapping.json"] = mapping.to_json().encode()
    files["api_lambdas/commands.json"] = declared.to_json(commands).encode()
    return _zip(files)


def _code() -> Iterator[tuple[str, bytes]]:
    vendored = find_spec(VENDORED)
    if vendored is None or vendored.origin is None:
        raise PackageError(f"{VENDORED} is not installed: install requirements/dev.lock")
    for folder in (Path(__file__).parent, Path(str(contract.__file__)).parent, Path(vendored.origin).parent):
        for path in folder.glob("*.py"):
            if path.name not in _NOT_PACKED:
                yield f"{folder.name}/{path.name}", path.read_bytes()
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
    parser.add_argument("--out", required=True, type=Path, help="zip file to write")
    options = parser.parse_args(arguments)
    try:
        packed = build(options.mapping.read_text("utf-8"), options.commands.read_text("utf-8"), str(options.commands))
        options.out.write_bytes(packed)
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
