"""What is written is read back as it was meant, whatever the names are."""

from __future__ import annotations

import pytest

from worker.init.model import Catalog, Column, ForeignKey, SourceTable
from worker.init.propose import propose
from worker.init.write import mapping_text
from worker.mapping.loader import read_mappings


@pytest.mark.parametrize("word", ["null", "NULL", "true", "no", "on", "1", "a b", "a: b", "é", "a\nb", '"', "{x}", "~"])
def test_a_column_may_have_any_name(word: str) -> None:
    columns = (Column("id", "int8", False, None), Column(word, "int8", False, None))
    mother = SourceTable("s.mothers", (Column(word, "int8", False, None),), (word,), (), "", "d")
    child = SourceTable("s.children", columns, ("id",), (ForeignKey((word,), "s.mothers", (word,), False),), "", "d")

    drafts = propose(Catalog({table.name: table for table in (mother, child)}, "logical"), ["s.children", "s.mothers"])
    mapping, problems = read_mappings({draft.name: mapping_text(draft) for draft in drafts})

    assert [str(problem) for problem in problems] == []
    assert mapping is not None
    assert mapping.tables["s.mothers"].key == (word,)


def test_an_aggregate_may_be_named_like_nothing() -> None:
    table = SourceTable("s.null", (Column("id", "int8", False, None),), ("id",), (), "", "d")

    (draft,) = propose(Catalog({"s.null": table}, "logical"), [])

    mapping, problems = read_mappings({"a.yaml": mapping_text(draft)})
    assert (problems, [aggregate.name for aggregate in mapping.aggregates] if mapping else []) == ([], ["null"])
