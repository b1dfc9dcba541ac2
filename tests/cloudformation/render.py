"""Renders templates for given parameters, as CloudFormation does before it deploys anything."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from local import templates

NO_VALUE: Final = "AWS::NoValue"
PSEUDO: Final = {
    "AWS::Region": "eu-west-1",
    "AWS::AccountId": "123456789012",
    "AWS::Partition": "aws",
    "AWS::URLSuffix": "amazonaws.com",
    "AWS::StackName": "stack",
}


class Rendered:
    """One template with parameters. What only CloudFormation can know, as ARNs, is the text `<name>`."""

    def __init__(self, template: templates.Template, parameters: Mapping[str, str]) -> None:
        """Parameters without a default need no value: they take their own name."""
        declared = template["Parameters"]
        assert set(parameters) <= set(declared), "a parameter that the template does not have"
        self._template = template
        self._values = {name: str(spec.get("Default", f"<{name}>")) for name, spec in declared.items()}
        self._values |= parameters

    def properties(self, resource: str) -> dict[str, Any]:
        """Properties of a resource."""
        found: dict[str, Any] = self._value(self._template["Resources"][resource]["Properties"])
        return found

    def output(self, name: str) -> str:
        """Value of an output."""
        return str(self._value(self._template["Outputs"][name]["Value"]))

    def refused(self) -> list[str]:
        """What the template's rules say against these parameters."""
        return [
            assertion["AssertDescription"]
            for rule in self._template.get("Rules", {}).values()
            if self._true(rule.get("RuleCondition", {"Fn::Equals": ["", ""]}))
            for assertion in rule["Assertions"]
            if not self._true(assertion["Assert"])
        ]

    def _value(self, value: Any) -> Any:
        if isinstance(value, list):
            return [found for found in map(self._value, value) if found != NO_VALUE]
        if not isinstance(value, dict):
            return value
        name = next(iter(value), "")
        if name == "Ref" or name.startswith("Fn::"):
            return self._function(name, value[name])
        found = {key: self._value(inner) for key, inner in value.items()}
        return {key: inner for key, inner in found.items() if inner != NO_VALUE}

    def _function(self, name: str, argument: Any) -> Any:
        if name == "Ref":
            return argument if argument == NO_VALUE else self._named(argument)
        if name == "Fn::If":
            condition, yes, no = argument
            return self._value(yes if self._true({"Condition": condition}) else no)
        if name == "Fn::FindInMap":
            table, first, second = argument
            return self._template["Mappings"][table][self._value(first)][self._value(second)]
        if name == "Fn::Sub":
            text, variables = (argument, {}) if isinstance(argument, str) else argument
            given = {variable: str(self._value(inner)) for variable, inner in variables.items()}
            return re.sub(r"\$\{([\w:.]+)\}", lambda found: given.get(found[1]) or self._named(found[1], given), text)
        if name == "Fn::GetAtt":
            return f"<{'.'.join(argument)}>"
        return f"<{name}>"

    def _named(self, name: str, given: Mapping[str, str] | None = None) -> str:
        return {**PSEUDO, **self._values, **(given or {})}.get(name, f"<{name}>")

    def _true(self, condition: Any) -> bool:
        ((name, argument),) = condition.items()
        if name == "Condition":
            return self._true(self._template["Conditions"][argument])
        if name == "Fn::Equals":
            return bool(self._value(argument[0]) == self._value(argument[1]))
        if name == "Fn::Contains":
            return self._value(argument[1]) in self._listed(argument[0])
        if name == "Fn::Not":
            return not self._true(argument[0])
        combined = {"Fn::And": all, "Fn::Or": any}[name]
        return combined(map(self._true, argument))

    def _listed(self, value: Any) -> list[str]:
        """A list, or a parameter of type list, whose value is a text with commas."""
        found = self._value(value)
        return found.split(",") if isinstance(found, str) else list(found)
