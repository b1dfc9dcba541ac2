"""What checkov is told to pass over has a reason, and is something that checkov would find."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from local import templates
from local.processes import REPOSITORY
from tests.tools import REQUIRED

CONFIG: Final = REPOSITORY / ".checkov.yaml"
CHECKOV: Final = REPOSITORY / "build" / "checkov" / "bin" / "checkov"
FILES: Final = sorted(templates.FOLDER.glob("[0-9]*.yaml"))
SKIP: Final = re.compile(r"checkov:skip")
REASONED: Final = re.compile(r"^    # checkov:skip=(CKV2?_AWS_\d+): (\S+ \S+ \S+.*)$")
RESOURCE: Final = re.compile(r"^  (\w+):$")


def for_all(text: str) -> dict[str, bool]:
    """Each check that .checkov.yaml leaves out, and whether a comment with its reason stands above it."""
    assert isinstance(yaml.safe_load(text).get("skip-check"), list)
    found = {}
    reason = False
    for line in text.partition("\nskip-check:")[2].splitlines():
        if line.lstrip().startswith("#"):
            reason = len(line.split()) > 3
        elif line.strip():
            found[line.strip().removeprefix("- ")] = reason
            reason = False
    assert list(found) == yaml.safe_load(text)["skip-check"]
    return found


def in_resources(text: str) -> Iterator[tuple[str, str]]:
    """Each resource of a template and a check it leaves out. Raises ValueError where the reason is missing."""
    resource = ""
    for number, line in enumerate(text.splitlines(), 1):
        if match := RESOURCE.match(line):
            resource = match[1]
        if SKIP.search(line):
            match = REASONED.match(line)
            if match is None:
                raise ValueError(
                    f"line {number}: a check is left out without a reason, or not as `# checkov:skip=ID: reason`"
                )
            yield resource, match[1]


def failed(folder: Path, *options: str) -> set[tuple[str, str, str]]:
    """Template, resource and check of everything that checkov finds in a folder."""
    command = [
        str(CHECKOV),
        "--directory",
        str(folder),
        "--framework",
        "cloudformation",
        "--skip-download",
        "--output",
        "json",
    ]
    # elsewhere: a .checkov.yaml of the working directory would be read as well
    done = subprocess.run([*command, *options], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr[-2000:]
    report: dict[str, Any] = json.loads(done.stdout)
    return {
        (Path(found["file_path"]).stem, found["resource"].rpartition(".")[2], found["check_id"])
        for found in report["results"]["failed_checks"]
    }


def test_every_check_that_is_left_out_for_all_resources_has_a_reason() -> None:
    assert [check for check, reason in for_all(CONFIG.read_text("utf-8")).items() if not reason] == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_check_that_a_resource_leaves_out_has_a_reason(path: Path) -> None:
    list(in_resources(path.read_text("utf-8")))


@pytest.mark.parametrize(
    "comment", ["=CKV_AWS_18", "=CKV_AWS_18:", "=CKV_AWS_18: no", "=CKV_AWS_18,CKV_AWS_21: a reason it is"]
)
def test_a_check_that_is_left_out_without_a_reason_is_seen(comment: str) -> None:
    with pytest.raises(ValueError, match="line 2: a check is left out without a reason"):
        list(in_resources(f"  Bucket:\n    # checkov:skip{comment}\n"))


def test_a_check_without_a_comment_in_the_settings_is_seen() -> None:
    text = "\nskip-check:\n  # a reason of words\n  - CKV_AWS_1\n  - CKV_AWS_2\n"
    assert for_all(text) == {"CKV_AWS_1": True, "CKV_AWS_2": False}


@pytest.mark.long
def test_what_is_left_out_is_what_checkov_would_find(tmp_path: Path) -> None:
    """Neither a finding that nobody looked at nor a suppression that has outlived its finding; the queue is planted."""
    if not CHECKOV.exists():
        no = pytest.fail if os.environ.get(REQUIRED) == "required" else pytest.skip
        no("checkov is missing: run make build/checkov/.installed")
    for path in FILES:
        text = "".join(line for line in path.read_text("utf-8").splitlines(keepends=True) if not SKIP.search(line))
        (tmp_path / path.name).write_text(text, "utf-8")
    planted = "Resources:\n  Queue: {Type: AWS::SQS::Queue}\n"
    (tmp_path / "planted.yaml").write_text(f'AWSTemplateFormatVersion: "2010-09-09"\n{planted}', "utf-8")
    found = failed(tmp_path)
    everywhere = set(for_all(CONFIG.read_text("utf-8")))
    here = {(path.stem, *skipped) for path in FILES for skipped in in_resources(path.read_text("utf-8"))}
    assert {entry for entry in found if entry[2] not in everywhere} == here | {("planted", "Queue", "CKV_AWS_27")}
    assert everywhere <= {check for _, _, check in found}
