"""The order of the layers: every parameter has a producer, every producer comes first, every template has a layer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pytest
import yaml

from local import templates

LAYERS: Final[list[dict[str, Any]]] = yaml.safe_load((templates.FOLDER / "layers.yaml").read_text())["layers"]
BY_NAME: Final = {layer["name"]: layer for layer in LAYERS}
WHERE: Final = {"each", "each-and-global", "primary", "not-primary", "global", "pair", "pair-ends"}
OF: Final = {"same", "primary", "secondary", "tertiary", "peer", "pair", "global"}
FACTS: Final = {
    "account", "cidr", "code_key", "image", "peer_cidr", "peer_region", "primary_region", "project", "region",
    "secondary_region", "tertiary_region", "transit_gateway_route_table",
}  # fmt: skip
STEPS: Final = {"upload-code", "copy-image", "accept-peering", "large-integers"}


def producers(layer: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The outputs that a layer's parameters take: layer and output."""
    for source in layer["parameters"].values():
        named = source.get("output", [])
        for output in named if isinstance(named, list) else [named]:
            name, _, key = output.partition(".")
            yield name, key


def before(layer: dict[str, Any]) -> set[str]:
    """All layers that are complete when this one begins."""
    found = set(layer["after"])
    for name in layer["after"]:
        found |= before(BY_NAME[name])
    return found


def test_every_template_has_one_layer_and_the_order_is_that_of_the_numbers() -> None:
    files = [layer["file"] for layer in LAYERS]
    assert files == sorted(set(files))
    assert {path.name for path in templates.FOLDER.glob("[0-9]*.yaml")} <= set(files)


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer["name"])
def test_a_layer_says_what_the_deployment_understands(layer: dict[str, Any]) -> None:
    assert set(layer) <= {"name", "file", "where", "optional", "after", "order", "keeps_data", "then", "parameters"}
    assert layer["where"] in WHERE
    assert layer.get("order", "last-primary") == "last-primary"
    assert set(layer.get("then", [])) <= STEPS
    for source in layer["parameters"].values():
        assert set(source) in ({"fact"}, {"output", "of"})
        assert source.get("fact", "project") in FACTS
        assert source.get("of", "same") in OF


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer["name"])
def test_what_a_layer_takes_is_made_before_it(layer: dict[str, Any]) -> None:
    earlier = [other["name"] for other in LAYERS[: LAYERS.index(layer)]]
    assert set(layer["after"]) <= set(earlier)
    assert {name for name, _ in producers(layer)} <= before(layer)
