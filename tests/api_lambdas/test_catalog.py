"""The API's view of a mapping."""

from __future__ import annotations

from dataclasses import asdict

from api_lambdas.catalog import from_json
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
