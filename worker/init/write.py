"""A draft as the text of a mapping file. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Final

from contract.mapping import FieldType, Kind
from worker.init.propose import Draft, DraftField, DraftNode

_PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*")
_WORDS: Final = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})
"""What YAML, old or new, does not read as text."""
_WIDTH: Final = 118


def mapping_text(draft: Draft) -> str:
    """The YAML of one aggregate."""
    lines = [f"# {line}" for line in draft.comment.splitlines()]
    lines += [f"aggregate: {_text(draft.name)}"]
    if draft.collection != f"{draft.name}s":
        lines.append(f"collection: {_text(draft.collection)}")
    return "\n".join([*lines, *_node(draft.root, "")]) + "\n"


def _node(node: DraftNode, indent: str) -> Iterator[str]:
    yield f"{indent}source: {_text(node.table)}"
    yield f"{indent}key: {_texts(node.key)}"
    if node.join:
        yield f"{indent}join: {_texts(node.join)}"
    if node.to:
        yield f"{indent}to: {_texts(node.to)}"
    if node.depth > 1:
        yield f"{indent}depth: {node.depth}"
    if node.order_by:
        yield f"{indent}order_by: {_texts(node.order_by)}"
    if node.unwrap:
        yield f"{indent}unwrap: {_text(node.unwrap)}"
    if node.fields or not node.unwrap:
        yield from _fields(node.fields, indent)
    for kind in (Kind.ONE, Kind.MANY):
        children = [child for child in node.children if child.kind is kind]
        if children:
            yield f"{indent}{kind}:"
        for child in children:
            yield f"{indent}  {_text(child.name)}:"
            yield from _node(child, f"{indent}    ")


def _fields(fields: Iterable[DraftField], indent: str) -> Iterator[str]:
    entries = [_field(entry) for entry in fields]
    line = f"{indent}fields: [{', '.join(entries)}]"
    if len(line) <= _WIDTH and indent:
        yield line
        return
    yield f"{indent}fields:"
    yield from (f"{indent}  - {entry}" for entry in entries)


def _field(entry: DraftField) -> str:
    name, column = _text(entry.name), _text(entry.column)
    if entry.type is FieldType.DELIVERED:
        return name if entry.name == entry.column else f"{name}: {column}"
    return f"{name}: {{{'' if entry.name == entry.column else f'column: {column}, '}type: {entry.type}}}"


def _texts(texts: tuple[str, ...]) -> str:
    return _text(texts[0]) if len(texts) == 1 else f"[{', '.join(map(_text, texts))}]"


def _text(text: str) -> str:
    """Plain where YAML and every reader agree on it, else quoted."""
    plain = _PLAIN.fullmatch(text) and text.lower() not in _WORDS
    return text if plain else json.dumps(text, ensure_ascii=False)
