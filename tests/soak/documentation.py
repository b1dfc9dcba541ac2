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


def function_of(name: str) -> Any:
    """The function of `path::function`. Raises for one that does not exist."""
    path, _, function = name.partition("::")
    return getattr(importlib.import_module(path.removesuffix(".py").replace("/", ".")), function)


def variants(name: str) -> list[str]:
    """What a parametrised test is run with."""
    (mark,) = [mark for mark in function_of(name).pytestmark if mark.name == "parametrize"]
    return list(mark.args[1])


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
