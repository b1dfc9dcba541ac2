"""A real child process under a scripted daemon: what it answers, when it checkpoints and how it ends."""

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.worker.child.fake_daemon import PATIENCE_SECONDS, FakeDaemon

Start = Callable[..., FakeDaemon]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a child, initialized if not told otherwise, and ends it after the test."""
    daemons: list[FakeDaemon] = []

    def starter(*, shard: str | None = "shard-0", **settings: str) -> FakeDaemon:
        daemon = FakeDaemon(tmp_path, **settings)
        daemons.append(daemon)
        if shard:
            assert daemon.initialize(shard) == status("initialize")
        return daemon

    yield starter
    for daemon in daemons:
        daemon.end()


def status(action: str) -> dict[str, Any]:
    """The answer that reports an action as done."""
    return {"action": "status", "responseFor": action}


def last_error(daemon: FakeDaemon) -> dict[str, Any]:
    """The only error that the child logged."""
    errors = [event for event in daemon.events() if event["level"] == "error"]
    assert len(errors) == 1, daemon.log_text()
    return errors[0]


def test_a_checkpoint_names_the_last_durable_record_and_comes_before_the_status(start: Start) -> None:
    daemon = start(NEARVIEW_BATCH_RECORDS="2")
    daemon.deliver("keep", "keep", "keep")
    asked = daemon.answer_checkpoint()
    assert asked == {"action": "checkpoint", "sequenceNumber": "3", "subSequenceNumber": 0}
    assert daemon.durable() == ["1 2", "3"]
    assert daemon.receive() == status("processRecords")


def test_what_is_due_is_done_without_another_delivery(start: Start, tmp_path: Path) -> None:
    """And the one that comes meanwhile is answered."""
    daemon = start()
    due = tmp_path / "due"
    due.write_text("1000000")
    daemon.deliver()
    assert daemon.receive() == status("processRecords")
    deadline = time.monotonic() + PATIENCE_SECONDS
    while int(due.read_text() or 1_000_000) > 999_900:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    daemon.deliver()
    assert daemon.receive() == status("processRecords")
    due.write_text("0")


def test_an_empty_delivery_is_answered_without_a_checkpoint(start: Start) -> None:
    daemon = start()
    daemon.deliver()
    assert daemon.receive() == status("processRecords")


@pytest.mark.parametrize(("minute", "collected"), [("0", True), ("3600", False)])
def test_cycles_are_collected_and_memory_is_given_back_between_deliveries(
    start: Start, tmp_path: Path, minute: str, *, collected: bool
) -> None:
    daemon = start(SCRIPTED_CHILD_MINUTE=minute)
    daemon.deliver("cycle")
    daemon.answer_checkpoint()
    for _ in range(2):  # it comes behind the status, so the next one tells that it is done
        assert daemon.receive() == status("processRecords")
        daemon.deliver()
    assert (tmp_path / "collected").exists() == collected


@pytest.mark.parametrize(
    ("word", "error"),
    [("fatal", "FatalError"), ("secret-value", "builtins.ValueError"), ("exit", "builtins.SystemExit")],
)
def test_what_a_batch_raises_ends_the_child_without_a_status(start: Start, word: str, error: str) -> None:
    daemon = start()
    daemon.deliver("keep", word)
    assert daemon.receive() is None
    assert daemon.exit_code() == 1
    assert last_error(daemon)["error"] == error
    assert daemon.durable() == []
    assert daemon.registered() == ["shard-0"]
    assert "secret-value" not in daemon.log_text()


def test_a_pipeline_that_cannot_be_built_ends_the_child_with_its_reason(start: Start) -> None:
    daemon = start(shard=None)
    assert daemon.initialize("shard-broken") is None
    assert daemon.exit_code() == 1
    assert last_error(daemon)["message"] == "mappings/order.yaml:3:1: unknown table"


def test_wrong_settings_end_the_child_with_all_of_them_in_one_line(start: Start) -> None:
    daemon = start(shard=None, NEARVIEW_STREAM="", NEARVIEW_BATCH_RECORDS="many")
    assert daemon.exit_code() == 1
    message = last_error(daemon)["message"]
    assert "NEARVIEW_STREAM is not set" in message
    assert "NEARVIEW_BATCH_RECORDS must be" in message


@pytest.mark.parametrize("error", ["ThrottlingException", "KinesisClientLibDependencyException"])
def test_a_throttled_checkpoint_is_asked_for_again(start: Start, error: str) -> None:
    daemon = start()
    daemon.deliver("keep")
    assert daemon.answer_checkpoint(error) == daemon.answer_checkpoint()
    assert daemon.receive() == status("processRecords")


def test_a_checkpoint_that_stays_throttled_is_made_up_for_with_the_next_delivery(start: Start) -> None:
    daemon = start()
    daemon.deliver("keep")
    while (message := daemon.receive()) != status("processRecords"):
        assert message
        assert message["sequenceNumber"] == "1"
        daemon.send("checkpoint", sequenceNumber="1", subSequenceNumber=0, error="ThrottlingException")
    daemon.deliver()
    assert daemon.answer_checkpoint()["sequenceNumber"] == "1"
    assert daemon.receive() == status("processRecords")


def test_after_a_refusal_because_the_lease_is_gone_nothing_is_written_or_checkpointed(start: Start) -> None:
    daemon = start()
    daemon.deliver("keep")
    daemon.answer_checkpoint("ShutdownException")
    assert daemon.receive() == status("processRecords")
    daemon.deliver("keep", first=2)
    assert daemon.receive() == status("processRecords")
    daemon.send("shutdownRequested")
    assert daemon.receive() == status("shutdownRequested")
    daemon.send("leaseLost")
    assert daemon.receive() == status("leaseLost")
    daemon.close()
    assert daemon.exit_code() == 0
    assert daemon.durable() == ["1"]


@pytest.mark.parametrize("error", ["InvalidStateException", "IllegalArgumentException", "SomethingNewException"])
def test_a_checkpoint_refused_for_good_ends_the_child(start: Start, error: str) -> None:
    daemon = start()
    daemon.deliver("keep")
    daemon.answer_checkpoint(error)
    assert daemon.receive() is None
    assert daemon.exit_code() == 1
    assert error in last_error(daemon)["message"]


def test_a_graceful_stop_leaves_in_good_order(start: Start) -> None:
    daemon = start()
    daemon.send("shutdownRequested")
    assert daemon.receive() == status("shutdownRequested")
    daemon.send("leaseLost")
    assert daemon.receive() == status("leaseLost")
    assert daemon.registered() == ["shard-0"]
    daemon.close()
    assert daemon.receive() is None
    assert daemon.exit_code() == 0
    assert daemon.registered() == []
    assert list((daemon.folder / "metrics").glob("gauge_live*")) == []


def test_a_shutdown_request_checkpoints_what_was_durable_but_not_yet_covered(start: Start) -> None:
    daemon = start()
    daemon.deliver("keep")
    while (message := daemon.receive()) != status("processRecords"):
        assert message
        daemon.send("checkpoint", sequenceNumber="1", subSequenceNumber=0, error="ThrottlingException")
    daemon.send("shutdownRequested")
    assert daemon.answer_checkpoint()["sequenceNumber"] == "1"
    assert daemon.receive() == status("shutdownRequested")


def test_the_end_of_a_shard_is_checkpointed_without_a_sequence_number_and_tried_again(start: Start) -> None:
    daemon = start()
    daemon.deliver("keep")
    daemon.answer_checkpoint()
    assert daemon.receive() == status("processRecords")
    daemon.send("shardEnded")
    asked = daemon.answer_checkpoint("ThrottlingException")
    assert asked == {"action": "checkpoint", "sequenceNumber": None, "subSequenceNumber": None}
    daemon.answer_checkpoint()
    assert daemon.receive() == status("shardEnded")


def test_the_end_of_a_shard_that_cannot_be_checkpointed_ends_the_child(start: Start) -> None:
    daemon = start()
    daemon.send("shardEnded")
    daemon.answer_checkpoint("InvalidStateException")
    assert daemon.receive() is None
    assert daemon.exit_code() == 1


def test_prints_never_reach_the_daemon(start: Start) -> None:
    daemon = start()
    daemon.deliver("print")
    assert daemon.answer_checkpoint()["sequenceNumber"] == "1"
    assert daemon.receive() == status("processRecords")
    assert "straight to the descriptor" in daemon.log_text()


def test_signals_to_the_process_group_do_not_stop_a_child(start: Start) -> None:
    daemon = start()
    daemon.process.send_signal(signal.SIGTERM)
    daemon.process.send_signal(signal.SIGINT)
    daemon.deliver("keep")
    daemon.answer_checkpoint()
    assert daemon.receive() == status("processRecords")


def test_a_daemon_that_dies_in_mid_batch_takes_its_child_along(start: Start) -> None:
    daemon = start()
    daemon.deliver("wait")
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (daemon.folder / "waiting").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    daemon.close()
    assert daemon.exit_code() == 0
    assert daemon.receive() is None
    assert daemon.durable() == []


def test_a_daemon_that_dies_while_a_checkpoint_is_awaited_ends_the_child(start: Start) -> None:
    daemon = start()
    daemon.deliver("keep")
    asked = daemon.receive()
    assert asked
    assert asked["action"] == "checkpoint"
    daemon.close()
    assert daemon.receive() is None
    assert daemon.exit_code() == 0


@pytest.mark.parametrize(
    "line",
    [
        b"not json canary",
        b'{"action":"dance canary"}',
        b'{"action":"processRecords","millisBehindLatest":1,"records":[{"data":"canary"}]}',
        b'["canary"]',
    ],
)
def test_a_line_outside_the_protocol_ends_the_child_and_is_not_quoted(start: Start, line: bytes) -> None:
    daemon = start()
    daemon.send_line(line)
    assert daemon.receive() is None
    assert daemon.exit_code() == 1
    assert last_error(daemon)["error"] == "ProtocolError"
    assert "canary" not in daemon.log_text()


def test_lines_without_content_are_skipped(start: Start) -> None:
    daemon = start()
    daemon.send_line(b"")
    daemon.deliver()
    assert daemon.receive() == status("processRecords")
