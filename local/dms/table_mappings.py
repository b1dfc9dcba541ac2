"""Reads DMS table mappings: which tables a task captures and by what their records are partitioned."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from local.dms.tables import Table
from local.dms.transformations import Locator, Shown, Transformation, read_transformation, shown

_SELECTION_ACTIONS = ("include", "exclude", "explicit")
_PARTITION_KEY_TYPES = ("primary-key", "schema-table")
_OBJECT_ACTIONS = ("map-record-to-record", "map-record-to-document")


@dataclass(frozen=True, slots=True)
class TableMappings:
    """Which tables are selected, by what they are partitioned, and in which form their rows are sent."""

    include: tuple[Locator, ...]
    exclude: tuple[Locator, ...]
    partition_key_types: tuple[tuple[Locator, str], ...]
    documents: tuple[Locator, ...] = ()
    transformations: tuple[Transformation, ...] = ()

    def selects(self, schema: str, table: str) -> bool:
        """Whether a rule includes the table and none excludes it."""
        included = any(locator.matches(schema, table) for locator in self.include)
        return included and not any(locator.matches(schema, table) for locator in self.exclude)

    def unmatched(self, tables: Iterable[tuple[str, str]]) -> list[Locator]:
        """Rules that name one table that does not exist, or patterns when nothing at all matches."""
        known = list(tables)
        missing = [locator for locator in self.include if not any(locator.matches(*table) for table in known)]
        if any(self.selects(*table) for table in known):
            return [locator for locator in missing if locator.is_literal]
        return missing or list(self.include)

    def partition_key_type(self, schema: str, table: str) -> str | None:
        """The partition key type that an object mapping sets for the table, or None."""
        for locator, kind in self.partition_key_types:
            if locator.matches(schema, table):
                return kind
        return None

    def is_document(self, table: Table) -> bool:
        """Whether the rows of the table stand in `data._doc`."""
        return any(locator.matches(table.schema, table.name) for locator in self.documents)

    def shown(self, table: Table) -> Shown:
        """The table as its records name it."""
        return shown(table, self.transformations)


def read_table_mappings(document: object, problems: list[str]) -> TableMappings | None:
    """The mappings in a parsed document; appends one line to `problems` for each thing it cannot do."""
    rules = document.get("rules") if isinstance(document, dict) else None
    if not isinstance(rules, list) or not rules:
        problems.append("TableMappings: must hold a list of rules, with at least one selection rule")
        return None
    include: list[Locator] = []
    exclude: list[Locator] = []
    partition: list[tuple[Locator, str]] = []
    documents: list[Locator] = []
    transformations: list[Transformation] = []
    for number, rule in enumerate(rules, start=1):
        place = f"TableMappings.rules[{number}]"
        if not isinstance(rule, dict):
            problems.append(f"{place}: must be an object")
        elif (locator := _locator(rule, place, problems)) is None:
            continue
        elif rule.get("rule-type") == "selection":
            (exclude if _selection(rule, place, problems) == "exclude" else include).append(locator)
        elif rule.get("rule-type") == "object-mapping":
            partition.append((locator, _object_mapping(rule, place, problems)))
            documents += [locator] if rule.get("rule-action") == "map-record-to-document" else []
        elif rule.get("rule-type") == "transformation":
            transformations.append(read_transformation(rule, locator, place, problems))
        else:
            problems.append(f"{place}.rule-type: the stand-in knows selection, object-mapping and transformation")
    if not include:
        problems.append("TableMappings: no selection rule includes a table")
    return TableMappings(tuple(include), tuple(exclude), tuple(partition), tuple(documents), tuple(transformations))


def _locator(rule: Mapping[str, Any], place: str, problems: list[str]) -> Locator | None:
    locator = rule.get("object-locator")
    schema = locator.get("schema-name") if isinstance(locator, dict) else None
    table = locator.get("table-name") if isinstance(locator, dict) else None
    if isinstance(schema, str) and isinstance(table, str):
        return Locator(schema, table)
    problems.append(f"{place}.object-locator: must hold schema-name and table-name")
    return None


def _selection(rule: Mapping[str, Any], place: str, problems: list[str]) -> str:
    action = rule.get("rule-action")
    if action not in _SELECTION_ACTIONS:
        problems.append(f"{place}.rule-action: must be one of {', '.join(_SELECTION_ACTIONS)}")
    if rule.get("filters"):
        problems.append(f"{place}.filters: the stand-in has no filters; it would send the filtered rows")
    return str(action)


def _object_mapping(rule: Mapping[str, Any], place: str, problems: list[str]) -> str:
    if rule.get("rule-action") not in _OBJECT_ACTIONS:
        problems.append(f"{place}.rule-action: the stand-in knows {' and '.join(_OBJECT_ACTIONS)}")
    parameters = rule.get("mapping-parameters", {})
    kind = parameters.get("partition-key-type") if isinstance(parameters, dict) else None
    if kind not in _PARTITION_KEY_TYPES:
        problems.append(
            f"{place}.mapping-parameters.partition-key-type: must be one of {', '.join(_PARTITION_KEY_TYPES)}"
        )
    extra = sorted(set(parameters) - {"partition-key-type"}) if isinstance(parameters, dict) else []
    if extra:
        problems.append(f"{place}.mapping-parameters: not reproduced by the stand-in: {', '.join(extra)}")
    return str(kind)
