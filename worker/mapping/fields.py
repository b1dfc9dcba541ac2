"""`fields`: the attributes of a document, from columns, constants, templates, or computed over a `many`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import yaml

from contract.mapping import Computed, Constant, Derived, Field, FieldType, Function, Misfit
from worker.mapping import language
from worker.mapping.facts import Use
from worker.mapping.language import Place
from worker.mapping.problems import File, is_null
from worker.mapping.templates import read_template
from worker.projection.convert import DoesNotFit, convert

_FORMS: Final[dict[str, Place]] = {
    "constant": Place.CONSTANT,
    "template": Place.TEMPLATE,
    **{str(function): Place.DERIVED for function in Function},
}
_TEXTS: Final = (FieldType.DELIVERED, FieldType.TEXT)


@dataclass(slots=True)
class Attributes:
    """The attributes of one entry: those from columns, and the computed ones; all names with their places."""

    fields: list[Field]
    computed: list[tuple[Computed, yaml.Node]]
    names: list[tuple[str, yaml.Node]]


def read_fields(file: File, node: yaml.Node, table: str | None, name: str) -> Attributes:
    """Every entry of a list of fields."""
    found = Attributes([], [], [])
    if not isinstance(node, yaml.SequenceNode):
        file.problem(node, f"{name}: fields: expected a list, of columns and `attribute: column`")
        return found
    for item in node.value:
        if isinstance(item, yaml.ScalarNode):
            column = file.text(item, f"{name}: fields")
            if column is not None:
                check_attribute(file, item, column)
                found.names.append((column, item))
                _column_used(file, item, table, Field(column, column))
                found.fields.append(Field(column, column))
            continue
        for attribute, (at, value) in file.entries(item, f"{name}: fields").items():
            check_attribute(file, at, attribute)
            found.names.append((attribute, at))
            _field(file, attribute, value, table, found)
    return found


def check_attribute(file: File, node: yaml.Node, name: str) -> None:
    """Note a problem with an attribute's name."""
    if name == "":
        file.problem(node, "an attribute needs a name")
    if name.startswith("_"):
        file.problem(node, f"{name}: attributes beginning with _ are nearview's own; give it another name")


def _field(file: File, attribute: str, value: yaml.Node, table: str | None, found: Attributes) -> None:
    what = f"field {attribute}"
    if isinstance(value, yaml.ScalarNode):
        field = Field(attribute, file.text(value, what) or attribute)
        _column_used(file, value, table, field)
        found.fields.append(field)
        return
    entries = file.entries(value, what)
    form = next((place for key, place in _FORMS.items() if key in entries), Place.COLUMN)
    known = _known(file, value, what, form)
    if form is Place.COLUMN:
        field = _column(file, attribute, known)
        _column_used(file, known.get("column", value), table, field)
        found.fields.append(field)
    else:
        computed = _computed(file, attribute, value, known, table)
        if computed is not None:
            found.computed.append((computed, next(iter(known.values()))))


def _known(file: File, node: yaml.Node, what: str, form: Place) -> dict[str, yaml.Node]:
    """The entries that go with a form; a key of another form is named as that, not as unknown."""
    allowed = language.names(form)
    elsewhere = {name for place in (Place.COLUMN, *_FORMS.values()) for name in language.names(place)} - {*allowed}
    found: dict[str, yaml.Node] = {}
    for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
        if not isinstance(key, yaml.ScalarNode):
            continue
        if key.value in elsewhere:
            also = f" (it may have: {', '.join(allowed)})" if len(allowed) > 1 else ""
            file.problem(key, f"{what}: {key.value} does not go with {form.value[0].lower()}{form.value[1:]}{also}")
        elif key.value not in allowed:
            file.unknown(key, what, (*allowed, *sorted(elsewhere)) if form is Place.COLUMN else allowed)
        else:
            found.setdefault(key.value, value)
    return found


def _column(file: File, attribute: str, entries: dict[str, yaml.Node]) -> Field:
    what = f"field {attribute}"
    column = file.text(entries["column"], f"{what}: column") if "column" in entries else attribute
    values = _values(file, entries["values"], what) if "values" in entries else ()
    otherwise: tuple[str | None, ...] = ()
    if "otherwise" in entries:
        otherwise = file.value(entries["otherwise"], f"{what}: otherwise") or ()
        if "values" not in entries:
            file.problem(entries["otherwise"], f"{what}: otherwise goes with values, which are not given")
    misfit = file.word(entries["misfit"], f"{what}: misfit", Misfit) if "misfit" in entries else None
    return Field(
        attribute, column or attribute, _type(file, entries, what), Misfit(misfit or "park"), values, otherwise
    )


def _type(file: File, entries: dict[str, yaml.Node], what: str) -> FieldType:
    if "type" not in entries:
        return FieldType.DELIVERED
    text = file.word(entries["type"], f"{what}: type", FieldType)
    return FieldType(text or FieldType.DELIVERED)


def _values(file: File, node: yaml.Node, what: str) -> tuple[tuple[str | None, str | None], ...]:
    """Pairs of a value map, where an unquoted `null` is NULL and `"null"` a text."""
    if not isinstance(node, yaml.MappingNode) or not node.value:
        file.problem(node, f"{what}: values: expected `value: text` entries")
        return ()
    found: dict[str | None, str | None] = {}
    for key, value in node.value:
        delivered, shown = file.value(key, f"{what}: values"), file.value(value, f"{what}: values")
        if delivered is None or shown is None:
            continue
        if delivered[0] in found:
            file.problem(key, f"{what}: values: {key.value} is given twice")
        found[delivered[0]] = shown[0]
    return tuple(found.items())


def _computed(
    file: File, attribute: str, node: yaml.Node, entries: dict[str, yaml.Node], table: str | None
) -> Computed | None:
    what = f"field {attribute}"
    if "constant" in entries:
        return _constant(file, attribute, entries)
    if "template" in entries:
        return read_template(file, attribute, entries["template"], table)
    if len(entries) > 1:
        file.problem(node, f"{what}: only one of {', '.join(entries)} can make it")
    function, path = next(iter(entries.items()))
    text = file.text(path, f"{what}: {function}")
    return Derived(attribute, Function(function), tuple(text.split("."))) if text is not None else None


def _constant(file: File, attribute: str, entries: dict[str, yaml.Node]) -> Constant:
    what, node = f"field {attribute}: constant", entries["constant"]
    constant = Constant(
        attribute, (file.value(node, what) or ("",))[0] or "", _type(file, entries, f"field {attribute}")
    )
    if is_null(node):
        file.problem(node, f"{what}: null says nothing: leave the attribute out")
    elif isinstance(node, yaml.ScalarNode):
        try:
            convert(constant.text, constant.type)
        except DoesNotFit:
            file.problem(node, f"{what}: {constant.text} is no {constant.type}")
    return constant


def _column_used(file: File, node: yaml.Node, table: str | None, field: Field) -> None:
    """A token is text: no other type takes it, and no list of values names it."""
    if table is None:
        return
    reason = "" if field.type in _TEXTS else f"type {field.type} needs it"
    if any(value is not None for value, _ in field.values):
        reason = "values compares it with values"
    file.facts.uses.append(Use(table, field.column, file.spot(node), reason))
