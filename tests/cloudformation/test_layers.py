"""The order of the layers: every parameter has a producer, every producer comes first, every template has a layer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pytest
import yaml

from cloudformation.deploy.layers import read
from local import templates
from local.processes import REPOSITORY
from tests.cloudformation import page
from worker.failover import cli
from worker.failover.plan import Step

LAYERS: Final[list[dict[str, Any]]] = yaml.safe_load((templates.FOLDER / "layers.yaml").read_text())["layers"]
ENVIRONMENT: Final = yaml.safe_load((templates.FOLDER / "environments" / "example.yaml").read_text())
BY_NAME: Final = {layer["name"]: layer for layer in LAYERS}


def template(layer: dict[str, Any]) -> templates.Template:
    return templates.load(templates.FOLDER / layer["file"])


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


def test_the_deployment_takes_the_file_as_it_is() -> None:
    """It refuses unknown places, facts and steps, and parameters or outputs that a template does not have."""
    assert list(read(templates.FOLDER / "layers.yaml")) == list(BY_NAME)


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer["name"])
def test_what_a_layer_takes_is_made_before_it(layer: dict[str, Any]) -> None:
    earlier = [other["name"] for other in LAYERS[: LAYERS.index(layer)]]
    assert set(layer["after"]) <= set(earlier)
    assert {name for name, _ in producers(layer)} <= before(layer)


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer["name"])
def test_every_parameter_has_a_producer(layer: dict[str, Any]) -> None:
    """Another stack's output, a fact, a default, or a line in the example of an environment's file."""
    declared = template(layer)["Parameters"]
    given = {**ENVIRONMENT["parameters"].get("all", {}), **ENVIRONMENT["parameters"].get(layer["name"], {})}
    lost = [
        name
        for name, parameter in declared.items()
        if name not in layer["parameters"] and "Default" not in parameter and name not in given
    ]
    assert lost == []


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer["name"])
def test_what_a_parameter_is_given_is_of_its_kind(layer: dict[str, Any]) -> None:
    """Outputs are called alike wherever they go: an ARN never becomes a name."""
    declared = template(layer)["Parameters"]
    for name, source in layer["parameters"].items():
        for output in (
            source.get("output", []) if isinstance(source.get("output"), list) else [source.get("output", "")]
        ):
            key = output.partition(".")[2]
            if key:
                assert name.endswith("Arn") == key.endswith("Arn"), f"{name} gets {output}"
                assert declared[name].get("Description"), name


def test_a_layer_keeps_its_data_exactly_if_its_template_does() -> None:
    for layer in LAYERS:
        retained = any(body.get("DeletionPolicy") == "Retain" for body in template(layer)["Resources"].values())
        assert bool(layer.get("keeps_data")) == retained, layer["name"]


def test_the_failover_is_never_where_the_primary_is() -> None:
    assert BY_NAME["failover"]["where"] == "not-primary"


def test_the_page_of_templates_is_what_they_are() -> None:
    written = (REPOSITORY / "docs" / "templates.md").read_text("utf-8")
    assert written == page.markdown(), "run: python -m tests.cloudformation.page > docs/templates.md"


def test_the_document_of_the_failover_runs_the_four_steps_in_their_order() -> None:
    """The commands of `nearview failover`, with options that they have."""
    document = template(BY_NAME["failover"])["Resources"]["Document"]["Properties"]["Content"]
    run = [
        step["inputs"]["overrides"]["containerOverrides"][0]["command"]
        for step in document["mainSteps"]
        if "RunTask" in str(step)
    ]
    assert [command[1] for command in run] == [step.value for step in Step]
    for group, name, *options in run:
        assert group == "failover"
        known = {option for parameter in cli.failover.commands[name].params for option in parameter.opts}
        assert {text for text in options if str(text).startswith("--")} <= known
