"""The project's own templates, deployed by their layers into two regions: they come up, and the API answers."""

from __future__ import annotations

import urllib.request
import uuid
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from cloudformation.deploy import compose, environment, layers, lint, order, plan
from cloudformation.deploy.finishing import Finishing
from cloudformation.deploy.run import Deployment
from local.ministack import MiniStack
from local.processes import REPOSITORY
from tests.cloudformation.deploy import trimmed
from tests.cloudformation.deploy.world import IDENTITY, Told, sleep

REGIONS: Final = ("eu-west-1", "us-east-1")
DEPLOYED: Final = {
    *("artifacts", "alarms", "keys", "network", "routes", "data", "leases", "stream", "worker", "api", "health"),
}
# what would come from a Transit Gateway, which MiniStack does not make
GATEWAYS: Final = {
    "routes": {
        "TransitGatewayId": "tgw-0123456789abcdef0",
        "TransitGatewayRouteTableId": "tgw-rtb-0123456789abcdef0",
        "AttachmentId": "tgw-attach-0123456789abcdef0",
    }
}


def get(ministack: MiniStack, url: str) -> tuple[int, Any]:
    api = url.removeprefix("https://").removeprefix("http://").split(".")[0]
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"{ministack.url}/_aws/execute-api/{api}/%24default/openapi.json", timeout=30) as answer:
        return answer.status, answer.headers["x-region"]


def test_all_layers_are_deployed_as_far_as_ministack_goes_and_a_second_run_changes_nothing(
    ministack: MiniStack, tmp_path: Path
) -> None:
    trimmed.trim(ministack, tmp_path)
    (tmp_path / "access.yaml").write_text("default: public")
    open_to_all = dict.fromkeys(("Authorization", "CommandAuthorization", "DescriptionAuthorization"), "NONE")
    content = {
        "project": f"p{uuid.uuid4().hex[:10]}",
        "env": "test",
        "regions": [*REGIONS],
        "with": ["keys"],
        "cidrs": {REGIONS[0]: "10.20.0.0/16", REGIONS[1]: "10.21.0.0/16"},
        "artefacts": {
            "api": {"mappings": str(REPOSITORY / "mappings"), "access": "access.yaml"},
            "worker": {"image": "example.org/nearview:1"},
        },
        "parameters": {
            "data": {"DeletionProtection": False},
            "api": {"MonolithUrl": "http://127.0.0.1:9/", **open_to_all},
            "failover": {"ApiUrl": "https://api.example.org"},  # MiniStack's own is http
            **GATEWAYS,
        },
    }
    (tmp_path / "t.yaml").write_text(yaml.safe_dump(content))
    wanted = compose.read("t", tmp_path, tmp_path, lint_too=False)
    assert wanted.layers.keys() >= DEPLOYED

    def run() -> set[str]:
        site = compose.site(wanted, ministack, IDENTITY, tmp_path / "journal", Told(), sleep)
        planned = plan.plan(site, site.journal.run)
        done = Deployment(site, Finishing(site, sleep), lambda step, found: False).run(planned)
        for region in REGIONS:
            assert get(ministack, site.outputs["api", region, ""]["ApiUrl"]) == (200, region)
        return {one.result for one in done}

    assert run() == {"created"}
    assert run() == {"unchanged"}


def test_the_example_has_a_value_for_every_parameter_of_every_layer() -> None:
    """But for the layers that are optional and not in it, whose parameters nobody can guess."""
    wanted = compose.read("example", compose.ENVIRONMENTS, compose.FOLDER, lint_too=False)
    assert {step.region for step in wanted.steps} == set(REGIONS)
    assert wanted.layers.keys() >= {*DEPLOYED} - {"keys"} | {"dms"}


def test_layers_of_three_regions_have_an_order() -> None:
    steps = order.sequence(layers.read(compose.FOLDER / "layers.yaml"), ("eu-west-1", "us-east-1", "ap-southeast-2"))
    names = [step.name for step in steps]
    assert names.index("peering in ap-southeast-2 with us-east-1") < names.index("routes in eu-west-1 with us-east-1")
    assert names.index("api in eu-west-1") > names.index("api in ap-southeast-2")
    assert len(names) == len(set(names))
    found = environment.read(compose.ENVIRONMENTS / "example.yaml")
    assert len({step.stack(found.prefix) + step.region for step in steps}) == len(steps)


@pytest.mark.long
def test_the_templates_pass_the_lint_that_a_deployment_runs(tmp_path: Path) -> None:
    files = [layer.template.name for layer in layers.read(compose.FOLDER / "layers.yaml").values()]
    assert lint.problems(compose.FOLDER, files, REGIONS) == []


@pytest.mark.long
def test_a_template_that_lint_refuses_is_refused_before_anything_is_touched(tmp_path: Path) -> None:
    text = (compose.FOLDER / "30-stream.yaml").read_text().replace("Name: !Sub", "Nome: !Sub", 1)
    (tmp_path / "30-stream.yaml").write_text(text)
    found = lint.problems(tmp_path, ["30-stream.yaml"], REGIONS)
    assert any("30-stream.yaml" in line and "E3002" in line for line in found)
