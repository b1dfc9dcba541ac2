"""Every right that the templates give: `python -m tests.cloudformation.rights > docs/rights.md`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from local import templates

HEAD: Final = """# Rights

<!-- made by `python -m tests.cloudformation.rights`; do not edit -->

What each component may do on AWS: every statement of every role in `cloudformation/`, nothing else. No action is a
wildcard and no policy a managed one (lint rule E9401 of `cloudformation/rules/`); tests compare the worker's and the
functions' rights with what their code calls. `P` is the parameter `Project`. What stands in brackets is there only if
the condition holds.
"""
RESOURCE: Final = re.compile(r"arn:\$\{AWS::Partition\}:(\w+):(?:\$\{AWS::Region\}|\*)?:(?:\$\{AWS::AccountId\}|\*)?:")


def markdown() -> str:
    """The whole document."""
    parts = [HEAD]
    for path in sorted(templates.FOLDER.glob("[0-9]*.yaml")):
        resources = templates.load(path)["Resources"]
        for name, body in resources.items():
            if body["Type"] == "AWS::IAM::Role":
                parts.append(_role(path.stem, name, body["Properties"]))
    return "\n".join(parts)


def _role(template: str, name: str, properties: dict[str, Any]) -> str:
    trusted = sorted(
        {str(_plain(s["Principal"]["Service"])) for s, _ in _statements(properties["AssumeRolePolicyDocument"])}
    )
    lines = [f"## {template}: {name}", "", f"Assumed by {', '.join(f'`{one}`' for one in trusted)}.", ""]
    lines += ["| policy | may | on | if |", "|---|---|---|---|"]
    for policy in properties.get("Policies", []):
        for statement, condition in _statements(policy["PolicyDocument"]):
            actions = ", ".join(f"`{action}`" for action in _listed(statement["Action"]))
            resources = ", ".join(f"`{_short(str(_plain(found)))}`" for found in _listed(statement["Resource"]))
            limits = [f"[{condition}]"] if condition else []
            for kind, pairs in statement.get("Condition", {}).items():
                limits += [f"{kind} `{key}` = `{_short(str(_plain(value)))}`" for key, value in pairs.items()]
            lines.append(f"| {policy['PolicyName']} | {actions} | {resources} | {'; '.join(limits)} |")
    return "\n".join([*lines, ""])


def _statements(document: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    for entry in document["Statement"]:
        if "Fn::If" in entry:
            condition, yes, no = entry["Fn::If"]
            for found, named in ((yes, condition), (no, f"not {condition}")):
                if "Effect" in found:
                    yield found, named
        else:
            yield entry, ""


def _listed(value: Any) -> list[Any]:
    if isinstance(value, dict) and "Fn::If" in value:
        return [part for part in value["Fn::If"][1:] if part != {"Ref": "AWS::NoValue"}]
    return value if isinstance(value, list) else [value]


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return ", ".join(str(_plain(one)) for one in value)
    if not isinstance(value, dict):
        return value
    ((name, argument),) = value.items()
    match name:
        case "Ref":
            return argument
        case "Fn::GetAtt":
            return ".".join(argument) if isinstance(argument, list) else argument
        case "Fn::Sub":
            return argument if isinstance(argument, str) else argument[0]
        case "Fn::If":
            return " or ".join(str(_plain(part)) for part in argument[1:] if part != {"Ref": "AWS::NoValue"})
    return name


def _short(text: str) -> str:
    text = RESOURCE.sub(r"\1 ", text).replace("${Project}", "P")
    return re.sub(r"\$\{([\w:.]+)\}", r"\1", text).replace("|", "\\|")


if __name__ == "__main__":
    print(markdown(), end="")  # noqa: T201  its output is the document
