"""All rules over all settings of a task, in the order in which a person reads them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from contract.mapping import Mapping
from worker.dms import known
from worker.dms.coverage import check_coverage, check_heartbeat
from worker.dms.documents import Settings
from worker.dms.engines import check_source
from worker.dms.findings import Finding, Part, Severity
from worker.dms.rules import TARGET
from worker.dms.selection import CHANGE_SEQUENCE, TableRule, table_rules
from worker.dms.tables import check_tables
from worker.dms.task_rules import TASK

BEFORE_IMAGE_FIELD: Final = "before-image"
_RESERVED: Final = ("data", "metadata", "control")
_SEVERITIES: Final = tuple(Severity)
_SEQUENCE_ENGINES: Final = ("oracle", "sqlserver")


def lint(settings: Settings, mapping: Mapping | None = None, heartbeat_table: str = "") -> list[Finding]:
    """Every finding, the worst first; `mapping`: nearview's own, whose tables and columns the task must send."""
    found = [*_task(settings), *_target(settings), *_source(settings), *_tables(settings, mapping), *_missing(settings)]
    if heartbeat_table and settings.mappings is not None:
        found += check_heartbeat(settings.mappings, heartbeat_table)
    return sorted(found, key=lambda finding: (_SEVERITIES.index(finding.severity), finding.file, finding.path))


def _task(settings: Settings) -> Iterator[Finding]:
    part = settings.task
    if settings.migration_type is not None:
        yield from _migration_type(settings.migration_type)
    if part is None:
        return
    yield from known.misspelt_task_settings(part)
    for rule in TASK:
        yield from rule.check(part)
    yield from _before_image(part, settings)


def _migration_type(part: Part) -> Iterator[Finding]:
    kind = part.value("MigrationType")
    if kind == "full-load":
        yield part.finding(
            Severity.ERROR,
            "MigrationType",
            "the task loads once and sends no changes",
            "set MigrationType to full-load-and-cdc",
        )
    elif kind == "cdc":
        yield part.finding(
            Severity.WARNING,
            "MigrationType",
            "rows that were there before the task are never sent: documents lack them",
            "set MigrationType to full-load-and-cdc, unless another task loads the tables",
        )


def _before_image(part: Part, settings: Settings) -> Iterator[Finding]:
    enabled = part.value("BeforeImageSettings", "EnableBeforeImage", default=False)
    rules = _rules(settings, "add-before-image-columns")
    if enabled and rules:
        yield rules[0].finding(
            Severity.ERROR,
            "rule-action",
            "DMS refuses add-before-image-columns together with BeforeImageSettings",
            "remove the rule",
        )
    elif rules:
        definition = rules[0].values.get("before-image-def")
        given = definition if isinstance(definition, dict) else {}
        affixes = [f"{n}={given[n]!r}" for n in ("column-prefix", "column-suffix") if given.get(n)]
        yield rules[0].finding(
            Severity.INFO,
            "before-image-def",
            f"old values stand in data ({', '.join(affixes)})",
            "set NEARVIEW_BEFORE_COLUMN_PREFIX and NEARVIEW_BEFORE_COLUMN_SUFFIX of the worker to the same",
        )
    elif not enabled:
        yield part.finding(
            Severity.ERROR,
            "BeforeImageSettings.EnableBeforeImage",
            "a changed primary key leaves the old row behind for ever: nearview parks the tables",
            f'set BeforeImageSettings to {{"EnableBeforeImage": true, "FieldName": "{BEFORE_IMAGE_FIELD}",'
            ' "ColumnFilter": "pk-only"}',
        )
    if enabled:
        yield from _field_name(part)


def _field_name(part: Part) -> Iterator[Finding]:
    field = part.value("BeforeImageSettings", "FieldName", default="")
    if not field or field in _RESERVED:
        yield part.finding(
            Severity.ERROR,
            "BeforeImageSettings.FieldName",
            "DMS needs a name that no record has yet",
            f"set FieldName to {BEFORE_IMAGE_FIELD}",
        )
    elif field != BEFORE_IMAGE_FIELD:
        yield part.finding(
            Severity.INFO,
            "BeforeImageSettings.FieldName",
            "the worker looks for another name unless it is told",
            f"set NEARVIEW_BEFORE_IMAGE_FIELD of the worker to {field}",
        )


def _rules(settings: Settings, action: str) -> list[TableRule]:
    if settings.mappings is None:
        return []
    return [rule for rule in table_rules(settings.mappings) if rule.action == action]


def _target(settings: Settings) -> Iterator[Finding]:
    if settings.target is not None:
        yield from known.misspelt(settings.target, known.KINESIS)
        for rule in TARGET:
            yield from rule.check(settings.target)


def _source(settings: Settings) -> Iterator[Finding]:
    if settings.source is None:
        return
    engine, part = settings.source.engine, settings.source.part
    yield from known.misspelt(part, known.SOURCES.get(engine, ()))
    yield from check_source(settings.source, settings)
    if settings.mappings is None or engine not in _SEQUENCE_ENGINES:
        return
    if not any(rule.values.get("expression") == CHANGE_SEQUENCE for rule in _rules(settings, "add-column")):
        yield settings.mappings.finding(
            Severity.ERROR,
            "rules",
            f"log positions of {engine} are not known to order changes",
            f"add a transformation rule: rule-target column, rule-action add-column, expression {CHANGE_SEQUENCE},"
            " data-type string of length 50; its column name goes into NEARVIEW_CHANGE_SEQUENCE_COLUMN of the worker",
        )


def _tables(settings: Settings, mapping: Mapping | None) -> Iterator[Finding]:
    if settings.mappings is None:
        return
    yield from check_tables(settings.mappings)
    if mapping is not None:
        yield from check_coverage(settings.mappings, mapping)


def _missing(settings: Settings) -> Iterator[Finding]:
    """What could not be looked at, so that no finding is not taken for no problem."""
    source = None if settings.source is None else settings.source.part
    given = settings.task or settings.target or settings.mappings or source
    absent = {
        "task settings": settings.task,
        "table mappings": settings.mappings,
        "settings of the Kinesis endpoint": settings.target,
        "settings of the source endpoint": source,
    }
    for name, part in absent.items():
        if part is None and given is not None:
            message = f"no {name} given: not looked at"
            yield Finding(Severity.INFO, given.file, "$", message, f"give the {name} as well", "$")
