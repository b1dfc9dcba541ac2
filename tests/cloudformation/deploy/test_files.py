"""A mistake in an environment's file, in layers.yaml or between them and the templates is one line each."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from cloudformation.deploy import environment, layers, order, template
from cloudformation.deploy.errors import DeployError
from cloudformation.deploy.layers import Layer, Source
from cloudformation.deploy.order import GLOBAL_REGION, Step
from cloudformation.deploy.template import Template, wrong
from tests.cloudformation.deploy.world import World

EMPTY: Final = Template("t.yaml", "", {"Resources": {}})


def problems(world: World) -> list[str]:
    with pytest.raises(DeployError) as caught:
        world.site()
    return list(caught.value.problems)


def only_problem(world: World) -> str:
    (line,) = problems(world)
    assert "\n" not in line
    return line


ENVIRONMENT: Final[list[tuple[dict[str, Any], str]]] = [
    ({"projekt": "x"}, "unknown key projekt"),
    ({"project": "Bad_Name"}, "project is 'Bad_Name': 2 to 31"),
    ({"env": None}, "env is None"),
    ({"account": 12}, "account is 12: 12 digits"),
    ({"regions": []}, "regions must be a list"),
    ({"regions": ["eu-west-1", "mars"]}, "'mars' is no region"),
    ({"regions": ["eu-west-1", "eu-west-1"]}, "one of them is listed twice"),
    ({"regions": ["eu-west-1", "us-west-2", "us-east-1", "us-east-2"]}, "at most three"),
    ({"parameters": {"service": {"Size": None}}}, "service: Size has no value"),
    ({"parameters": {"service": {"Size": {"ap-south-1": 1}}}}, "ap-south-1 is none of the regions"),
    ({"parameters": {"service": {"Sise": 1}}}, "service: no template of it has Sise: Size is meant?"),
    ({"parameters": {"service": {"Size": 10}}}, "service in us-west-2: Size is 10, allowed is 1 to 9"),
    ({"parameters": {"service": {"Size": "many"}}}, "Size is 'many', not a number"),
    ({"parameters": {"servise": {"Size": 1}}}, "servise is no layer (known: artifacts, tables"),
    ({"parameters": {"tables": {"Peer": "A B"}}}, "Peer is 'A B': it must match"),
    ({"without": ["nothing"]}, "nothing is no layer"),
    (
        {"without": ["tables"]},
        "service in us-west-2: the parameter Table comes from tables.Table, which this environment",
    ),
    ({"artefacts": {"api": {"zip": "api.zip"}}}, "artefacts: api: unknown key zip"),
    ({"artefacts": {"api": {"file": "no.zip"}}}, "artefacts: api: cannot be read"),
    ({"artefacts": {"api": {"mappings": "no-folder"}}}, "artefacts: api:"),
    ({"artefacts": {"lambda": {"file": "x"}}}, "artefacts: lambda is unknown"),
    ({"artefacts": {}}, "the parameter CodeKey needs `artefacts: api`"),
    ({"cidrs": {"eu-west-1": "10.0.0.0/16", "us-west-2": "10.0.128.0/20"}}, "eu-west-1 (10.0.0.0/16) and us-west-2"),
    ({"cidrs": {"eu-west-1": "10.0.0.1/16"}}, "cidrs: eu-west-1: 10.0.0.1/16 has host bits set"),
    ({"cidrs": {"mars": "10.0.0.0/16"}}, "cidrs: mars is none of the regions"),
]


@pytest.mark.parametrize(("change", "message"), ENVIRONMENT, ids=[message[:40] for _, message in ENVIRONMENT])
def test_a_mistake_in_an_environment_is_a_line_that_names_it(
    world: World, change: dict[str, Any], message: str
) -> None:
    world.content.update(change)
    found = problems(world)
    assert any(message in line for line in found), found
    assert all(str(world.file) in line and "\n" not in line for line in found)


def test_all_mistakes_are_told_at_once(world: World) -> None:
    world.content.update({"project": 1, "env": 2, "regions": ["x"]})
    assert len(problems(world)) == 3


def test_a_file_that_is_none_is_one_line(world: World) -> None:
    with pytest.raises(DeployError, match="no such file; environments there: none"):
        environment.read(world.folder / "other" / "prod.yaml")
    world.file.write_text("a: [")
    with pytest.raises(DeployError, match="no YAML"):
        environment.read(world.file)


LAYERS: Final[list[tuple[Callable[[list[dict[str, Any]]], object], str]]] = [
    (lambda all_layers: all_layers[1].update(file="99.yaml"), "layer tables: 99.yaml: [Errno 2]"),
    (lambda all_layers: all_layers[1].update(where="nowhere"), "layer tables: where is 'nowhere'"),
    (
        lambda all_layers: all_layers[1].update(keeps_data=False),
        "20-tables.yaml retains data, so keeps_data must be true",
    ),
    (lambda all_layers: all_layers[1].update(then=["pray"]), "then: 'pray' is unknown"),
    (lambda all_layers: all_layers[1].update(after=["nothing"]), "layer tables: it comes after nothing"),
    (lambda all_layers: all_layers[1].update(afterwards=[]), "layer tables: unknown key afterwards"),
    (lambda all_layers: all_layers[2].update(name="tables"), "two layers are called tables"),
    (
        lambda all_layers: all_layers[2]["parameters"].update(X={"fact": "project"}),
        "50-service.yaml has no parameter X",
    ),
    (lambda all_layers: all_layers[2]["parameters"].update(Size={"fact": "age"}), "parameter Size: it must be fact"),
    (
        lambda all_layers: all_layers[2]["parameters"].update(Size={"output": "tables.Nothing"}),
        "parameter Size comes from tables.Nothing, which 20-tables.yaml does not put out",
    ),
    (lambda all_layers: all_layers[0].update(after=["summary"]), "layers need each other: artifacts -> summary -> "),
]


@pytest.mark.parametrize(("change", "message"), LAYERS, ids=[message[:40] for _, message in LAYERS])
def test_a_mistake_in_the_layers_is_a_line_that_names_it(
    world: World, change: Callable[[list[dict[str, Any]]], object], message: str
) -> None:
    path = world.templates / "layers.yaml"
    content = yaml.safe_load(path.read_text())
    change(content["layers"])
    path.write_text(yaml.safe_dump(content))
    assert message in only_problem(world)


def test_the_example_environment_and_the_layers_of_the_project_are_read() -> None:
    found = environment.read(Path(environment.__file__).parents[1] / "environments" / "example.yaml")
    assert found.given("worker", "MinWorkers", "us-east-1") == "0"


@pytest.mark.parametrize(
    ("declared", "value", "good"),
    [
        ({"AllowedValues": ["true", "false"]}, "true", True),
        ({"AllowedValues": [True]}, "true", True),
        ({"AllowedValues": ["a"]}, "b", False),
        ({"AllowedPattern": "[a-z]+"}, "abc", True),
        ({"AllowedPattern": "[a-z]+"}, "abc1", False),
        ({"Type": "Number", "MinValue": 0}, "0", True),
        ({"Type": "Number", "MaxValue": 5}, "5.5", False),
        ({"MinLength": 2}, "a", False),
        ({"MaxLength": 2}, "abc", False),
        ({"Type": "CommaDelimitedList", "AllowedValues": ["a", "b"]}, "a,b", True),
        ({"Type": "List<Number>", "MinValue": 2}, "2,1", False),
        ({"NoEcho": True}, "hunter2", False),
        ({"NoEcho": True}, "", True),
    ],
)
def test_a_value_is_checked_as_cloudformation_would(declared: dict[str, Any], value: str, good: bool) -> None:
    found = list(wrong("P", {"Type": "String", **declared}, value))
    assert bool(found) is not good
    assert "hunter2" not in "".join(found)


def layer(name: str, where: str = "each", after: tuple[str, ...] = (), **more: Any) -> Layer:
    return Layer(name, EMPTY, where, after, **more)


REGIONS: Final = ("eu-west-1", "us-west-2", "ap-south-1")


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("each", ["eu-west-1", "us-west-2", "ap-south-1"]),
        ("each-and-global", ["eu-west-1", "us-west-2", "ap-south-1", "us-east-1"]),
        ("primary", ["eu-west-1"]),
        ("not-primary", ["us-west-2", "ap-south-1"]),
        ("global", ["us-east-1"]),
    ],
)
def test_a_layer_is_in_its_regions(where: str, expected: list[str]) -> None:
    assert [step.region for step in order.sequence({"a": layer("a", where)}, REGIONS)] == expected


def test_the_primary_region_may_be_last_and_us_east_1_is_there_once() -> None:
    last = {"a": layer("a", primary_last=True)}
    assert [step.region for step in order.sequence(last, REGIONS)] == ["us-west-2", "ap-south-1", "eu-west-1"]
    both = {"a": layer("a", "each-and-global")}
    assert [step.region for step in order.sequence(both, ("us-east-1", "eu-west-1"))] == ["us-east-1", "eu-west-1"]


def test_pairs_are_a_full_mesh() -> None:
    pairs = [(step.region, step.peer) for step in order.sequence({"a": layer("a", "pair")}, REGIONS)]
    assert pairs == [("us-west-2", "eu-west-1"), ("ap-south-1", "eu-west-1"), ("ap-south-1", "us-west-2")]
    ends = {(step.region, step.peer) for step in order.sequence({"a": layer("a", "pair-ends")}, REGIONS)}
    assert ends == {*pairs, *((peer, region) for region, peer in pairs)}
    pair = layer("pair", "pair")
    for region, peer in ends:  # both ends find the pair's one stack
        assert order.producer(Step(layer("r", "pair-ends"), region, peer), pair, "pair", REGIONS) in {
            ("pair", *one) for one in pairs
        }


def test_an_output_is_looked_for_where_it_is() -> None:
    step, api = Step(layer("x"), "us-west-2", "eu-west-1"), layer("api")
    found = {of: order.producer(step, api, of, REGIONS[:2]) for of in layers.OF if of != "pair"}
    assert found == {
        "same": ("api", "us-west-2", ""),
        "primary": ("api", "eu-west-1", ""),
        "secondary": ("api", "us-west-2", ""),
        "tertiary": None,
        "peer": ("api", "eu-west-1", ""),
        "global": ("api", GLOBAL_REGION, ""),
    }


@given(st.lists(st.sets(st.integers(0, 7)), min_size=1, max_size=8))
def test_every_layer_comes_after_those_it_needs_or_the_round_is_named(needs: list[set[int]]) -> None:
    known = range(len(needs))
    graph = {
        str(n): layer(str(n), after=tuple(str(one) for one in sorted(wanted) if one in known and one != n))
        for n, wanted in enumerate(needs)
    }
    try:
        steps = [step.layer.name for step in order.sequence(graph, REGIONS[:1])]
    except DeployError as error:
        names = str(error).removeprefix("layers need each other: ").split(" -> ")
        assert names[0] == names[-1]
        assert all(later in graph[name].needs for name, later in pairwise(names))
        return
    assert sorted(steps) == sorted(graph)
    for n, name in enumerate(steps):
        assert graph[name].needs <= set(steps[:n])


def test_a_parameter_needs_its_producer_even_if_no_one_says_after() -> None:
    taking = layer("a", parameters={"P": Source(outputs=(("b", "O"),))})
    assert [step.layer.name for step in order.sequence({"a": taking, "b": layer("b")}, REGIONS[:1])] == ["b", "a"]


def test_a_template_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_text("a: b")
    with pytest.raises(ValueError, match="no template"):
        template.read(tmp_path / "t.yaml")


def test_transit_gateways_that_are_joined_have_different_numbers(world: World) -> None:
    (world.templates / "10-net.yaml").write_text(
        "Parameters:\n  TransitGatewayAsn: {Type: Number, Default: 64512, MinValue: 1}\nResources: {}\n"
    )
    (world.templates / "15-pair.yaml").write_text("Resources: {}\n")
    path = world.templates / "layers.yaml"
    content = yaml.safe_load(path.read_text())
    content["layers"] += [
        {"name": "net", "file": "10-net.yaml", "where": "each"},
        {"name": "pair", "file": "15-pair.yaml", "where": "pair", "after": ["net"]},
    ]
    path.write_text(yaml.safe_dump(content))
    assert "TransitGatewayAsn of eu-west-1 and of us-west-2 is 64512" in only_problem(world)
    world.content["parameters"] = {"net": {"TransitGatewayAsn": {"us-west-2": 64513}}}
    world.site()
