"""DynamoDB's condition expressions and PartiQL writes, as far as benchmarks need them; each text is compiled once."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

from contract.values import AttributeValue, Item

Names = dict[str, str]
Holds = Callable[[Item, Names, Item], bool]
"""Whether an item (empty: there is none) fulfils a condition, given the request's names and values."""

MAX_STATEMENT_CHARACTERS: Final = 8192

COMPARE: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class Invalid(ValueError):
    """DynamoDB would answer with ValidationException."""


def compare(sign: str, left: AttributeValue | None, right: AttributeValue) -> bool:
    """A comparison; it is never true for an attribute that is missing or of another type, except for `<>`."""
    if left is None or left.keys() != right.keys():
        return sign == "<>"
    ((kind, mine),) = left.items()
    ((_, theirs),) = right.items()
    if kind == "N":
        return COMPARE[sign](Decimal(mine), Decimal(theirs))
    if kind != "S" and sign not in ("=", "<>"):
        raise Invalid(f"values of type {kind} have no order")
    return COMPARE[sign](mine, theirs)


# --- condition expressions --------------------------------------------------------------------------------------

_TOKEN = re.compile(r"\s*(?:([#A-Za-z_][\w#]*)|(:\w+)|(<=|>=|<>|=|<|>)|([(),]))")


def _tokens(text: str) -> list[str]:
    found: list[str] = []
    at = 0
    end = len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None:
            raise Invalid(f"the expression cannot be read: {text}")
        found.append(match.group().strip())
        at = match.end()
    return found


class _Parser:
    """Recursive descent over `OR`, `AND`, `NOT`, brackets, comparisons and three functions."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._left = _tokens(text)[::-1]

    def whole(self) -> Holds:
        found = self._either()
        if self._left:
            raise Invalid(f"the expression goes on where it should end: {self._text}")
        return found

    def _peek(self) -> str:
        return self._left[-1].upper() if self._left else ""

    def _next(self, expected: str = "") -> str:
        if not self._left or (expected and self._peek() != expected):
            raise Invalid(f"the expression cannot be read: {self._text}")
        return self._left.pop()

    def _either(self) -> Holds:
        terms = [self._both()]
        while self._peek() == "OR":
            self._next()
            terms.append(self._both())
        return terms[0] if len(terms) == 1 else lambda i, n, v: any(term(i, n, v) for term in terms)

    def _both(self) -> Holds:
        terms = [self._one()]
        while self._peek() == "AND":
            self._next()
            terms.append(self._one())
        return terms[0] if len(terms) == 1 else lambda i, n, v: all(term(i, n, v) for term in terms)

    def _one(self) -> Holds:
        if self._peek() == "NOT":
            self._next()
            negated = self._one()
            return lambda i, n, v: not negated(i, n, v)
        if self._peek() == "(":
            self._next()
            inner = self._either()
            self._next(")")
            return inner
        word = self._next()
        return self._function(word) if self._peek() == "(" else self._comparison(word)

    def _function(self, word: str) -> Holds:
        self._next("(")
        name = self._next()
        if word == "begins_with":
            self._next(",")
            value = self._next()
            self._next(")")
            return lambda i, n, v: i.get(n.get(name, name), {}).get("S", "").startswith(v[value]["S"])
        self._next(")")
        if word == "attribute_exists":
            return lambda i, n, _: n.get(name, name) in i
        if word == "attribute_not_exists":
            return lambda i, n, _: n.get(name, name) not in i
        raise Invalid(f"{word} is no function")

    def _comparison(self, name: str) -> Holds:
        sign, value = self._next(), self._next()
        if sign not in COMPARE or not value.startswith(":"):
            raise Invalid(f"the expression cannot be read: {self._text}")
        return lambda i, n, v: compare(sign, i.get(n.get(name, name)), v[value])


@lru_cache(4096)
def condition(text: str) -> Holds:
    """A condition expression, compiled. Raises Invalid."""
    return _Parser(text).whole()


@dataclass(frozen=True, slots=True)
class KeyCondition:
    """The condition of a Query: names and placeholders; `sign` is a comparison, `begins_with`, or empty."""

    partition: str
    partition_value: str
    sort: str = ""
    sign: str = ""
    sort_value: str = ""


_KEY_CONDITION = re.compile(
    r"\s*([#\w]+)\s*=\s*(:\w+)"
    r"(?:\s+AND\s+(?:begins_with\s*\(\s*([#\w]+)\s*,\s*(:\w+)\s*\)|([#\w]+)\s*(<=|>=|=|<|>)\s*(:\w+)))?\s*"
)


@lru_cache(256)
def key_condition(text: str) -> KeyCondition:
    """A key condition expression. Raises Invalid."""
    match = _KEY_CONDITION.fullmatch(text)
    if match is None:
        raise Invalid(f"the key condition cannot be read: {text}")
    partition, value, prefixed, prefix, sort, sign, sort_value = match.groups()
    if prefixed:
        return KeyCondition(partition, value, prefixed, "begins_with", prefix)
    return KeyCondition(partition, value, sort or "", sign or "", sort_value or "")


# --- PartiQL ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Statement:
    """A write in PartiQL: `assign` and `where` name the attributes in the order of their parameters."""

    kind: str
    table: str
    assign: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    where: tuple[tuple[str, str], ...] = ()

    @property
    def parameters(self) -> int:
        """How many parameters it takes."""
        return len(self.assign) + len(self.where)


_NAME = r'(?:"(?:[^"]|"")+"|[A-Za-z_]\w*)'
_INSERT = re.compile(rf"INSERT\s+INTO\s+({_NAME})\s+VALUE\s+\{{(.*)\}}\s*", re.DOTALL)
_MEMBER = re.compile(r"\s*'((?:[^']|'')+)'\s*:\s*\?\s*(,|$)")
_UPDATE = re.compile(rf"UPDATE\s+({_NAME})\s+(.*?)\s+WHERE\s+(.*)", re.DOTALL)
_DELETE = re.compile(rf"DELETE\s+FROM\s+({_NAME})\s+WHERE\s+(.*)", re.DOTALL)
_SET = re.compile(rf"\s*(?:SET\s+|,\s*)({_NAME})\s*=\s*\?")
_REMOVE = re.compile(rf"\s*REMOVE\s+({_NAME})")
_TERM = re.compile(rf"\s*({_NAME})\s*(<=|>=|=|<|>)\s*\?\s*(AND\s|$)")


def _name(text: str) -> str:
    return text[1:-1].replace('""', '"') if text.startswith('"') else text


@lru_cache(4096)
def statement(text: str) -> Statement:
    """A PartiQL write, compiled. Raises Invalid."""
    if len(text) > MAX_STATEMENT_CHARACTERS:
        raise Invalid(f"a statement of {len(text)} characters; {MAX_STATEMENT_CHARACTERS} are allowed")
    if match := _INSERT.fullmatch(text):
        members = tuple(found[0].replace("''", "'") for found in _all(_MEMBER, match[2], text))
        return Statement("INSERT", _name(match[1]), assign=members)
    if match := _UPDATE.fullmatch(text):
        at = 0
        sets: list[str] = []
        removes: list[str] = []
        while at < len(match[2]):
            found = _SET.match(match[2], at) if not removes else None
            if found:
                sets.append(_name(found[1]))
            elif found := _REMOVE.match(match[2], at):
                removes.append(_name(found[1]))
            else:
                raise Invalid(f"the statement cannot be read: {text}")
            at = found.end()
        if len({*sets, *removes}) != len(sets) + len(removes):
            raise Invalid("two paths overlap: one attribute is named twice")
        return Statement("UPDATE", _name(match[1]), tuple(sets), tuple(removes), _terms(match[3], text))
    if match := _DELETE.fullmatch(text):
        return Statement("DELETE", _name(match[1]), where=_terms(match[2], text))
    raise Invalid(f"the statement cannot be read: {text}")


def _terms(where: str, text: str) -> tuple[tuple[str, str], ...]:
    return tuple((_name(name), sign) for name, sign, _ in _all(_TERM, where, text))


def _all(pattern: re.Pattern[str], part: str, text: str) -> list[tuple[str, ...]]:
    """All matches, which must follow each other without a gap to the end of the part."""
    found: list[tuple[str, ...]] = []
    at = 0
    while at < len(part):
        match = pattern.match(part, at)
        if match is None:
            raise Invalid(f"the statement cannot be read: {text}")
        found.append(match.groups())
        at = match.end()
    return found
