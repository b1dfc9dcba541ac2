"""The API as the templates deploy it, behind MiniStack's gateway and in its Lambda runtime, under schemathesis."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import pytest

from local import deploy
from local.api_package import packed
from local.ministack import MiniStack
from tests.api_lambdas.examples import DEMO, examples
from tests.api_lambdas.monolith_double import MonolithDouble
from tests.api_lambdas.running import Running
from tests.api_lambdas.support import Tables
from tests.api_lambdas.test_running_api import schemathesis, strict


@pytest.mark.long
def test_every_answer_of_the_deployed_api_is_as_described(ministack: MiniStack, tmp_path: Path) -> None:
    """Routes, integrations, permissions and the zip file of the real templates; tables of the real template."""
    project = f"api{uuid.uuid4().hex[:8]}"
    mapping, documents = examples(DEMO)
    monolith = MonolithDouble()
    storage = deploy.deploy_storage(ministack, lambda _: None, project)
    tables = Tables(ministack.client("dynamodb"), storage.documents_table, storage.commands_table)
    for aggregate in mapping.aggregates:
        for key, body in documents[aggregate.name]:
            tables.put_document(aggregate, (key,), body)
    api = deploy.deploy_api(ministack, lambda _: None, packed(mapping, DEMO), monolith.url, project)
    try:
        with Running.opened(f"{api.direct_url}/openapi.json") as answer:
            document = json.load(answer)
        # the gateway answers in its own way what is no route of the template
        run = schemathesis(
            Running(api.direct_url, [], tables, document, monolith, mapping),
            tmp_path,
            strict(document),
            6,
            "unsupported_method",
        )
    finally:
        monolith.close()

    assert run.returncode == 0, run.stdout[-6000:] + run.stderr[-2000:]
