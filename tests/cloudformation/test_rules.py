"""Each of our own cfn-lint rules catches the mistake it is for, planted into one of our templates."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from cfnlint.decode import decode_str
from cfnlint.rules import Rules
from cfnlint.template import Template

from local import templates


@dataclass(frozen=True, slots=True)
class Planted:
    """A mistake: in this file, this text becomes that text, and the rule must say so."""

    rule: str
    file: str
    old: str
    new: str
    message: str


OWN_REPLICA = "        - Region: !Ref AWS::Region\n          Point"
PITR = "Region: !Ref AWS::Region\n          PointInTimeRecoverySpecification: {PointInTimeRecoveryEnabled: true}"
OWN_KEY = (
    "          SSESpecification: !If\n            - HasKey\n"
    "            - KMSMasterKeyId: !Sub arn:${AWS::Partition}:kms:${AWS::Region}:${AWS::AccountId}:key/${KeyId}\n"
    "            - !Ref AWS::NoValue\n"
)
DELETION = "DeletionPolicy: Retain\n    UpdateReplacePolicy: Retain"
MYSQL_SECRET = (
    "SecretsManagerSecretId: !Ref SourceSecretArn\n          SecretsManagerAccessRoleArn: !GetAtt SourceRole.Arn\n"
    "          ServerTimezone"
)
SHARDS = "      ShardCount: !If [IsProvisioned, !Ref ShardCount, !Ref AWS::NoValue]\n"

PLANTED = [
    Planted("E9101", "20-data.yaml", "- {AttributeName: _i3s, AttributeType: S}", "", "_i3s is part of a key"),
    Planted("E9101", "20-data.yaml", "AttributeName: _i3s, KeyType", "AttributeName: _i2s, KeyType", "part of no key"),
    Planted("E9102", "20-data.yaml", OWN_REPLICA, "        - Region: us-east-1\n          Point", "own region"),
    Planted("E9102", "20-data.yaml", "Region: !Ref SecondaryRegion", "Region: eu-west-99", "no region eu-west-99"),
    Planted(
        "E9102", "20-data.yaml", "      StreamSpecification: {StreamViewType: NEW_AND_OLD_IMAGES}\n", "", "needs Stream"
    ),
    Planted("E9102", "20-data.yaml", PITR, "Region: !Ref AWS::Region", "no point-in-time recovery"),
    Planted("E9102", "20-data.yaml", OWN_KEY, "", "some replicas"),
    Planted(
        "E9103",
        "20-data.yaml",
        "-documents\n      BillingMode: PAY_PER_REQUEST",
        "-documents\n      BillingMode: PROVISIONED",
        "WriteProvisionedThroughputSettings",
    ),
    Planted(
        "E9103",
        "20-data.yaml",
        "-documents\n",
        "-documents\n      MultiRegionConsistency: STRONG\n      GlobalTableWitnesses: [{Region: us-east-2}]\n",
        "STRONG needs",
    ),
    Planted("E9201", "30-stream.yaml", SHARDS, "      ShardCount: !Ref ShardCount\n", "by an Fn::If"),
    Planted("E9201", "30-stream.yaml", "StreamMode: !Ref Capacity", "StreamMode: ON_DEMAND", "ON_DEMAND refuses"),
    Planted(
        "E9201", "30-stream.yaml", "      StreamModeDetails: {StreamMode: !Ref Capacity}\n" + SHARDS, "", "needs Shard"
    ),
    Planted(
        "E9202", "30-stream.yaml", "RetentionPeriodHours: !Ref RetentionHours", "RetentionPeriodHours: 12", "12 hours"
    ),
    Planted("E9202", "30-stream.yaml", "MinValue: 24", "MinValue: 1", "1 hours"),
    Planted("E9301", "35-dms.yaml", "EngineName: kinesis", "EngineName: kineses", "no engine kineses"),
    Planted("E9301", "35-dms.yaml", "      KinesisSettings:", "      KafkaSettings:", "needs KinesisSettings"),
    Planted("E9301", "35-dms.yaml", "MessageFormat: json-unformatted", "MessageFormat: csv", "MessageFormat csv"),
    Planted(
        "E9301", "35-dms.yaml", "IncludeTransactionDetails: true", "IncludeTransactionDetails: false", "must be true"
    ),
    Planted(
        "E9301",
        "35-dms.yaml",
        "        IncludeNullAndEmpty: true",
        "        IncludeNullAndEmpty: false",
        "must be true",
    ),
    Planted(
        "E9301",
        "35-dms.yaml",
        "      EndpointType: source",
        "      Password: x\n      EndpointType: source",
        "password",
    ),
    Planted("E9301", "35-dms.yaml", "SecretsManagerSecretId: ", "DatabaseMode: ", "lacks SecretsManagerSecretId"),
    Planted("E9301", "35-dms.yaml", "[postgres, aurora-", "[postgress, aurora-", "no engine postgress"),
    Planted("E9301", "35-dms.yaml", MYSQL_SECRET, "ServerTimezone", "MySqlSettings lacks SecretsManagerSecretId"),
    Planted("E9302", "35-dms.yaml", '"data-type": {"type"', '"data-type": {{"type"', "not JSON"),
    Planted("E9302", "35-dms.yaml", '"rules": [', '"rules": [,', "not JSON"),
    Planted("E9302", "35-dms.yaml", '"rule-type": "selection"', '"rule-type": "selections"', "no selection rule"),
    Planted("E9302", "35-dms.yaml", '"primary-key"}', '"schema-table"}', "partition-key-type"),
    Planted("E9302", "35-dms.yaml", '"EnableBeforeImage": true', '"EnableBeforeImage": false', "BeforeImageSettings"),
    Planted("E9302", "35-dms.yaml", '"BatchApplyEnabled": false', '"BatchApplyEnabled": true', "BatchApplyEnabled"),
    Planted("E9401", "40-worker.yaml", "- kinesis:GetRecords", "- kinesis:Get*", "kinesis:Get* is a wildcard"),
    Planted(
        "E9401", "40-worker.yaml", "Resource: !Ref RepositoryArn", 'Resource: "*"', "ecr:BatchGetImage on Resource"
    ),
    Planted("E9401", "50-api.yaml", "- ec2:DescribeSubnets", "- ec2:RunInstances", "ec2:RunInstances on Resource"),
    Planted("E9401", "50-api.yaml", "Action: [dynamodb:BatchGetItem", "NotAction: [dynamodb:BatchGetItem", "NotAction"),
    Planted(
        "E9401",
        "40-worker.yaml",
        "  ExecutionRole:\n    Type: AWS::IAM::Role\n    Properties:\n",
        "  ExecutionRole:\n    Type: AWS::IAM::Role\n    Properties:\n"
        "      ManagedPolicyArns: [!Sub 'arn:${AWS::Partition}:iam::aws:policy/AmazonDynamoDBFullAccess']\n",
        "managed policies",
    ),
    Planted(
        "E9402", "20-data.yaml", DELETION, "DeletionPolicy: Delete\n    UpdateReplacePolicy: Retain", "DeletionPolicy"
    ),
    Planted("E9402", "30-stream.yaml", DELETION, "DeletionPolicy: Retain", "UpdateReplacePolicy"),
    Planted(
        "E9403", "40-worker.yaml", "LaunchType: !Ref Launch", "DesiredCount: 2\n      LaunchType: EC2", "scaling owns"
    ),
    Planted("E9404", "40-worker.yaml", "ReadonlyRootFilesystem: true", "ReadonlyRootFilesystem: false", "must be true"),
    Planted("E9404", "40-worker.yaml", "Drop: [ALL]", "Drop: [CHOWN]", "ALL capabilities"),
    Planted("E9404", "40-worker.yaml", "StopTimeout: 90", "StopTimeout: 180", "StopTimeout"),
]


OWN_RULES = [rule for rule in Rules.create_from_directory(templates.FOLDER / "rules").values() if rule.id[:2] == "E9"]


def findings(text: str) -> list[tuple[str, str]]:
    """What our own rules say, without the time that all of cfn-lint's take."""
    decoded, errors = decode_str(text)
    assert not errors
    template = Template("planted.yaml", decoded, ["eu-west-1"])
    return [(rule.id, match.message) for rule in OWN_RULES for match in rule.match(template)]


@pytest.mark.parametrize("planted", PLANTED, ids=[f"{it.rule}-{index}" for index, it in enumerate(PLANTED)])
def test_a_planted_mistake_is_found(planted: Planted) -> None:
    text = (templates.FOLDER / planted.file).read_text()
    assert planted.old in text
    found = findings(text.replace(planted.old, planted.new, 1))
    assert any(rule == planted.rule and planted.message in message for rule, message in found), found


# Whole templates with one mistake each, none of which cfn-lint finds by itself. The first line names the rule and what
# it says. Lines that end in `# bad` are the mistake; what begins with `# good: ` stands there when it is mended.
BAD = sorted((Path(__file__).parent / "bad").glob("*.yaml"))
SILENT = 26
"""So many of fifty deliberate mistakes cfn-lint let pass; each is here, and some more."""


def mended(text: str) -> str:
    """The sample as it should have been written."""
    lines = [line for line in text.splitlines() if not line.endswith("# bad")]
    return "\n".join(
        line.replace("# good: ", "", 1) if line.lstrip().startswith("# good: ") else line for line in lines
    )


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_a_bad_sample_is_found_and_its_good_twin_passes(path: Path) -> None:
    text = path.read_text("utf-8")
    rule, message = text.splitlines()[0].removeprefix("# ").split(": ", 1)
    assert mended(text) != text
    assert any(name == rule and message in said for name, said in findings(text)), findings(text)
    assert findings(mended(text) + "\n") == []


def test_cfn_lint_by_itself_lets_all_bad_samples_pass() -> None:
    """Else the rule is no longer needed; and its good twin would be no template at all."""
    assert len(BAD) >= SILENT
    program = Path(sys.executable).with_name("cfn-lint")
    command = [str(program), "--regions", "eu-west-1", "--template", *map(str, BAD)]
    done = subprocess.run(command, cwd=BAD[0].parent, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_every_rule_has_a_planted_mistake() -> None:
    sources = "".join(path.read_text() for path in (templates.FOLDER / "rules").glob("*.py"))
    declared = {line.split('"')[1] for line in sources.splitlines() if line.strip().startswith("id = ")}
    in_samples = {path.read_text("utf-8").split(":", 1)[0].removeprefix("# ") for path in BAD}
    assert declared == {planted.rule for planted in PLANTED} | in_samples


def test_the_templates_as_they_are_have_none_of_these_mistakes() -> None:
    for path in templates.FOLDER.glob("[0-9]*.yaml"):
        assert findings(path.read_text()) == []
