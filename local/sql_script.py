"""Splits a SQL script into its statements where psql would: pure text, no database."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, cast

_LETTER: Final = r"A-Za-z_\x80-\U0010ffff"
# What may hide a semicolon is one token, to its end or to the end of the script: the server then says what is missing.
# No repetition gives back what it took, so the time is linear in the script's length. Block comments only begin here:
# they nest, which a pattern cannot count.
_TOKEN: Final = re.compile(
    rf"""
      (?P<blank>[ \t\n\r\f\v]++|--[^\n]*+)
    | (?P<comment>/\*)
    | (?P<word>(?![eE]')[{_LETTER}][{_LETTER}0-9$]*+)
    | (?P<mark>[;()\\])
    | [eE]'(?:[^'\\]++|\\.|'')*+(?:'|\\?\Z)
    | '(?:[^']++|'')*+(?:'|\Z)
    | "(?:[^"]++|"")*+(?:"|\Z)
    | \$(?P<tag>(?:[{_LETTER}][{_LETTER}0-9]*+)?+)\$(?:.*?\$(?P=tag)\$|.*+)
    | .
    """,
    re.VERBOSE | re.DOTALL,
)
_COMMENT_EDGE: Final = re.compile(r"/\*|\*/")
_ROUTINES: Final = ("function", "procedure")
_COPIES: Final = {("from", "stdin"), ("to", "stdout")}


class ScriptError(Exception):
    """The script has something that only psql can do; `line` says where."""

    def __init__(self, line: int, text: str) -> None:
        super().__init__(text)
        self.line = line


@dataclass(frozen=True, slots=True)
class Statement:
    """A part of the script with all that stands before it; `begins` is where its first word stands in the text."""

    text: str
    start_line: int
    begins: int

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to execute: blanks, comments, a lone semicolon."""
        return self.begins < 0

    @property
    def line(self) -> int:
        """The line of the script, from 1 on, where the statement begins."""
        return self.line_at(max(self.begins, 0))

    def line_at(self, offset: int) -> int:
        """The line of the script where this offset into the text is."""
        return self.start_line + self.text.count("\n", 0, offset)


def split(script: str) -> list[Statement]:
    """The statements in order; their texts joined are the script. Raises ScriptError for what is psql's own."""
    nul = script.find("\0")
    if nul >= 0:  # the database's library would end the script there without a word
        raise ScriptError(script.count("\n", 0, nul) + 1, "a NUL character, which PostgreSQL does not take")
    found: list[Statement] = []
    start, line = 0, 1
    for begins, end, refused in _cuts(script):
        statement = Statement(script[start:end], line, begins - start if begins >= 0 else -1)
        if refused:
            raise ScriptError(statement.line, refused)
        found.append(statement)
        start, line = end, line + statement.text.count("\n")
    return found


def _cuts(script: str) -> Iterator[tuple[int, int, str]]:
    """For each statement: where its first token is (-1: it has none), where it ends, and why it is refused."""
    state = _Open()
    at, begins = 0, -1
    while at < len(script):
        token = cast("re.Match[str]", _TOKEN.match(script, at))  # its last alternative takes any character
        kind = token.lastgroup
        if kind == "comment":
            at = _comment_end(script, at)
            continue
        at = token.end()
        if kind == "blank":
            continue
        text = token[0]
        if kind == "mark" and text == "\\":
            yield (token.start(), at, "psql's own commands (lines with a \\) are not executed here: take them out")
        if kind == "mark" and text == ";" and state.is_complete:
            yield (begins, at, state.refusal)
            state, begins = _Open(), -1
            continue
        begins = token.start() if begins < 0 else begins
        state.take(text.lower() if kind in ("word", "mark") else "")
    if script and (begins >= 0 or not script.endswith(";")):
        yield (begins, len(script), state.refusal)


def _comment_end(script: str, start: int) -> int:
    depth = 0
    for edge in _COMMENT_EDGE.finditer(script, start):
        depth += 1 if edge[0] == "/*" else -1
        if depth == 0:
            return edge.end()
    return len(script)


class _Open:
    """What is open in the statement that is being read: parentheses (rules hold statements) and SQL bodies."""

    def __init__(self) -> None:
        self._words: list[str] = []
        self._parentheses = 0
        self._bodies = 0
        self._previous = ""
        self._copies = False

    @property
    def is_complete(self) -> bool:
        """Whether a semicolon ends the statement here."""
        return not self._parentheses and not self._bodies

    @property
    def refusal(self) -> str:
        """Why the statement cannot be executed, empty if it can."""
        return "COPY between the script and a table is psql's own: use INSERT" if self._copies else ""

    def take(self, text: str) -> None:
        """Note the next token: a word in lower case, a mark, or nothing for anything else."""
        if text == "(":
            self._parentheses += 1
        elif text == ")":
            self._parentheses = max(0, self._parentheses - 1)
        elif text and not self._parentheses:
            self._word(text)
        self._previous = text

    def _word(self, word: str) -> None:
        if len(self._words) < 4:
            self._words.append(word)
        if self._words[0] == "copy" and (self._previous, word) in _COPIES:
            self._copies = True
        if self._words[0] != "create" or not any(routine in self._words for routine in _ROUTINES):
            return
        # CREATE FUNCTION ... BEGIN ATOMIC ...; END: the body stands there without quotes
        if word == "begin" or (word == "case" and self._bodies):
            self._bodies += 1
        elif word == "end" and self._bodies:
            self._bodies -= 1
