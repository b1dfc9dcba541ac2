"""docs/testing.md and the tests it names: `python -m tests.soak.documentation` writes the lists of broken variants."""

from __future__ import annotations

import importlib
import re
import textwrap
from pathlib import Path
from typing import Any, Final

from tests.soak.mutants import MUTANTS

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs" / "testing.md"
_WIDTH: Final = 130
LISTS: Final = re.compile(r"<!-- variants: (\S+) -->\n(.*?)<!-- /variants -->", re.DOTALL)
NAMED: Final = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
PARAMETRISED: Final = re.compile(
    r"^@pytest\.mark\.parametrize\(.*?\)\n(?:@.*\n)*def (test_\w+)\(", re.MULTILINE | re.DOTALL
)
BREAKS: Final = re.compile(r"(broken|planted|mutant).*_(caught|found|noticed)$")
ELSEWHERE: Final = {
    "tests/cloudformation/test_rules.py::test_a_planted_mistake_is_found": "mistakes in templates, beside their rules",
}
"""Tests whose variants this page does not list, and what they are."""


def function_of(name: str) -> Any:
    """The function of `path::function`. Raises for one that does not exist."""
    path, _, function = name.partition("::")
    return getattr(importlib.import_module(path.removesuffix(".py").replace("/", ".")), function)


def variants(name: str) -> list[str]:
    """What a parametrised test is run with."""
    (mark,) = [mark for mark in function_of(name).pytestmark if mark.name == "parametrize"]
    return [_said(each) for each in mark.args[1]]


def _said(variant: Any) -> str:
    """Its text, or the name of the function that breaks something, alone or with a seed."""
    if isinstance(variant, str):
        return variant
    broken = variant[0] if isinstance(variant, tuple) else variant
    return str(broken.__name__).strip("_").replace("_", " ")


def all_of_them() -> set[str]:
    """Every parametrised test that breaks something on purpose, by its name."""
    found = set()
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for name in PARAMETRISED.findall(path.read_text("utf-8")):
            if BREAKS.search(name):
                found.add(f"{path.relative_to(ROOT).as_posix()}::{name}")
    return found


def listed(name: str) -> str:
    """The list of a test's variants as the page has it."""
    found = variants(name)
    if set(found) <= set(MUTANTS):
        rows = [f"| `{each}` | {MUTANTS[each].broken} |" for each in found]
        return "\n".join(("| variant | what it breaks |", "|---|---|", *rows)) + "\n"
    text = ", ".join(f"`{each}`" for each in found) + f" ([{name.split('::')[0]}](../{name.split('::')[0]}))."
    return "\n".join(textwrap.wrap(text, _WIDTH, break_long_words=False, break_on_hyphens=False)) + "\n"


def written(page: str) -> str:
    """The page with its lists as they must be."""
    return LISTS.sub(lambda m: f"<!-- variants: {m[1]} -->\n{listed(m[1])}<!-- /variants -->", page)


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text("utf-8")), "utf-8")
