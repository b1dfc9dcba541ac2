"""SQL of declared attributes: fields with value maps and misfit policies, constants, templates, derived ones. Pure.

Templates and derived attributes read the jsonb of the row and its relations, once that is made: `o` is its alias,
with the columns `d` (what is shown) and `h` (hidden relations).
"""

# every name is quoted, every constant escaped
# ruff: noqa: S608

from __future__ import annotations

from dataclasses import replace
from typing import Final

from contract.keys import scalar_text
from contract.mapping import Constant, Derived, Field, Filter, Function, Misfit, Template, Test
from worker.verify import render
from worker.verify.columns import NUMBERS, Category, Column
from worker.verify.comparable import MAPPED
from worker.verify.marks import Marks

_COMPARISONS: Final = {Test.AT_LEAST: ">=", Test.AT_MOST: "<=", Test.ABOVE: ">", Test.BELOW: "<"}
_INSTANT: Final = r"^([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?)Z$"


def shown(column: Column, reference: str, marks: Marks) -> str:
    """The text of a column as documents may show it: the marked value of a tokened one."""
    plain = render.text(column, reference)
    if column.beyond:
        plain = f"CASE WHEN {column.beyond.format(reference)} THEN {render.literal(marks.beyond)} ELSE {plain} END"
    if not column.tokened:
        return plain
    return f"{render.literal(marks.before)} || ({plain}) || {render.literal(marks.after)}"


def field(item: Field, column: Column, reference: str, marks: Marks) -> str:
    """jsonb of a field."""
    if column.beyond:
        value = field(item, replace(column, beyond=""), reference, marks)
        return f"CASE WHEN {column.beyond.format(reference)} THEN {_mark(marks.beyond)} ELSE {value} END"
    if column.tokened:
        return f"to_jsonb({shown(column, reference, marks)})"
    misfit = _misfit(item, column, reference, marks)
    if item.values or item.otherwise:
        return _mapped(item, column, reference, misfit)
    return render.field(column, reference, item.type, misfit).sql


def _mark(mark: str) -> str:
    return f"to_jsonb({render.literal(mark)}::text)"


def _misfit(item: Field, column: Column, reference: str, marks: Marks) -> str:
    match item.misfit:
        case Misfit.PARK:
            return _mark(marks.unfit)
        case Misfit.NULL:
            return "NULL::jsonb"
        case Misfit.TEXT:
            return f"to_jsonb({render.text(column, reference)})"


def _mapped(item: Field, column: Column, reference: str, misfit: str) -> str:
    """A value map: what the delivered text stands for, read by the field's type."""
    text = f"({render.text(column, reference)})"
    entries = {value: _text(target) for value, target in item.values if value is not None}
    null = next((_text(target) for value, target in item.values if value is None), "NULL::text")
    whens = "".join(f' WHEN {text} COLLATE "C" = {render.literal(value)} THEN {to}' for value, to in entries.items())
    rest = _text(item.otherwise[0]) if item.otherwise else "NULL::text"
    known = ", ".join(render.literal(value) for value in entries)
    hits = [f"{text} IS NULL", *([f'{text} COLLATE "C" IN ({known})'] if known else [])]
    hit = "true" if item.otherwise else " OR ".join(hits)
    value = render.field(MAPPED, "m.v", item.type, misfit).sql
    return (
        f"(SELECT CASE WHEN m.hit THEN {value} ELSE {misfit} END FROM"
        f" (SELECT CASE WHEN {text} IS NULL THEN {null}{whens} ELSE {rest} END AS v, {hit} AS hit OFFSET 0) m)"
    )


def _text(value: str | None) -> str:
    return "NULL::text" if value is None else f"{render.literal(value)}::text"


def constant(entry: Constant, marks: Marks) -> str:
    """jsonb of a text under its type."""
    misfit = _mark(marks.unfit)
    return render.field(MAPPED, f"({render.literal(entry.text)}::text)", entry.type, misfit).sql


def template(entry: Template, columns: dict[str, Column], alias: str, hidden: frozenset[str], marks: Marks) -> str:
    """jsonb of texts and values joined; NULL as soon as a value is."""
    unfit, beyond = render.literal(marks.unfit), render.literal(marks.beyond)
    pieces = ["''::text"]
    for part in entry.parts:
        if isinstance(part, str):
            pieces.append(render.literal(part))
        elif len(part) == 1:
            pieces.append(f"({shown(columns[part[0]], f'{alias}.{render.identifier(part[0])}', marks)})")
        else:
            pieces.append(_scalar_text(_below(part, hidden), unfit))
    return (
        f"(SELECT to_jsonb(CASE WHEN strpos(m.v, {beyond}) > 0 THEN {beyond}"
        f" WHEN strpos(m.v, {unfit}) > 0 THEN {unfit} ELSE m.v END)"
        f" FROM (SELECT {' || '.join(pieces)} AS v OFFSET 0) m)"
    )


def _scalar_text(value: str, unfit: str) -> str:
    """Key text of a jsonb value; objects and lists do not fit."""
    return (
        f"CASE jsonb_typeof({value}) WHEN 'number' THEN trim_scale(({value} #>> '{{}}')::numeric)::text"
        f" WHEN 'string' THEN {value} #>> '{{}}' WHEN 'boolean' THEN {value} #>> '{{}}'"
        f" WHEN 'null' THEN NULL WHEN 'object' THEN {unfit} WHEN 'array' THEN {unfit} END"
    )


def _below(path: tuple[str, ...], hidden: frozenset[str]) -> str:
    """The jsonb at a path below the row."""
    return f"(o.{'h' if path[0] in hidden else 'd'} #> {_steps(path)})"


def _steps(path: tuple[str, ...]) -> str:
    return f"ARRAY[{', '.join(render.literal(step) for step in path)}]::text[]"


def derived(entry: Derived, hidden: frozenset[str], marks: Marks) -> str:
    """jsonb of what a function makes of the elements of a `many`, as the document shows them."""
    elements = _below(entry.path[:1], hidden)
    if entry.function is Function.COUNT:
        return f"to_jsonb(jsonb_array_length({elements}))"
    unfit, beyond = _mark(marks.unfit), _mark(marks.beyond)
    values = (
        f"(SELECT e #> {_steps(entry.path[1:])} AS v FROM jsonb_array_elements({elements}) AS e) x"
        " WHERE jsonb_typeof(x.v) <> 'null'"
    )
    if entry.function is Function.SUM:
        number = "CASE WHEN jsonb_typeof(x.v) = 'number' THEN (x.v #>> '{}')::numeric END"
        alien = "count(*) FILTER (WHERE jsonb_typeof(x.v) <> 'number') > 0"
        result = f"to_jsonb(coalesce(sum({number}), 0))"
    else:
        alien = f"bool_or(jsonb_typeof(x.v) IN ('object', 'array') OR x.v = {unfit})"
        result = _extreme("ASC" if entry.function is Function.MIN else "DESC")
    cut = f"bool_or(x.v = {beyond})"
    return f"(SELECT CASE WHEN {cut} THEN {beyond} WHEN {alien} THEN {unfit} ELSE {result} END FROM {values})"


def _extreme(direction: str) -> str:
    """The first in the order of numbers, booleans, texts; an object, a list or an unfit value fits in no order."""
    rank = "CASE jsonb_typeof(x.v) WHEN 'number' THEN 0 WHEN 'boolean' THEN 1 ELSE 2 END"
    number = "CASE WHEN jsonb_typeof(x.v) = 'number' THEN (x.v #>> '{}')::numeric END"
    text = f"regexp_replace(x.v #>> '{{}}', {render.literal(_INSTANT)}, '\\1') COLLATE \"C\""
    order = f"{rank} {direction}, {number} {direction}, {text} {direction}"
    return f"(array_agg(x.v ORDER BY {order}))[1]"


def condition(rule: Filter, column: Column, reference: str) -> str:
    """Whether a row passes a filter: never NULL."""
    text = f"({render.text(column, reference)})"
    if rule.test in _COMPARISONS:
        return f"coalesce({_compared(rule, column, reference, text)}, false)"
    values = [render.literal(scalar_text(value)) for value in rule.values if value is not None]
    choices = [f'{text} COLLATE "C" IN ({", ".join(values)})'] if values else []
    if None in rule.values:
        choices.append(f"{text} IS NULL")
    found = f"coalesce({' OR '.join(choices) or 'false'}, false)"
    return f"NOT {found}" if rule.test is Test.NOT else found


def _compared(rule: Filter, column: Column, reference: str, text: str) -> str:
    """By value where the row has a number (a bound that is none lets nothing pass), else as text by code point."""
    (value,) = rule.values
    assert value is not None  # noqa: S101 - the reader takes no null as a bound
    bound, operator = scalar_text(value), _COMPARISONS[rule.test]
    if column.category not in NUMBERS:
        return f'{text} COLLATE "C" {operator} {render.literal(bound)}'
    if not render.is_number(bound):
        return "false"
    number = reference if column.category is Category.INTEGER else f"{text}::numeric"
    return f"{number} {operator} {render.literal(bound)}::numeric"
