"""The API's view of a mapping."""

from __future__ import annotations

from dataclasses import asdict

from api_lambdas.queries.catalog import from_json
from contract.mapping import (
    Aggregate,
    Derived,
    Field,
    FieldType,
    Function,
    Index,
    Kind,
    Mapping,
    Misfit,
    Node,
    Template,
)
from tests.api_lambdas.examples import FEATURES, examples
from tests.api_lambdas.support import MAPPING


def test_every_collection_is_as_its_mapping_says() -> None:
    """Name, key and indexes."""
    found = from_json(MAPPING.to_json())

    assert list(found) == [aggregate.collection for aggregate in MAPPING.aggregates]
    for aggregate in MAPPING.aggregates:
        collection = found[aggregate.collection]
        assert (collection.aggregate, collection.key_parts) == (aggregate.name, len(aggregate.root.key))
        found_indexes = [
            {name: value for name, value in asdict(index).items() if name != "range_type"}
            for index in collection.indexes
        ]
        assert found_indexes == [asdict(index) for index in aggregate.indexes]


def test_an_index_has_a_range_where_its_first_sort_attribute_has_a_type() -> None:
    """Not where values of several types may stand, or where only the source knows."""
    fields = (
        Field("as_it_is", "a"),
        Field("number", "b", FieldType.DECIMAL),
        Field("number_or_text", "c", FieldType.DECIMAL, Misfit.TEXT),
        Field("text", "d", FieldType.TEXT, Misfit.TEXT),
        Field("json", "e", FieldType.JSON),
    )
    computed = (
        Template("label", (("a",),)),
        Derived("lines", Function.COUNT, ("many",)),
        Derived("latest", Function.MAX, ("many", "at")),
    )
    names = [entry.name for entry in (*fields, *computed)]
    root = Node("x", Kind.ROOT, "s.x", ("k",), fields=fields, computed=computed)
    indexes = (*(Index(f"by_{name}", 1, "a", (name, "k")) for name in names), Index("by_key", 2, "a"))
    (collection,) = from_json(Mapping((Aggregate("x", "xs", root, indexes),)).to_json()).values()

    found = {index.name: index.range_type for index in collection.indexes}
    expected = dict.fromkeys(found, "") | {"by_number": "decimal", "by_text": "text", "by_label": "text"}
    assert found == {**expected, "by_lines": "decimal"}


def test_every_table_of_a_document_is_named() -> None:
    """Where rows only share a value, too: what is missing of any table may be missing in the document."""
    mapping, _ = examples(FEATURES)
    collections = from_json(mapping.to_json())

    for aggregate in mapping.aggregates:
        tables = {node.table for node in aggregate.root.walk() if not node.virtual}
        assert set(collections[aggregate.collection].tables) == tables
