"""The declaration of commands."""

from __future__ import annotations

import pytest

from api_lambdas.commands_file import read_commands
from api_lambdas.declared import Command, from_json, to_json
from api_lambdas.package import COMMANDS_FILE

BODY = "body: {type: object, required: [id], properties: {id: {type: integer}}}"


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
    assert command == Command("do-it", "PUT", "/x/{id}", command.schema, 2)


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
        ("a:\n  endpoint: POST /x\n  body: {type: array}", "c.yaml:1: a: body: expected a JSON Schema"),
        ("a: 2024-13-45", "c.yaml: not YAML: "),
        (
            f"a: {{endpoint: POST /x, body: {{type: object, not: {'{not: ' * 150}{{}}{'}' * 150}}}}}",
            "c.yaml:1: a: body: not a JSON Schema: nested too deeply",
        ),
        ("a: !!timestamp x", "c.yaml: not YAML: "),
        ("[" * 3000, "c.yaml: not YAML: "),
        ("a:\n  endpoint: POST /x/{a}\n  body: {type: object, required: 5}", "c.yaml:1: a: body: not a JSON Schema"),
        ("a:\n  endpoint: POST /x\n  body: {type: object, default: 2024-01-01}", "c.yaml:1: a: body: holds what JSON"),
        ("a:\n  endpoint: POST /x\n  body: {type: object, pattern: '('}", "c.yaml:1: a: body: not a JSON Schema"),
        (
            "a:\n  endpoint: POST /x\n  body: {type: object, properties: {a: {$ref: 'http://127.0.0.1:9/a'}}}",
            "c.yaml:1: a: body: not a JSON Schema: $ref to another document",
        ),
        ("a:\n  endpoint: POST /x\n  body: {type: object, required: 5}", "c.yaml:1: a: body: not a JSON Schema"),
        (
            "a:\n  endpoint: POST /x\n  body: {type: object, properties: {x: {type: nothing}}}",
            "c.yaml:1: a: body: not a",
        ),
        (f"a:\n  endpoint: POST /x\n  {BODY}\na:\n  endpoint: POST /x\n  {BODY}", "c.yaml:4: a: declared twice"),
    ],
)
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
        ["c.yaml:2", "body"],
    ]
