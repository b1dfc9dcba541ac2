"""What only shows when all files are read (sensitive columns: test_tables)."""

from __future__ import annotations

from tests.worker.mapping.reading import BASE
from worker.mapping.loader import read_mappings

LOOKUP = "one: {c: {source: s.c, key: c, join: c_id, spread: %d, fields: [c]}}\n"


def conflicts(*texts: str) -> list[str]:
    return [str(problem) for problem in read_mappings({f"{n}.yaml": text for n, text in enumerate(texts)})[1]]


def test_one_foreign_key_has_one_spread() -> None:
    other = BASE.replace("aggregate: order", "aggregate: other")

    assert conflicts(BASE + LOOKUP % 4, other + LOOKUP % 4) == []
    assert conflicts(BASE + LOOKUP % 4, other + LOOKUP % 8) == [
        "1.yaml:5:52: the foreign key c_id of s.orders has the spread 8 here, but 4 at 0.yaml:5: it is one for all"
    ]


def test_a_spread_that_is_given_once_holds_everywhere() -> None:
    other = BASE.replace("aggregate: order", "aggregate: other")
    mapping, problems = read_mappings(
        {"a": BASE + LOOKUP % 4, "b": other + "one: {c: {source: s.c, key: c, join: c_id, fields: [c]}}\n"}
    )

    assert problems == []
    assert mapping is not None
    assert [reference.spread for reference in mapping.tables["s.orders"].references] == [4]


def test_a_table_has_one_key_within_a_file_too() -> None:
    text = BASE + "one: {o: {source: s.orders, key: no, join: up, fields: [no]}}\n"

    (problem,) = conflicts(text)
    assert problem.startswith("0.yaml:5:34: table s.orders has the key no here, but id at 0.yaml:3: a table's key is")


def test_files_with_problems_of_their_own_still_meet_the_others() -> None:
    broken = BASE.replace("key: id", "key: no").replace("[id]", "[_x]")

    assert len(conflicts(BASE, broken)) == 2
