"""Templates are read as CloudFormation reads them."""

from local.templates import parse, resolve

TEXT = """
Parameters:
  Count: {Type: Number, Default: 2}
Version: 2010-09-09
Ref: !Ref Count
GetAtt: !GetAtt Table.Stream.Arn
Sub: !Sub "${Count}-x"
If: !If [IsSet, !Ref Count, !Ref AWS::NoValue]
"""


def test_short_tags_become_functions() -> None:
    found = parse(TEXT)
    assert found["Ref"] == {"Ref": "Count"}
    assert found["GetAtt"] == {"Fn::GetAtt": ["Table", "Stream.Arn"]}
    assert found["Sub"] == {"Fn::Sub": "${Count}-x"}
    assert found["If"] == {"Fn::If": ["IsSet", {"Ref": "Count"}, {"Ref": "AWS::NoValue"}]}


def test_dates_stay_text() -> None:
    assert parse(TEXT)["Version"] == "2010-09-09"


def test_a_parameter_is_resolved_by_its_value_or_default() -> None:
    found = parse(TEXT)
    assert resolve(found["Ref"], found, {}) == 2
    assert resolve(found["Ref"], found, {"Count": "3"}) == "3"
    assert resolve("plain", found, {}) == "plain"
    assert resolve(found["Sub"], found, {}) is None
