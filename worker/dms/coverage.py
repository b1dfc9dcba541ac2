"""Whether a task sends the tables and columns that nearview's mappings use, under the names that they use."""

from __future__ import annotations

from collections.abc import Iterator

from contract.mapping import Mapping, Table
from worker.dms.findings import Finding, Part, Severity
from worker.dms.known import meant
from worker.dms.selection import TableRule, is_selected, like, shown_as, table_rules
from worker.dms.tables import RENAMES


def check_coverage(part: Part, mapping: Mapping) -> Iterator[Finding]:
    """Findings of the table mappings for these mappings."""
    rules = table_rules(part)
    changes = [rule for rule in rules if rule.kind == "transformation"]
    for table in mapping.tables.values():
        sources = _sources(table.name, rules, changes)
        if not sources:
            yield part.finding(Severity.ERROR, "rules", *_not_sent(table.name, rules, changes))
        for source in sources:
            yield from _columns(source, table, rules)


def check_heartbeat(part: Part, table: str) -> Iterator[Finding]:
    """Findings of the table mappings for a heartbeat table: it must be sent, and its rows to all shards."""
    rules = table_rules(part)
    changes = [rule for rule in rules if rule.kind == "transformation"]
    sources = _sources(table, rules, changes)
    if not sources:
        message, change = _not_sent(table, rules, changes)
        message = message.replace("the mappings use", "NEARVIEW_HEARTBEAT_TABLE is")
        yield part.finding(Severity.ERROR, "rules", message, change.replace("in the mappings", "there"))
    for source in sources:
        mapped = [rule for rule in rules if rule.kind == "object-mapping" and rule.matches(source)]
        if not any(rule.parameters.get("partition-key-type") == "primary-key" for rule in mapped):
            yield part.finding(
                Severity.ERROR,
                "rules",
                f"all heartbeats of {table} go to one shard: nothing is known to be complete as long as another one is"
                " quiet",
                'add an object-mapping rule for it with "partition-key-type": "primary-key"',
            )


def _sources(wanted: str, rules: list[TableRule], changes: list[TableRule]) -> list[str]:
    """The source tables, as far as the rules tell, whose records have the wanted name."""
    candidates = dict.fromkeys((wanted, wanted.lower(), wanted.upper()))
    for rule in rules:
        schema, name = str(rule.locator.get("schema-name", "")), str(rule.locator.get("table-name", ""))
        if rule.kind == "selection" and name != "%":
            candidates[f"{schema}.{name}"] = None
        if rule.kind == "transformation" and rule.target == "table" and "%" not in schema + name:
            candidates[f"{schema}.{name}"] = None
        if rule.kind == "transformation" and rule.target == "schema" and "%" not in schema:
            candidates[f"{schema}.{wanted.partition('.')[2]}"] = None
    return [source for source in candidates if is_selected(source, rules) and _shown(source, changes) == wanted]


def _shown(source: str, changes: list[TableRule]) -> str:
    schema, _, name = source.partition(".")
    for rule in changes:
        if rule.action in RENAMES and rule.matches(source):
            if rule.target == "schema":
                schema = shown_as(schema, rule)
            elif rule.target == "table":
                name = shown_as(name, rule)
    return f"{schema}.{name}"


def _not_sent(wanted: str, rules: list[TableRule], changes: list[TableRule]) -> tuple[str, str]:
    if is_selected(wanted, rules):
        return (
            f"the mappings use {wanted}, whose records are named {_shown(wanted, changes)}",
            f"write {_shown(wanted, changes)} in the mappings, or remove the rule that renames it",
        )
    excluded = any(r.kind == "selection" and r.action == "exclude" and r.matches(wanted) for r in rules)
    if excluded:
        return f"the mappings use {wanted}, which a rule excludes", "remove the exclude rule"
    literal = tuple(
        f"{rule.locator.get('schema-name')}.{rule.locator.get('table-name')}"
        for rule in rules
        if rule.kind == "selection" and "%" not in str(rule.locator)
    )
    close = meant(wanted, literal)
    hint = f"; did you mean {close}?" if close else ""
    return f"the mappings use {wanted}, which no selection rule includes{hint}", f"include {wanted}"


def _columns(source: str, table: Table, rules: list[TableRule]) -> Iterator[Finding]:
    kept = [rule for rule in rules if rule.action == "include-column" and rule.matches(source)]
    for column in sorted({*table.key, *table.columns}):
        if kept and not any(rule.matches_column(column) for rule in kept):
            message = f"the mappings use column {column} of {table.name}, which no include-column rule keeps"
            yield kept[0].finding(Severity.ERROR, "rule-action", message, f"add an include-column rule for {column}")
        for rule in rules:
            if rule.kind == "transformation" and rule.target == "column" and rule.matches(source):
                yield from _column(rule, table.name, column, rules)
            elif rule.kind == "object-mapping" and rule.matches(source):
                excluded = rule.parameters.get("exclude-columns")
                if isinstance(excluded, list) and column in excluded:
                    message = f"the mappings use column {column} of {table.name}, which is left out"
                    place = "mapping-parameters.exclude-columns"
                    yield rule.finding(Severity.ERROR, place, message, f"remove {column} from it")


def _column(rule: TableRule, table: str, column: str, rules: list[TableRule]) -> Iterator[Finding]:
    if rule.action == "remove-column" and rule.matches_column(column):
        message = f"the mappings use column {column} of {table}, which the rule removes"
        yield rule.finding(Severity.ERROR, "rule-action", message, f"remove the rule for {column}")
    elif rule.action in RENAMES and rule.matches_column(column) and shown_as(column, rule) != column:
        shown = shown_as(column, rule)
        if not _made_by_another(column, rule, rules):
            message = f"the mappings use column {column} of {table}, which arrives as {shown}"
            yield rule.finding(Severity.ERROR, "rule-action", message, f"write {shown} in the mappings")
    elif rule.action.startswith("data-masking-") and rule.matches_column(column):
        message = f"the mappings use column {column} of {table}, whose values are masked"
        yield rule.finding(Severity.WARNING, "rule-action", message, "make sure that it is no key and no join")


def _made_by_another(column: str, rule: TableRule, rules: list[TableRule]) -> bool:
    """Whether some rule gives another column this name."""
    return any(
        other is not rule
        and other.action in RENAMES
        and other.target == "column"
        and not like(str(other.locator.get("column-name", "%")), column)
        and other.value == column
        for other in rules
    )
