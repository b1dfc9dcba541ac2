"""The declaration of events: like that of commands, with a body only."""

from __future__ import annotations

import pytest

from api_lambdas.events.declared import DeclaredEvent, from_json, to_json
from api_lambdas.package import EVENTS_FILE
from api_lambdas.packing.events_file import read_events


def test_the_file_that_is_shipped_has_no_problem() -> None:
    events, problems = read_events(EVENTS_FILE.read_text("utf-8"), "events.yaml")
    assert (problems, [event.name for event in events]) == ((), ["parcel-scanned"])
    assert from_json(to_json(events)) == {event.name: event for event in events}


def test_no_events_are_none() -> None:
    assert read_events("# nothing yet", "e.yaml") == ((), ())


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[1]", "e.yaml:1: expected `event-name: {body: ...}`"),
        ("a: [", "e.yaml:1: not YAML: expected the node content, but found '<stream end>'"),
        (
            "\nA_b: {body: {type: object}}",
            "e.yaml:2: A_b: a name has lower-case letters, digits and single hyphens, a letter first",
        ),
        ("a: 1", "e.yaml:1: a: expected `body`"),
        ("a: {body: {type: object}, endpoint: x}", "e.yaml:1: a: endpoint: unknown key; known: body"),
        ("a: {body: {type: array}}", "e.yaml:1: a: body: expected a JSON Schema with `type: object`"),
        ("a: {body: {type: object}}\na: {body: {type: object}}", "e.yaml:2: a: declared twice"),
    ],
)
def test_a_mistake_is_one_line_with_its_place(text: str, problem: str) -> None:
    events, problems = read_events(text, "e.yaml")
    assert events == ()
    assert problem in problems


def test_an_event_is_its_name_and_schema() -> None:
    ((event,), _) = read_events("a: {body: {type: object}}", "e.yaml")
    assert event == DeclaredEvent("a", '{"type": "object"}')
