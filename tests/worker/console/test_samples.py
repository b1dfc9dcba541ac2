"""Metrics pages become samples, samples become rates."""

from __future__ import annotations

import pytest

from tests.worker.console.shop import exposition
from worker.console.samples import History, Worker, read_worker


def sample(url: str = "http://a", **counted: float) -> Worker:
    return read_worker(url, exposition(**counted), ())


def test_a_page_says_what_is_held_and_how_far_it_is() -> None:
    worker = sample(records=5)
    assert worker.version == "0.1.0"
    assert worker.healthy
    assert worker.shards["shardId-000000000001"] == {
        "behind_millis": 1500,
        "checkpoint_age_seconds": 2,
        "commit_age_seconds": 3,
    }


def test_labels_of_a_counter_are_added_up() -> None:
    text = (
        exposition() + 'nearview_changes_total{operation="insert",table="a"} 2\nnearview_changes_total{table="b"} 3\n'
    )
    assert read_worker("http://a", text, ()).totals["nearview_changes_total"] == 5


@pytest.mark.parametrize("text", ["", "up 1\n", "<html>", "nearview_healthy one\n"])
def test_what_is_no_worker_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  whatever the parser says
        read_worker("http://a", text, ())


def test_rates_are_between_two_samples_of_all_workers() -> None:
    history = History()
    history.add(100.0, [sample(records=10), sample("http://b", records=50)])
    history.add(102.0, [sample(records=30), sample("http://b", records=50, document_writes=8)])
    first, second = history.points
    assert first["records"] is None
    assert (second["records"], second["documents"], second["behind_millis"]) == (10.0, 4.0, 1500)


def test_a_worker_that_began_anew_or_does_not_answer_gives_no_negative_rate() -> None:
    history = History()
    history.add(100.0, [sample(records=1000)])
    history.add(102.0, [sample(records=6)])
    history.add(104.0, [Worker("http://a", "does not answer")])
    history.add(106.0, [sample(records=10)])
    assert [point["records"] for point in history.points] == [None, 3.0, None, None]
    assert [point["behind_millis"] for point in history.points] == [1500, 1500, None, 1500]


def test_only_so_much_is_kept() -> None:
    history = History(kept=3)
    for second in range(10):
        history.add(float(second), [sample(records=second)])
    assert [point["at"] for point in history.report()["points"]] == [7, 8, 9]


def test_the_report_names_worker_and_shard() -> None:
    history = History()
    history.add(1.0, [sample(records=4, retries=2), Worker("http://b", "does not answer")])
    report = history.report()
    assert [(shard["shard"][-1], shard["worker"]) for shard in report["shards"]] == [
        ("0", "http://a"),
        ("1", "http://a"),
    ]
    assert [(w["url"], w["problem"], w["records"], w["retries"]) for w in report["workers"]] == [
        ("http://a", "", 4.0, 2.0),
        ("http://b", "does not answer", 0.0, 0.0),
    ]
