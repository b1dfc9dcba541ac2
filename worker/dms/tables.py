"""Rules of table mappings: what is left out, renamed, converted, or sent out of order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from worker.dms import known
from worker.dms.findings import Finding, Part, Severity
from worker.dms.selection import CHANGE_SEQUENCE, TableRule, like, table_rules

_ERROR, _WARNING, _INFO = Severity.ERROR, Severity.WARNING, Severity.INFO

RULE_TYPES: Final = ("selection", "transformation", "object-mapping", "table-settings")
RENAMES: Final = (
    *("rename", "convert-uppercase", "convert-lowercase", "add-prefix", "add-suffix", "remove-prefix"),
    *("remove-suffix", "replace-prefix", "replace-suffix"),
)
_ACTIONS: Final = {
    "selection": ("include", "exclude", "explicit"),
    "transformation": (
        *RENAMES,
        *("add-column", "remove-column", "include-column", "change-data-type", "add-before-image-columns"),
        *("define-primary-key", "rename-tablespace", "make-unique", "data-masking-digits-randomize"),
        *("data-masking-digits-mask", "data-masking-hash-mask"),
    ),
    "object-mapping": ("map-record-to-record", "map-record-to-document"),
}
_WANTED_KEY: Final = "primary-key"
_DEFAULT_KEY: Final = (
    "by default the load of a row goes by its primary key and its changes by schema-table, mostly to different shards:"
    " they arrive in any order"
)
_PARTITION_KEYS: Final = {
    None: (_WARNING, _DEFAULT_KEY),
    "constant": (_WARNING, "all records go to one shard"),
    "schema-table": (_INFO, "all records of a table go to one shard"),
    "transaction-id": (_WARNING, "the changes of a row go to different shards, so that they arrive in any order"),
    "attribute-name": (_WARNING, "the changes of a row go to different shards when the column changes: in any order"),
}
_MOST_KB: Final = 1024


def check_tables(part: Part) -> Iterator[Finding]:
    """Findings of the table mappings alone."""
    rules = table_rules(part)
    if not any(rule.kind == "selection" and rule.action in ("include", "explicit") for rule in rules):
        yield part.finding(_ERROR, "rules", "no selection rule includes a table: nothing is sent")
    ids = Counter(str(rule.values["rule-id"]) for rule in rules if "rule-id" in rule.values)
    for rule in rules:
        if ids[str(rule.values.get("rule-id"))] > 1:
            yield rule.finding(_ERROR, "rule-id", "two rules have this rule-id: DMS refuses the task", "use each once")
        yield from _misspelt(rule)
        if rule.kind == "selection":
            yield from _selection(rule, rules)
        elif rule.kind == "object-mapping":
            yield from _object_mapping(rule)
        elif rule.kind == "transformation":
            yield from _transformation(rule)
        elif rule.kind == "table-settings":
            yield from _lob_settings(rule)


def _misspelt(rule: TableRule) -> Iterator[Finding]:
    for name, given, names in (
        ("rule-type", rule.kind, RULE_TYPES),
        ("rule-action", rule.action, _ACTIONS.get(rule.kind, ())),
    ):
        if names and given not in names and (name != "rule-action" or "rule-action" in rule.values):
            close = known.meant(given, names)
            meant = f": did you mean {close}?" if close else f": known are {', '.join(names)}"
            yield rule.finding(_WARNING, name, f"unknown{meant}", f"set {name} to {close}" if close else "")


def _selection(rule: TableRule, rules: list[TableRule]) -> Iterator[Finding]:
    if rule.values.get("filters"):
        yield rule.finding(
            _ERROR,
            "filters",
            "a row that stops matching the filter gets no delete, and one that starts to match no insert: its"
            " documents stay or are incomplete",
            "remove filters and filter in the mapping, with where",
        )
    if rule.action in ("include", "explicit"):
        mapped = any(other.kind == "object-mapping" and _covers(other, rule) for other in rules)
        if not mapped:
            change = f"add an object-mapping rule for it with partition-key-type {_WANTED_KEY}"
            yield rule.finding(_WARNING, "object-locator", _DEFAULT_KEY, change)


def _covers(mapping: TableRule, selection: TableRule) -> bool:
    """Whether the object mapping is about what the selection selects; a pattern is covered by itself or a wider one."""
    return all(
        mapping.locator.get(name) == selection.locator.get(name)
        or like(str(mapping.locator.get(name, "")), str(selection.locator.get(name, "")))
        for name in ("schema-name", "table-name")
    )


def _object_mapping(rule: TableRule) -> Iterator[Finding]:
    kind = rule.parameters.get("partition-key-type")
    if kind != _WANTED_KEY:
        named = None if kind is None else str(kind)  # a file written by hand may hold an object
        severity, message = _PARTITION_KEYS.get(named, (_WARNING, "DMS knows no such partition key type"))
        path = "mapping-parameters.partition-key-type"
        yield rule.finding(severity, path, message, f"set partition-key-type to {_WANTED_KEY}")
    if rule.parameters.get("target-table-name"):
        yield rule.finding(
            _WARNING,
            "mapping-parameters.target-table-name",
            "records carry another table name than the source: mappings must use it",
            "remove target-table-name",
        )
    for name in ("exclude-columns", "attribute-mappings"):
        if rule.parameters.get(name):
            yield rule.finding(
                _WARNING,
                f"mapping-parameters.{name}",
                "rows do not arrive with the source's columns: partial rows look like columns that did not change",
                f"remove {name}; choose and rename columns in the mapping",
            )


def _transformation(rule: TableRule) -> Iterator[Finding]:
    action = rule.action
    if action in RENAMES and rule.target in ("schema", "table", "column"):
        yield rule.finding(
            _INFO, "rule-action", f"records carry other {rule.target} names than the source: mappings must use those"
        )
    elif action in ("remove-column", "include-column"):
        yield rule.finding(_INFO, "rule-action", "columns are left out of all records: no mapping may use them")
    elif action == "change-data-type":
        yield rule.finding(
            _WARNING,
            "rule-action",
            "values are converted before anybody has seen them, and may be cut or rounded",
            "remove the rule; give the type in the mapping",
        )
    elif action.startswith("data-masking-"):
        yield rule.finding(
            _WARNING,
            "rule-action",
            "masked values equal neither the source's nor each other: they are no keys and no joins",
            "declare the column as token or drop in the mapping's tables",
        )
    elif action == "define-primary-key":
        yield rule.finding(
            _WARNING,
            "rule-action",
            "the key of the records is not the table's: the mapping must use it, and it must be unique",
        )
    elif action == "add-column" and rule.values.get("expression") == CHANGE_SEQUENCE:
        length = _length(rule.values.get("data-type"))
        if length is not None and length < 35:
            yield rule.finding(_ERROR, "data-type.length", f"{CHANGE_SEQUENCE} has 35 characters", "set length to 50")


def _length(data_type: Any) -> int | None:
    length = data_type.get("length") if isinstance(data_type, dict) else None
    if isinstance(length, str) and length.isdigit():
        return int(length)
    return length if isinstance(length, int) else None


def _lob_settings(rule: TableRule) -> Iterator[Finding]:
    lob = rule.values.get("lob-settings")
    if not isinstance(lob, dict):
        return
    if lob.get("mode") == "unlimited":
        yield rule.finding(_ERROR, "lob-settings.mode", "a Kinesis target has no full LOB mode", "set mode to limited")
    size = lob.get("bulk-max-size")
    kb = int(size) if isinstance(size, (int, str)) and str(size).isdigit() else None
    if kb is not None and kb < _MOST_KB:
        yield rule.finding(
            _WARNING,
            "lob-settings.bulk-max-size",
            f"large objects of more than {kb} KB are cut",
            f"set bulk-max-size to {_MOST_KB}",
        )
