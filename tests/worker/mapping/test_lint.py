"""Warnings: each for what it is meant, and for nothing else."""

from __future__ import annotations

import pytest

from tests.worker.mapping.reading import BASE
from worker.mapping.lint import Code, lint
from worker.mapping.loader import read

EXAMPLES = "examples: []\n"


def warned(text: str, **others: str) -> list[str]:
    """Line, column and code of all warnings."""
    reading = read({"m.yaml": text, **others})
    assert reading.problems == []
    return [f"{w.spot.line}:{w.spot.column} {w.code}" for w in lint(reading)]


def fields(entries: str, more: str = "") -> str:
    return BASE.replace("[id]", f"[{entries}]") + EXAMPLES + more


ONE = "source: s.c, key: c, join: c, fields: [c]"
MANY = "source: s.l, key: n, join: o, fields: [n]"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (BASE + EXAMPLES, []),
        (BASE, ["1:12 no-examples"]),
        (fields("id, a", "indexes: {x: {partition: a}}\n"), ["6:11 index-null"]),
        (fields("id, a", "indexes: {x: {partition: id, sort: a}}\n"), ["6:11 index-null"]),
        (fields("id, a", "where: {a: [1, 2]}\nindexes: {x: {partition: a, sort: id}}\n"), []),
        (fields("id, a", "where: {a: {not: null}}\nindexes: {x: {partition: a}}\n"), []),
        (fields("id, a", "where: {a: {not: 1}}\nindexes: {x: {partition: a}}\n"), ["7:11 index-null"]),
        (fields("id: {type: integer, misfit: null}", "indexes: {x: {partition: id}}\n"), ["6:11 index-null"]),
        (fields("k: {constant: a}", "indexes: {x: {partition: k}}\n"), []),
        (fields("k: {template: 'a{id}'}", "indexes: {x: {partition: k}}\n"), []),
        (fields("k: {template: 'a{b}'}", "indexes: {x: {partition: k}}\n"), ["6:11 index-null"]),
        (fields("id: {type: text}", "indexes: {x: {partition: id, sort: id}}\n"), ["6:11 index-cut"]),
        (fields("id: {column: placed_at}", "where: {placed_at: {above: 1}}\nindexes: {x: {partition: id, sort: id}}\n"),
         ["7:11 index-time"]),
        (fields("id: {column: placed_at, type: timestamptz}",
                "where: {placed_at: {above: 1}}\nindexes: {x: {partition: id, sort: id}}\n"), []),
        (fields("n: {count: l}", f"many: {{l: {{{MANY}, where: {{a: b}}}}}}\nindexes: {{x: {{partition: n}}}}\n"), []),
        (fields("n: {max: l.n}", f"many: {{l: {{{MANY}, where: {{a: b}}}}}}\nindexes: {{x: {{partition: n}}}}\n"),
         ["7:11 index-null"]),
        (fields("id", f"many: {{l: {{{MANY}}}}}\n"), ["6:8 unbounded-many"]),
        (fields("id", f"many: {{l: {{{MANY}, where: {{a: b}}, many: {{i: {{{MANY}}}}}}}}}\n"), ["6:77 nested-many"]),
        (fields("id", f"one: {{c: {{{ONE}}}}}\n"), []),
        (fields("id", f"one: {{c: {{{ONE}, one: {{d: {{{ONE}}}}}}}}}\n"), ["6:60 fan-out"]),
        (fields("id", f"one: {{c: {{{ONE}, one: {{d: {{{ONE}, spread: 4}}}}}}}}\n"), []),
        (fields("id", f"one: {{c: {{{ONE}, one: {{d: {{{ONE}, lookup: copy}}}}}}}}\n"), []),
        (fields("id", "one: {c: {source: s.d, key: k, join: c, to: c, fields: [c], one: {d: {" + ONE + "}}}}\n"),
         ["6:67 fan-out"]),
        (fields("id", f"one: {{c: {{{ONE}, hidden: true}}}}\n"), ["6:7 hidden-unused"]),
        (fields("a: {template: '{c.c}'}", f"one: {{c: {{{ONE}, hidden: true}}}}\n"), []),
        (fields("a: {sum: l.n}", f"many: {{l: {{{MANY}, hidden: true, where: {{a: b}}}}}}\n"), []),
        (fields("a: {count: l}", "many: {l: {source: s.l, key: n, join: o, to: x, hidden: true, where: {a: b},"
                " fields: [n]}}\n"), []),
        (fields("id: {type: json}"), ["3:6 key-type"]),
        (fields("id", "where: {a: [1.50, 1.5, 0, x]}\n"), ["6:8 where-number"]),
        (fields("id", "where: {a: {not: [007]}, b: {above: 007}}\n"), ["6:8 where-number"]),
        (fields("id, c: {type: text}",
                "one: {c1: {source: s.c, key: c, join: c, fields: [c: {type: integer}]}}\n"), ["6:39 join-types"]),
        (fields("id", "one: {m: {source: s.orders, key: id, join: up, depth: 3, fields: [id]}}\n"), []),
    ],
)  # fmt: skip
def test_a_warning_stands_where_its_cause_does(text: str, wanted: list[str]) -> None:
    assert warned(text) == wanted


def test_a_path_reads_what_is_hidden_below_an_unwrapped_object() -> None:
    below = "hidden: true, source: s.c, key: c, join: c, fields: [c]"
    ones = f"{{u: {{{below}}}, v: {{{below.replace('s.c', 's.d')}}}}}"
    tag = f"{{source: s.g, key: g, join: g, fields: [g], one: {ones}}}"
    text = f"many: {{t: {{source: s.t, key: t, join: o, where: {{a: b}}, unwrap: tag, one: {{tag: {tag}}}}}}}\n"
    found = warned(fields("a: {max: t.u.c}", text))

    assert [line.split()[1] for line in found if "hidden" in line] == ["hidden-unused"]
    assert found[-1] == f"6:{text.index('v: {') + 1} hidden-unused"


def test_a_document_that_could_not_be_stored() -> None:
    def nested(levels: int) -> str:
        entry = "{source: s.orders, key: id, join: up, depth: %d, where: {a: b}, fields: [id]}"
        return fields("id", f"many: {{below: {entry % levels}}}\n")

    assert warned(nested(15)) == []
    assert warned(nested(16)) == ["1:12 too-deep"]


def test_sensitive_columns_of_a_table_nobody_uses() -> None:
    tables = "tables: {s.orders: {sensitive: {a: drop}}, s.ordesr: {sensitive: {a: drop}}}\n"
    reading = read({"m.yaml": BASE + EXAMPLES, "t.yaml": tables})

    assert [str(found) for found in lint(reading)] == [
        "t.yaml:1:67: warning: s.ordesr: a: no mapping uses this table [sensitive-unused]"
    ]


def test_files_that_can_be_read_are_warned_of_beside_those_that_cannot() -> None:
    reading = read({"a.yaml": "aggregate: [\n", "b.yaml": BASE})

    assert [found.code for found in lint(reading)] == [Code.NO_EXAMPLES]
