"""What a stand-in lacks goes, with everything that refers to it by any function, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from local import partial, templates


def template(reference: Any) -> templates.Template:
    resources = {
        "Gone": {"Type": "X::Gone"},
        "Refers": {"Type": "X::Kept", "Properties": {"A": [reference]}},
        "Follows": {"Type": "X::Kept", "Properties": {"B": {"Ref": "Refers"}}},
        "Stays": {
            "Type": "X::Kept",
            "Properties": {"A": {"Ref": "AWS::Region"}, "B": {"Fn::Sub": "${AWS::Region} Gone"}},
        },
    }
    outputs = {"Of": {"Value": {"Fn::GetAtt": ["Follows", "Arn"]}}, "Other": {"Value": {"Ref": "Stays"}}}
    return {"Parameters": {}, "Resources": resources, "Outputs": outputs}


@pytest.mark.parametrize(
    "reference",
    [
        {"Ref": "Gone"},
        {"Fn::GetAtt": ["Gone", "Arn"]},
        {"Fn::GetAtt": "Gone.Arn"},
        {"Fn::Sub": "x-${Gone}"},
        {"Fn::Sub": "x-${Gone.Arn}"},
        {"Fn::Sub": ["x-${Y}", {"Y": {"Ref": "Gone"}}]},
        {"Fn::If": ["C", {"Ref": "Gone"}, {"Ref": "AWS::NoValue"}]},
    ],
)
def test_what_refers_to_it_goes_too(reference: Any) -> None:
    whole = template(reference)
    left, gone = partial.without(whole, {"X::Gone"})
    assert set(left["Resources"]) == {"Stays"}
    assert set(left["Outputs"]) == {"Other"}
    assert gone == {"Gone": "X::Gone", "Refers": "refers to Gone", "Follows": "refers to Refers"}
    assert set(whole["Resources"]) == {"Gone", "Refers", "Follows", "Stays"}, "the template itself is left alone"


def test_what_only_waits_for_it_goes_too() -> None:
    whole = template({"Ref": "Stays"})
    whole["Resources"]["Refers"]["DependsOn"] = ["Gone"]
    assert "Refers" in partial.without(whole, {"X::Gone"})[1]


def test_nothing_goes_from_a_template_that_can_be_deployed() -> None:
    whole = template({"Ref": "Gone"})
    assert partial.without(whole, {"X::Else"}) == (whole, {})
