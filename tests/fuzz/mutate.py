"""Inputs from inputs: the structure of JSON and YAML is kept, what stands in it is not.

A mutation of bytes alone seldom gets past a parser; this one changes the tree and writes it down again as JSON, which
is YAML as well. Whoever fuzzes with coverage mixes both.
"""

from __future__ import annotations

import json
from random import Random
from typing import Any, Final

import yaml

from tests.fuzz.parts import join, split

Tree = Any
MAX_BYTES: Final = 60_000


class Raw(str):
    """Text that is written as it is: numbers that no Python value would give."""

    __slots__ = ()


NUMBERS: Final = (
    *(0, 1, -1, 7, 2**31, 2**53 + 1, 2**63, -(2**64), 10**40, 10**130),
    *map(Raw, ("1e5", "1.50", "-0.0", "1E-400", "1e125", "1e126", "1e1001", "-1e-130", "0." + "1" * 60, "9" * 4400)),
    *map(Raw, ("12345678901234567890", "1e18", "NaN", "Infinity", "01", "-", "1.0e+00000005")),
)
TEXTS: Final = (
    *(
        "",
        " ",
        "null",
        "true",
        "0",
        "7",
        "-7.50",
        "1e5",
        "0x",
        "0xzz",
        "0x00ff",
        "#",
        "|",
        "%",
        "a|b#c%7C",
        "~",
        "\x00",
    ),
    *(
        "\x01",
        "\x1f",
        "\ud800",
        "a\udfffb",
        "\U0001f600",
        "é",
        "\u2028",
        "a.b",
        "a.b.c",
        "{",
        "{}",
        "{id}",
        "{a.b}",
        "[",
        "*",
    ),
    *(
        "2024-02-30",
        "2024-02-29",
        "0000-00-00",
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59.999999999+14:00",
        "24:00:00",
    ),
    *(
        "2024-07-29T00:58:17.983670Z",
        "2024-07-29 00:58:17",
        "-infinity",
        "BC",
        "x" * 40,
        "x" * 600,
        "é" * 700,
        "y" * 3000,
    ),
    *("tok:k1:x", "tok:k1:rounded:x", '{"a": 1e999}', '{"a": {"": [1, "\\ud800"]}}', "[" * 40 + "]" * 40, "[" * 900),
    *(
        "00000002/00000003.3.00000002/00000003",
        "bin.000001:4:0:5:1",
        "1/2",
        "%sha256:",
        "20240528195624220000000000000000073",
    ),
    *(
        "data",
        "control",
        "load",
        "insert",
        "update",
        "delete",
        "_doc",
        "BI_id",
        "awsdms_status",
        "shop",
        "orders",
        "id",
    ),
    *(
        "token",
        "drop",
        "decimal",
        "json",
        "binary",
        "park",
        "order",
        "by_customer",
        "lines.price",
        "one",
        "many",
        "fields",
    ),
)
NAMES: Final = (
    "",
    "_doc",
    "id",
    "data",
    "metadata",
    "before-image",
    "BI_id",
    "column",
    "type",
    "where",
    "values",
    "key",
)
DEPTHS: Final = (2, 20, 33, 60, 120, 260, 480, 700, 950, 1200)


def mutated(data: bytes, rng: Random, head_bytes: int, others: tuple[bytes, ...] = ()) -> bytes:
    """Another input like this one; `others` are inputs to take from. The same `rng` gives the same."""
    head, parts = split(data, head_bytes)
    if head_bytes and rng.random() < 0.2:
        at = rng.randrange(head_bytes)
        head = head[:at] + bytes([rng.randrange(256)]) + head[at + 1 :]
    if rng.random() < 0.15:
        _parts(parts, rng, head_bytes, others)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        at = rng.randrange(len(parts))
        parts[at] = _part(parts[at], rng, head_bytes, others)
    found = join(head, parts)
    return found if len(found) <= MAX_BYTES else data


def _parts(parts: list[bytes], rng: Random, head_bytes: int, others: tuple[bytes, ...]) -> None:
    """A part more, a part less, two parts in the other order."""
    choice = rng.randrange(4)
    if choice == 0 and len(parts) > 1:
        del parts[rng.randrange(len(parts))]
    elif choice == 1:
        parts.insert(rng.randrange(len(parts) + 1), rng.choice(parts))
    elif choice == 2 and others:
        parts.append(rng.choice(split(rng.choice(others), head_bytes)[1]))
    else:
        rng.shuffle(parts)


def _part(part: bytes, rng: Random, head_bytes: int, others: tuple[bytes, ...]) -> bytes:
    if rng.random() < 0.1:
        return _bytes(part, rng)
    tree = _tree(part)
    if tree is None:
        return _bytes(part, rng)
    donor = None
    if others and rng.random() < 0.3:
        donor = _tree(rng.choice(split(rng.choice(others), head_bytes)[1]))
    try:
        return written(_changed(tree, rng, donor)).encode("utf-8", "surrogatepass")
    except RecursionError:
        return _bytes(part, rng)


def _bytes(part: bytes, rng: Random) -> bytes:
    at = rng.randrange(len(part) + 1)
    choice = rng.randrange(4)
    if choice == 0:
        return part[:at]
    if choice == 1:
        return part[:at] + bytes([rng.randrange(256)]) + part[at + 1 :]
    if choice == 2:
        return part[:at] + rng.choice(TEXTS).encode("utf-8", "surrogatepass") + part[at:]
    return part[:at] + part[at + rng.randrange(1, 20) :]


def _tree(part: bytes) -> Tree:
    """The part as a tree; None if it is none, or only a scalar."""
    try:
        text = part.decode()
        try:
            found = json.loads(text, parse_float=Raw)
        except ValueError:
            found = _plain(yaml.compose(text, Loader=yaml.SafeLoader))
    except (ValueError, RecursionError, yaml.YAMLError):
        return None
    return found if isinstance(found, (dict, list)) else None


def _plain(node: yaml.Node | None) -> Tree:
    if isinstance(node, yaml.MappingNode):
        return {str(key.value): _plain(value) for key, value in node.value}
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item) for item in node.value]
    if not isinstance(node, yaml.ScalarNode):
        return None
    if node.style is None and node.value in ("null", "true", "false"):
        return {"null": None, "true": True, "false": False}[node.value]
    return Raw(node.value) if node.style is None and node.value.isdecimal() and node.value.isascii() else node.value


Spot = tuple[Any, Any]
"""A holder and the name or number below it."""


def _spots(tree: Tree) -> list[Spot]:
    found: list[Spot] = []
    stack = [tree]
    while stack:
        holder = stack.pop()
        keys = list(holder) if isinstance(holder, dict) else range(len(holder))
        found += [(holder, key) for key in keys]
        stack += [holder[key] for key in keys if isinstance(holder[key], (dict, list))]
    return found


def _changed(tree: Tree, rng: Random, donor: Tree) -> Tree:
    spots = _spots(tree)
    if not spots:
        return _value(rng)
    holder, key = rng.choice(spots)
    choice = rng.randrange(11)
    if choice <= 3:
        holder[key] = _value(rng)
    elif choice == 4:
        del holder[key]
    elif choice == 5:
        other, name = rng.choice(spots)
        holder[key] = _copy(other[name])
    elif choice == 6 and isinstance(holder, dict):
        holder[rng.choice([*NAMES, *TEXTS])] = holder.pop(key)
    elif choice == 7:
        holder[key] = rng.choice(({"a": holder[key]}, [holder[key]], {"": holder[key]}, [holder[key], None]))
    elif choice == 8 and donor is not None:
        other, name = rng.choice(_spots(donor) or [([None], 0)])
        holder[name if isinstance(holder, dict) and isinstance(name, str) else key] = _copy(other[name])
    elif choice == 9 and isinstance(holder[key], str):
        holder[key] = _text(holder[key], rng)
    elif isinstance(holder, dict):
        holder[rng.choice(NAMES)] = _copy(holder[key])
    else:
        holder.append(_value(rng))
    return tree


def _copy(tree: Tree) -> Tree:
    if isinstance(tree, dict):
        return {name: _copy(value) for name, value in tree.items()}
    return [_copy(value) for value in tree] if isinstance(tree, list) else tree


def _text(text: str, rng: Random) -> str:
    at = rng.randrange(len(text) + 1)
    return rng.choice(
        (text[:at], text[at:], text[:at] + rng.choice(TEXTS) + text[at:], text.upper(), text * 2, f" {text}")
    )


def _value(rng: Random) -> Tree:
    choice = rng.randrange(20)
    if choice < 6:
        return rng.choice(NUMBERS)
    if choice < 14:
        return rng.choice(TEXTS)
    if choice < 17:
        return rng.choice((None, True, False))
    if choice < 19:
        return rng.choice(({}, [], {"": 1}, {"a": {"b": [1, 2]}}, [[]], [None], {"_doc": {}}, {"id": 1}))
    opening, closing = rng.choice((("[", "]"), ('{"a":', "}"), ('{"_doc":', "}"), ('[{"id":', "}]")))
    depth = rng.choice(DEPTHS)
    return Raw(opening * depth + "1" + closing * depth)


def written(tree: Tree) -> str:
    """A tree as JSON; what is raw stands in it as it is."""
    if isinstance(tree, dict):
        return "{" + ", ".join(f"{json.dumps(str(name))}: {written(value)}" for name, value in tree.items()) + "}"
    if isinstance(tree, list):
        return "[" + ", ".join(map(written, tree)) + "]"
    return str(tree) if isinstance(tree, Raw) else json.dumps(tree)
