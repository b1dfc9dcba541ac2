"""Problems say file, line and column; YAML is read as text, without anything being executed or guessed."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from tests.worker.mapping.reading import BASE, problems
from worker.mapping import language
from worker.mapping.language import Place
from worker.mapping.problems import File, Problem, suggestion


def _root(text: str) -> tuple[yaml.Node | None, list[str]]:
    file = File("m.yaml")
    root = file.compose(text)
    return root, [str(problem) for problem in file.problems]


def test_a_problem_is_a_line_that_an_editor_can_jump_to() -> None:
    assert str(Problem("mappings/order.yaml", 3, 7, "key is missing")) == "mappings/order.yaml:3:7: key is missing"


def test_problems_sort_by_file_and_place() -> None:
    problems = [Problem("b", 1, 1, "x"), Problem("a", 10, 1, "x"), Problem("a", 9, 2, "x"), Problem("a", 9, 1, "x")]

    assert [str(problem) for problem in sorted(problems)] == ["a:9:1: x", "a:9:2: x", "a:10:1: x", "b:1:1: x"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "m.yaml:1:1: the file is empty"),
        ("# only a comment\n", "m.yaml:1:1: the file is empty"),
        ("a: [1\nb: 2\n", "m.yaml:2:2: not YAML: expected ',' or ']', but got ':'"),
        ("a: b: c\n", "m.yaml:1:5: not YAML: mapping values are not allowed here"),
        ("a:\n\t- b\n", "m.yaml:2:1: not YAML: found character '\\t' that cannot start any token"),
        ("a: 'x\n", "m.yaml:2:1: not YAML: found unexpected end of stream"),
        ("a: &x 1\nb: *x\n", "m.yaml:2:4: aliases (*name) are not supported: write the part out"),
        ("a: 1\n---\nb: 2\n", "m.yaml:2:1: not YAML: but found another document"),
        ("a: \x00", "m.yaml:1:1: not YAML: unacceptable character #x0000: special characters are not allowed"),
    ],
)
def test_what_is_no_yaml_is_one_problem_with_its_place(text: str, problem: str) -> None:
    root, problems = _root(text)

    assert root is None
    assert problems == [problem]


def test_nesting_without_end_is_a_problem_and_no_crash() -> None:
    root, problems = _root("[" * 1_500 + "]" * 1_500)

    assert root is None
    assert problems == ["m.yaml:1:101: nested deeper than 100 levels"]


def test_scalars_stay_the_text_they_are() -> None:
    """YAML 1.1 would make booleans, octal numbers and dates of them."""
    file = File("m.yaml")
    root = file.compose("[no, on, 012, 1_000, 2024-01-01, 0x1F, 1.0, .inf]")
    assert root is not None

    assert file.texts(root, "list") == ("no", "on", "012", "1_000", "2024-01-01", "0x1F", "1.0", ".inf")
    assert file.problems == []


def test_a_tag_executes_nothing() -> None:
    file = File("m.yaml")
    root = file.compose("!!python/object/apply:os.system ['true']")

    assert isinstance(root, yaml.SequenceNode)


def test_a_name_given_twice_is_a_problem_at_the_second() -> None:
    file = File("m.yaml")
    root = file.compose("a: 1\nb: 2\na: 3\n")
    assert root is not None

    assert list(file.entries(root, "here")) == ["a", "b"]
    assert [str(problem) for problem in file.problems] == ["m.yaml:3:1: here: a is given twice"]


def test_a_name_that_is_no_text_and_an_unknown_one_are_problems() -> None:
    file = File("m.yaml")
    root = file.compose("? [x]\n: 1\nsuorce: 2\nzzz: 3\n")
    assert root is not None
    file.known(root, "here", ["source", "key"])

    assert [str(problem) for problem in file.problems] == [
        "m.yaml:1:3: here: a name must be plain text",
        "m.yaml:3:1: here: unknown key suorce, did you mean source?",
        "m.yaml:4:1: here: unknown key zzz (known: source, key)",
    ]


def test_texts_must_be_there() -> None:
    file = File("m.yaml")
    root = file.compose("['', [], {a: 1}]")
    empty = file.compose("[]")
    assert root is not None
    assert empty is not None
    file.texts(root, "list")
    file.texts(empty, "list")

    assert [str(problem) for problem in file.problems] == [
        "m.yaml:1:2: list: expected a text",
        "m.yaml:1:6: list: expected a text",
        "m.yaml:1:10: list: expected a text",
        "m.yaml:1:1: list: the list is empty",
    ]


def test_an_unquoted_null_is_no_text_but_a_value() -> None:
    file = File("m.yaml")
    root = file.compose("[null, ~, 'null', x, '']")
    assert root is not None

    assert file.values(root, "list") == (None, None, "null", "x", "")
    assert file.texts(root, "list") == ("null", "x")
    assert [str(problem) for problem in file.problems] == [
        "m.yaml:1:2: list: expected a text, put it in quotes if that is its name",
        "m.yaml:1:8: list: expected a text, put it in quotes if that is its name",
        "m.yaml:1:22: list: expected a text",
    ]


@pytest.mark.parametrize("text", ["0", "4", "x", "1.0", "-1", "[2]", "9999999999", "²", "''"])
def test_a_number_has_bounds(text: str) -> None:
    file = File("m.yaml")
    root = file.compose(text)
    assert root is not None

    assert file.whole(root, "n", 1, 3) is None
    assert [str(problem) for problem in file.problems] == ["m.yaml:1:1: n: expected a whole number from 1 to 3"]


def test_a_word_is_one_of_those_listed() -> None:
    file = File("m.yaml")
    roots = [file.compose(text) for text in ("null", "parc", "[park]")]

    assert [file.word(root, "w", ("park", "null")) for root in roots if root is not None] == ["null", None, None]
    assert [str(problem) for problem in file.problems] == [
        "m.yaml:1:1: w: unknown parc, did you mean park?",
        "m.yaml:1:1: w: unknown value (known: park, null)",
    ]


def test_a_suggestion_is_the_closest_name_or_all_of_them() -> None:
    assert suggestion("ordr", ["order", "customer"]) == ", did you mean order?"
    assert suggestion("zzz", ["order", "customer"]) == " (known: order, customer)"


@pytest.mark.parametrize(
    ("name", "ours"), [("on", "join"), ("datetime", "timestamp"), ("NUMERIC", "decimal"), (">=", "at_least")]
)
def test_a_name_of_another_language_is_understood_where_ours_can_stand(name: str, ours: str) -> None:
    assert suggestion(name, ["one", ours]) == f", did you mean {ours}?"
    assert ours not in suggestion(name, ["zzz"])


@given(st.text(alphabet=st.characters(), max_size=200) | st.text(alphabet="abc:-[]{}&*!|>'\"#%@`? \n\t", max_size=60))
@example("\ud800")
@example("a: &x [*x]")
@example("<<: *a")
@example("!!timestamp 2024-99-99")
@example("%YAML 9.9\n---\na: 1")
def test_any_text_gives_nodes_or_problems(text: str) -> None:
    root, problems = _root(text)

    assert (root is None) == bool(problems)


def test_a_problem_is_one_line_whatever_a_name_holds() -> None:
    assert problems(BASE + '"a\\nb\\u2028": 1\n') == [
        "5:1: mapping: unknown key a?b? (known: " + ", ".join(language.names(Place.FILE)) + ")"
    ]


def test_a_text_that_is_not_unicode_is_a_problem_wherever_it_stands() -> None:
    assert problems(BASE + 'collection: "\\ud800"\n') == ["5:13: a text that is not Unicode (a lone surrogate)"]
