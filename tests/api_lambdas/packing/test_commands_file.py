"""The declaration of commands."""

from __future__ import annotations

import pytest

from api_lambdas.commands.declared import Command, Idempotency, from_json, to_json
from api_lambdas.package import COMMANDS_FILE
from api_lambdas.packing.commands_file import read_commands

BODY = "idempotency: header\n  body: {type: object, required: [id], properties: {id: {type: integer}}}"
OBJECT = "body: {type: object}"
LOOKUP = "a: {endpoint: POST /x, idempotency: lookup"
NONE = "a: {endpoint: POST /x, idempotency: none"


def test_the_shipped_commands_are_right() -> None:
    """All six endpoints of the monolith, and they survive their compiled form."""
    commands, problems = read_commands(COMMANDS_FILE.read_text("utf-8"), "commands.yaml")

    assert problems == ()
    assert [f"{command.name}: {command.method} {command.path}" for command in commands] == [
        "place-order: POST /orders",
        "change-order: POST /orders/{order_id}/change",
        "cancel-order: POST /orders/{order_id}/cancel",
        "move-line: POST /order-lines/move",
        "rename-product: POST /products/{sku}/rename",
        "correct-customer: POST /customers/{customer_id}/correct",
    ]
    assert tuple(from_json(to_json(commands)).values()) == commands


def test_no_commands_are_allowed() -> None:
    """An API may be for reading only."""
    assert read_commands("# nothing\n", "c.yaml") == ((), ())


def test_a_command_is_read() -> None:
    """Endpoint, schema and time-out."""
    (command,), problems = read_commands(
        f"do-it:\n  endpoint: PUT /x/{{id}}\n  timeout_seconds: 2\n  {BODY}\n", "c.yaml"
    )

    assert problems == ()
    assert command == Command("do-it", "PUT", "/x/{id}", command.schema, 2, Idempotency.HEADER)


def test_what_the_monolith_offers_is_read() -> None:
    """All members, into the compiled form and back."""
    text = (
        "a: {endpoint: POST /x, idempotency: lookup, lookup: '/done?key={idempotency_key}', settle_seconds: 0, "
        f"answer_within_seconds: 3, position: /log/0/at, {OBJECT}}}"
    )
    (command,), problems = read_commands(text, "c.yaml")

    assert problems == ()
    assert from_json(to_json([command])) == {"a": command}
    assert (command.idempotency, command.settle_seconds, command.answer_within_seconds) == ("lookup", 0, 3)
    assert command.lookup_path("a/b?") == "/done?key=a%2Fb%3F"
    assert command.position_in('{"log": [{"at": "0/1F"}]}') == "0/1F"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: [", "c.yaml:1: not YAML: "),
        ("- a", "c.yaml:1: expected `command-name: "),
        ("a: 1", "c.yaml:1: a: expected `endpoint` and `body`"),
        (f"\nA_b:\n  endpoint: POST /x\n  {BODY}", "c.yaml:2: A_b: a name has lower-case letters"),
        (f"no:\n  endpoint: POST /x\n  {BODY}", "c.yaml:1: False: a name has lower-case letters"),
        (f"a:\n  endpiont: POST /x\n  endpoint: POST /x\n  {BODY}", "c.yaml:1: a: endpiont: unknown key, did you mean"),
        (f"a:\n  endpoint: GET /x\n  {BODY}", "c.yaml:1: a: endpoint: expected a method and a path"),
        (f"a:\n  endpoint: POST x\n  {BODY}", "c.yaml:1: a: endpoint: expected a method and a path"),
        (f"a:\n  endpoint: POST /x/{{key}}\n  {BODY}", "c.yaml:1: a: body: `required` must list 'key'"),
        (f"a:\n  endpoint: POST /x\n  timeout_seconds: 26\n  {BODY}", "c.yaml:1: a: timeout_seconds: expected"),
        (f"a:\n  endpoint: POST /x\n  timeout_seconds: yes\n  {BODY}", "c.yaml:1: a: timeout_seconds: expected"),
        ("a:\n  endpoint: POST /x\n  body: {type: object}", "c.yaml:1: a: idempotency: expected what the monolith"),
        (f"a: {{endpoint: POST /x, idempotency: [], {OBJECT}}}", "c.yaml:1: a: idempotency: expected"),
        (f"a: {{endpoint: POST /x, idempotency: lookup, {OBJECT}}}", "c.yaml:1: a: lookup: needed with"),
        (f"{LOOKUP}, lookup: '/x/{{idempotency_key}}', {OBJECT}}}", "c.yaml:1: a: settle_seconds: needed with"),
        (f"{LOOKUP}, lookup: /x, settle_seconds: 1, {OBJECT}}}", "c.yaml:1: a: lookup: expected a path with the key"),
        (f"{LOOKUP}, lookup: '/{{key}}', settle_seconds: 1, {OBJECT}}}", "c.yaml:1: a: lookup: expected a path with"),
        (
            f"{LOOKUP}, lookup: '/{{idempotency_key}}', settle_seconds: 5000, {OBJECT}}}",
            "c.yaml:1: a: settle_seconds: ",
        ),
        (f"{NONE}, lookup: '/{{idempotency_key}}', {OBJECT}}}", "c.yaml:1: a: lookup: not with `idempotency: none`"),
        (f"{NONE}, settle_seconds: 1, {OBJECT}}}", "c.yaml:1: a: settle_seconds: only with"),
        (f"{NONE}, answer_within_seconds: 1, {OBJECT}}}", "c.yaml:1: a: answer_within_seconds: needs `lookup`"),
        (f"{NONE}, position: commit_position, {OBJECT}}}", "c.yaml:1: a: position: expected a JSON Pointer"),
        (f"{NONE}, position: /a~2, {OBJECT}}}", "c.yaml:1: a: position: expected a JSON Pointer"),
        (
            "a:\n  endpoint: POST /x\n  idempotency: none\n  body: {type: array}",
            "c.yaml:1: a: body: expected a JSON Schema",
        ),
        ("a: 2024-13-45", "c.yaml: not YAML: "),
        (
            f"{NONE}, body: {{type: object, not: {'{not: ' * 150}{{}}{'}' * 150}}}}}",
            "c.yaml:1: a: body: not a JSON Schema: nested too deeply",
        ),
        ("a: !!timestamp x", "c.yaml: not YAML: "),
        ("[" * 3000, "c.yaml: not YAML: "),
        (
            "a:\n  endpoint: POST /x/{a}\n  idempotency: none\n  body: {type: object, required: 5}",
            "c.yaml:1: a: body: not a JSON Schema",
        ),
        (
            "a:\n  endpoint: POST /x\n  idempotency: none\n  body: {type: object, default: 2024-01-01}",
            "c.yaml:1: a: body: holds what JSON",
        ),
        (
            "a:\n  endpoint: POST /x\n  idempotency: none\n  body: {type: object, pattern: '('}",
            "c.yaml:1: a: body: not a JSON Schema",
        ),
        (
            "a:\n  endpoint: POST /x\n  idempotency: none\n  body: {type: object, properties: {a: {$ref: 'http://127.0.0.1:9/a'}}}",
            "c.yaml:1: a: body: not a JSON Schema: $ref to another document",
        ),
        (
            "a:\n  endpoint: POST /x\n  idempotency: none\n  body: {type: object, required: 5}",
            "c.yaml:1: a: body: not a JSON Schema",
        ),
        (
            "a:\n  endpoint: POST /x\n  idempotency: none\n  body: {type: object, properties: {x: {type: nothing}}}",
            "c.yaml:1: a: body: not a",
        ),
        (f"a:\n  endpoint: POST /x\n  {BODY}\na:\n  endpoint: POST /x\n  {BODY}", "c.yaml:5: a: declared twice"),
    ],
)
@pytest.mark.usefixtures("usual_stack")
def test_a_problem_names_its_place(text: str, problem: str) -> None:
    """File, line, command, and what is wrong; no command is given out then."""
    commands, problems = read_commands(text, "c.yaml")

    assert commands == ()
    assert problems[0].startswith(problem)


def test_all_problems_are_reported_at_once() -> None:
    """One run shows everything."""
    problems = read_commands(f"a: 1\nb:\n  endpoint: x\n  body: 1\nc:\n  endpoint: POST /x\n  {BODY}\n", "c.yaml")[1]

    assert [problem.split(": ")[0:3:2] for problem in problems] == [
        ["c.yaml:1", "expected `endpoint` and `body`"],
        ["c.yaml:2", "endpoint"],
        ["c.yaml:2", "idempotency"],
        ["c.yaml:2", "body"],
    ]
