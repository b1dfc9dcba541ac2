"""Where a script is cut, and what is refused before anything is executed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.sql_script import ScriptError, split

WHOLE = [
    "'a;b'",
    "'it''s;'",
    r"'a;\'",
    r"E'a\';b'",
    r"e'\\'",
    "E''';'",
    '"a;b"',
    '"a"";b"',
    "$$a;b$$",
    "$x$ $$; $y$; $x$",
    "$é1$;$é1$",
    "/* ; /* ; */ ; ' */",
    "-- it's; $$\n",
    "a$b$",
    "$1",
    "(1; 2)",
    "5 - 3",
    "U&'d;'",
    "4/2*1",
    "E",
    "\n",
    "é",
]


@pytest.mark.parametrize("text", WHOLE)
def test_a_semicolon_inside_does_not_end_a_statement(text: str) -> None:
    script = f"SELECT {text} ;SELECT 2"
    assert [part.text for part in split(script)] == [f"SELECT {text} ;", "SELECT 2"]


@given(st.lists(st.lists(st.sampled_from([*WHOLE, "SELECT", "x", "12", ","]), min_size=1, max_size=6), max_size=6))
def test_statements_are_cut_at_their_semicolons_only(statements: list[list[str]]) -> None:
    texts = [" ".join(statement) + " ;" for statement in statements]
    assert [part.text for part in split("".join(texts))] == texts


@given(st.text(alphabet="aE'\"$;-/*()\n \\beginé1", max_size=60).filter(lambda text: "\\" not in text) | st.text())
def test_the_parts_joined_are_the_script(script: str) -> None:
    try:
        parts = split(script)
    except ScriptError:
        return
    assert "".join(part.text for part in parts) == script


@given(st.text(alphabet="x;\n ", max_size=40))
def test_a_statement_stands_on_the_line_of_its_first_word(script: str) -> None:
    lines = script.splitlines() or [""]
    for part in split(script):
        if not part.is_empty:
            assert "x" in lines[part.line - 1]


def test_what_is_never_closed_goes_to_the_end() -> None:
    for opened in ("'", '"', "E'", "$$", "$a$ $b$", "/* /* */", "(", "E'\\"):
        assert [part.text for part in split(f"SELECT 1; SELECT {opened}; x;")] == ["SELECT 1;", f" SELECT {opened}; x;"]


def test_blanks_comments_and_lone_semicolons_are_no_statements() -> None:
    parts = split("-- a\n;; /* b */ ;\nSELECT 1; -- end\n")
    assert [part.is_empty for part in parts] == [True, True, True, False, True]


@pytest.mark.parametrize(
    "head",
    ["CREATE FUNCTION f(a int) RETURNS int", "create or replace procedure p()", "CREATE FUNCTION begin() RETURNS int"],
)
def test_a_body_without_quotes_belongs_to_its_routine(head: str) -> None:
    if "begin" in head:
        head = head.replace("begin", '"begin"')
    body = f"{head} BEGIN ATOMIC SELECT 1; SELECT CASE WHEN true THEN 2 END; END;"
    assert [part.text for part in split(f"{body}BEGIN;SELECT 3;END;")] == [body, "BEGIN;", "SELECT 3;", "END;"]


@pytest.mark.parametrize(
    ("script", "line", "text"),
    [
        ("SELECT 1;\n\n\\connect shop\nSELECT 2;", 3, r"psql's own commands"),
        ("SELECT 1 \\gset", 1, r"psql's own commands"),
        ("SELECT 1;\n\nCOPY t (a, b)\nFROM stdin WITH (FORMAT csv);\nit's\n\\.\n", 3, r"COPY .* use INSERT"),
        ("SELECT 1;\nSELECT '\0'", 2, r"NUL"),
        ("copy t to STDOUT", 1, r"COPY .* use INSERT"),
    ],
)
def test_what_only_psql_can_do_is_refused_with_its_line(script: str, line: int, text: str) -> None:
    with pytest.raises(ScriptError, match=text) as caught:
        split(script)
    assert caught.value.line == line


def test_a_copy_of_the_servers_own_files_is_a_statement() -> None:
    script = "COPY t FROM '/stdin'; COPY (SELECT 1 FROM stdin) TO '/x';"
    assert len(split(script)) == 2


def test_an_offset_has_its_line() -> None:
    [_, second] = split("SELECT 1;\n\nSELECT\n  x\n")
    assert (second.line, second.line_at(second.text.index("x"))) == (3, 4)
