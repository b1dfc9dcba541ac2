"""What docs and SECURITY.md promise of templates and image: rights, encryption, a container that can do little."""

from __future__ import annotations

import re
from typing import Any, Final

import pytest

from local import templates
from local.processes import REPOSITORY
from tests.cloudformation import rights
from tests.cloudformation.render import Rendered

TEMPLATES: Final = {path.stem: templates.load(path) for path in sorted(templates.FOLDER.glob("[0-9]*.yaml"))}
RESOURCES: Final = [
    (template, name, body) for template, loaded in TEMPLATES.items() for name, body in loaded["Resources"].items()
]
DOCKERFILE: Final = (REPOSITORY / "Dockerfile").read_text("utf-8")
# kinds that hold data, and the property that encrypts them; what is not named here holds none
KEYS_OF_QUEUES: Final = ["KmsMasterKeyId", "SqsManagedSseEnabled"]
KMS_BUCKET: Final = {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}, "BucketKeyEnabled": True}
ENCRYPTED: Final = {
    "AWS::DynamoDB::Table": ("SSESpecification", {"SSEEnabled": True, "SSEType": "KMS"}),
    "AWS::DynamoDB::GlobalTable": ("SSESpecification", {"SSEEnabled": True, "SSEType": "KMS"}),
    "AWS::ECR::Repository": ("EncryptionConfiguration", {"EncryptionType": "KMS"}),
    "AWS::Kinesis::Stream": ("StreamEncryption", {"EncryptionType": "KMS", "KeyId": "alias/aws/kinesis"}),
    "AWS::S3::Bucket": ("BucketEncryption", {"ServerSideEncryptionConfiguration": [KMS_BUCKET]}),
}


def of_type(kind: str) -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{template}.{name}", body.get("Properties", {})) for template, name, body in RESOURCES if body["Type"] == kind
    ]


def container() -> dict[str, Any]:
    found: dict[str, Any] = Rendered(TEMPLATES["40-worker"], {}).properties("TaskDefinition")["ContainerDefinitions"][0]
    return found


def test_the_page_of_rights_is_what_the_templates_give() -> None:
    page = (REPOSITORY / "docs" / "rights.md").read_text("utf-8")
    assert page == rights.markdown(), "run: python -m tests.cloudformation.rights > docs/rights.md"


def test_a_right_that_is_added_changes_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    real = templates.load

    def load(path: Any) -> Any:
        loaded = real(path)
        if path.stem == "40-worker":
            policies = loaded["Resources"]["TaskRole"]["Properties"]["Policies"]
            policies[0]["PolicyDocument"]["Statement"].append(
                {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "x"}
            )
        return loaded

    monkeypatch.setattr(templates, "load", load)
    assert "`s3:GetObject`" in rights.markdown()


@pytest.mark.parametrize("kind", ENCRYPTED)
def test_everything_that_holds_data_is_encrypted(kind: str) -> None:
    name, wanted = ENCRYPTED[kind]
    found = of_type(kind)
    assert found
    assert {where: properties.get(name) for where, properties in found} == {where: wanted for where, _ in found}


def test_no_other_kind_of_resource_holds_data() -> None:
    """A new kind must be looked at: encrypted, or named here as holding none."""
    holds = re.compile(
        r"AWS::(S3::Bucket|SQS::Queue|SNS::Topic|RDS|EFS|OpenSearch|ElastiCache|DMS::ReplicationInstance)$"
    )
    found = {body["Type"] for _, _, body in RESOURCES if holds.match(body["Type"])}
    assert found <= {"AWS::DMS::ReplicationInstance", "AWS::S3::Bucket", "AWS::SNS::Topic", "AWS::SQS::Queue"}


@pytest.mark.parametrize(
    ("kind", "names"), [("AWS::SNS::Topic", ["KmsMasterKeyId"]), ("AWS::SQS::Queue", KEYS_OF_QUEUES)]
)
def test_messages_are_encrypted_while_they_wait(kind: str, names: list[str]) -> None:
    assert [where for where, properties in of_type(kind) if not set(names) & set(properties)] == []


def test_connections_to_the_source_are_encrypted_unless_it_is_said_otherwise() -> None:
    parameter = TEMPLATES["35-dms"]["Parameters"]["SourceSslMode"]
    assert parameter["Default"] != "none"


def test_no_template_holds_a_secret_or_takes_one_as_text() -> None:
    taken = [
        f"{template}.{name}"
        for template, loaded in TEMPLATES.items()
        for name in loaded["Parameters"]
        if re.search(r"password|secret|token", name, re.IGNORECASE) and not name.endswith(("Arn", "Id"))
    ]
    assert taken == []


def test_the_container_can_do_little() -> None:
    found = container()
    assert found["ReadonlyRootFilesystem"] is True
    assert found["Privileged"] is False
    assert found["LinuxParameters"]["Capabilities"] == {"Drop": ["ALL"]}
    assert "User" not in found, "the image's own is 10001"
    assert [mount["ContainerPath"] for mount in found["MountPoints"] if not mount["ReadOnly"]] == ["/tmp"]  # noqa: S108
    assert Rendered(TEMPLATES["40-worker"], {}).properties("Service")["EnableExecuteCommand"] is False


def test_the_image_runs_as_a_user_without_a_name_for_a_shell_or_a_home() -> None:
    last = DOCKERFILE.rpartition("\nFROM ")[2]
    assert re.findall(r"^USER (.+)$", last, re.MULTILINE) == ["10001"]
    assert "--no-create-home" in last
    assert "/usr/sbin/nologin" in last
    assert last.index("\nUSER 10001") < last.index("\nENTRYPOINT")
    assert "pip uninstall --yes --quiet pip setuptools" in DOCKERFILE


def test_no_shell_is_needed_to_run_it() -> None:
    """ENTRYPOINT, CMD and both health checks are lists; nothing is started by a shell."""
    for word in ("ENTRYPOINT", "CMD"):
        assert all(text.startswith("[") for text in re.findall(rf"^{word} (.+)$", DOCKERFILE, re.MULTILINE))
    assert re.search(r"^HEALTHCHECK .*\\\n\s+CMD \[", DOCKERFILE, re.MULTILINE)
    assert container()["HealthCheck"]["Command"][0] == "CMD"


def test_both_stages_are_built_on_one_base_that_can_be_pinned_by_digest() -> None:
    assert re.findall(r"^ARG BASE=(\S+)$", DOCKERFILE, re.MULTILINE) == ["python:3.11-slim-bookworm"]
    assert [text.split()[0] for text in re.findall(r"^FROM (.+)$", DOCKERFILE, re.MULTILINE)] == ["${BASE}", "${BASE}"]


def test_what_is_installed_has_hashes() -> None:
    assert "--require-hashes -r requirements/worker.lock" in DOCKERFILE
    assert "python -m worker.supervisor.jars" in DOCKERFILE
