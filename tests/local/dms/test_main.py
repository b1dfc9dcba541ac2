"""The command line: every mistake ends it with one line and no traceback."""

from typing import Any

import pytest


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"stream": "no-such-stream"}, "error: stream no-such-stream: does not exist; create it or set --stream"),
        ({"endpoint_url": "http://127.0.0.1:1"}, "the endpoint does not answer"),
        ({"source_url": "postgresql://127.0.0.1:1/x"}, "error: source: "),
        ({"task": "/no/such/file"}, "error: /no/such/file: cannot be read: No such file or directory"),
        ({}, "error: TableMappings: no table in the source matches shop.%"),
    ],
)
def test_a_mistake_ends_it_with_one_line(start: Any, options: dict[str, str], line: str) -> None:
    running = start(**options)
    assert running.process.wait(timeout=20) == 1
    assert line in running.log()
    assert running.log().count("\n") == 1


def test_every_mistake_in_the_task_file_has_its_line(start: Any) -> None:
    start.document["KinesisSettings"]["NoHexPrefixes"] = True
    start.document["StandIn"]["UnchangedLargeValue"] = "maybe"
    running = start()
    assert running.process.wait(timeout=20) == 1
    assert [line.split("error: ")[1].split(": ")[1] for line in running.log().splitlines()] == [
        "KinesisSettings.NoHexPrefixes",
        "StandIn.UnchangedLargeValue",
    ]


def test_a_second_process_on_the_same_state_is_refused(source: Any, start: Any) -> None:
    source.run("CREATE TABLE shop.t (id int PRIMARY KEY)")
    start().wait_for_changes_phase()
    second = start()
    assert second.process.wait(timeout=20) == 1
    assert "another process runs this task" in second.log()
