"""A declared file as YAML, with the places of what stands in it. Used when the functions are packed, not by them."""

from __future__ import annotations

from typing import Any, Final

import yaml

# what PyYAML lets out for a 13th month, a text under a number's tag, and a file nested too deeply
_WRONG_SCALAR: Final = (ValueError, AttributeError, RecursionError)


def read_yaml(text: str, file: str) -> tuple[Any, Any] | str:
    """The nodes and the values of a file; a line `file:line: what is wrong` of one that is no YAML."""
    try:
        return yaml.compose(text, Loader=yaml.SafeLoader), yaml.safe_load(text)
    except (yaml.YAMLError, *_WRONG_SCALAR) as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        return f"{file}{line}: not YAML: {getattr(error, 'problem', None) or 'it cannot be read'}"
