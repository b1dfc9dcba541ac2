"""Which settings a set of JSON documents holds, in whatever form DMS or its tools print them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from worker.dms import known
from worker.dms.findings import Part

_ENGINES: Final = {
    "postgres": "postgresql",
    "aurora-postgresql": "postgresql",
    "mysql": "mysql",
    "mariadb": "mysql",
    "aurora": "mysql",
    "oracle": "oracle",
    "sqlserver": "sqlserver",
}
_SETTINGS_OF: Final = {
    "PostgreSQLSettings": "postgresql",
    "PostgreSqlSettings": "postgresql",
    "MySQLSettings": "mysql",
    "MySqlSettings": "mysql",
    "OracleSettings": "oracle",
    "MicrosoftSQLServerSettings": "sqlserver",
    "MicrosoftSqlServerSettings": "sqlserver",
}
_BOOLEANS: Final = {"true": True, "y": True, "yes": True, "false": False, "n": False, "no": False}


class NotSettings(Exception):
    """A document that cannot be read as DMS settings; the text is one line that says why."""


@dataclass(frozen=True, slots=True)
class Source:
    """A source endpoint; `engine` is one of ours, or DMS's own name for one that nobody tried."""

    engine: str
    part: Part


@dataclass(frozen=True, slots=True)
class Settings:
    """All that was given of one task; None: not given."""

    task: Part | None = None
    mappings: Part | None = None
    target: Part | None = None
    source: Source | None = None
    migration_type: Part | None = None


def settings_of(documents: Mapping[str, Any]) -> Settings:
    """The settings in these documents, by file name. Raises NotSettings for what is none, or is given twice."""
    found: dict[str, Any] = {}
    for file, document in documents.items():
        parts = list(_parts(file, "$", document))
        if not parts:
            raise NotSettings(
                f"{file}: holds neither task settings nor endpoint settings nor table mappings; print them with"
                " aws dms describe-replication-tasks and aws dms describe-endpoints"
            )
        for kind, part in parts:
            if kind in found:
                raise NotSettings(f"{file}: a second {kind}; give one task and its two endpoints at a time")
            found[kind] = part
    return Settings(**found)


def _parts(file: str, path: str, document: Any) -> Iterator[tuple[str, Any]]:
    if not isinstance(document, dict):
        return
    for name in ("ReplicationTasks", "Endpoints"):
        listed = document.get(name)
        for number, entry in enumerate(listed if isinstance(listed, list) else ()):
            yield from _parts(file, f"{path}.{name}[{number}]", entry)
    for name in ("ReplicationTask", "Endpoint"):
        yield from _parts(file, f"{path}.{name}", document.get(name))
    if "EngineName" in document:
        yield from _endpoint(file, path, document)
    elif any(name in document for name in ("ReplicationTaskSettings", "TaskSettings", "TableMappings", "rules")):
        yield from _task(file, path, document)
        yield from _settings_groups(file, path, document)
    else:
        yield from _settings_groups(file, path, document)
        yield from _bare(file, path, document)


def _task(file: str, path: str, document: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name in ("ReplicationTaskSettings", "TaskSettings"):
        if name in document:
            yield "task", Part(file, f"{path}.{name}", _object(file, f"{path}.{name}", document[name]))
    if "TableMappings" in document:
        place = f"{path}.TableMappings"
        yield "mappings", Part(file, place, _object(file, place, document["TableMappings"]))
    if "rules" in document:
        yield "mappings", Part(file, path, document)
    if "MigrationType" in document:
        yield "migration_type", Part(file, path, document)


def _settings_groups(file: str, path: str, document: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    if isinstance(document.get("KinesisSettings"), dict):
        yield "target", Part(file, f"{path}.KinesisSettings", document["KinesisSettings"])
    for name, engine in _SETTINGS_OF.items():
        if isinstance(document.get(name), dict):
            yield "source", Source(engine, Part(file, f"{path}.{name}", document[name]))


def _endpoint(file: str, path: str, document: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    engine = str(document["EngineName"]).lower()
    extra = _extra(str(document.get("ExtraConnectionAttributes") or ""))
    if engine == "kinesis":
        place = f"{path}.KinesisSettings"
        values = _object(file, place, document.get("KinesisSettings") or {})
        yield "target", Part(file, place, {**_recognised(extra, known.KINESIS), **values})
        return
    if str(document.get("EndpointType", "source")).lower() == "target":
        raise NotSettings(f"{file}: the target endpoint is {engine}, not kinesis: nearview reads a Kinesis stream")
    ours = _ENGINES.get(engine, engine)
    name = next((name for name, of in _SETTINGS_OF.items() if of == ours and name in document), "")
    place = f"{path}.{name}" if name else path
    values = _object(file, place, (document.get(name) if name else None) or {})
    yield "source", Source(ours, Part(file, place, {**_recognised(extra, known.SOURCES.get(ours, ())), **values}))


def _bare(file: str, path: str, document: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """A settings object on its own: whatever most of its names belong to."""
    names: dict[str, tuple[str, ...]] = {"task": tuple(known.TASK), "target": known.KINESIS, **known.SOURCES}
    counts = {kind: len(set(document) & set(of)) for kind, of in names.items()}
    best = max(counts, key=lambda kind: counts[kind])
    if not counts[best]:
        return
    part = Part(file, path, document)
    yield ("source", Source(best, part)) if best in known.SOURCES else (best, part)


def _object(file: str, path: str, value: Any) -> dict[str, Any]:
    """Settings that are an object, or its JSON text, as DMS prints them."""
    try:
        found = json.loads(value) if isinstance(value, str) else value
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise NotSettings(f"{file}: {path} is no JSON object")
    return found


def _extra(text: str) -> dict[str, Any]:
    """Extra connection attributes, `name=value;name=value`."""
    pairs = [entry.partition("=") for entry in text.split(";") if "=" in entry]
    return {name.strip().lower(): _BOOLEANS.get(value.strip().lower(), value.strip()) for name, _, value in pairs}


def _recognised(extra: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: extra[name.lower()] for name in names if name.lower() in extra}
