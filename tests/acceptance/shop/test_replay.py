"""A live fleet reads the stream again from a point on, under load: from there, nothing lost, nothing back."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local.progress import is_passed
from tests.acceptance.live import Live, wait_for, workload
from worker.replay.request import instant

LOOK_SECONDS = 0.5


def test_a_replay_under_load_reads_from_its_point_on_and_nothing_is_lost_or_goes_back(
    shop: Live, tmp_path: Path
) -> None:
    path, parked = str(tmp_path / "backup.json"), shop.parked()
    with workload(shop, rate=15, seed=6):
        work(shop, 50)
        point, numbers = newest(shop)
        wait_for("checkpoints behind that", lambda: is_passed(shop.running, numbers))
        work(shop, 200)
        with documents_watched(shop) as backward:
            before = shop.counted("nearview_records_total")
            asked = ("--from-timestamp", point, "--backup", path)
            started = json.loads(shop.nearview("replay", *asked, "--yes", "--json"))
            shop.nearview("replay", "status", path, "--wait")
            wait_for(
                "what is read again and what is new",
                lambda: shop.counted("nearview_records_total") > before + started["total"]["records"],
            )
    assert backward == []
    assert started["total"]["records"] >= 100
    starts = {shard["shard"]: shard["first_record"] for shard in started["shards"]}
    assert starts.items() <= initialized(shop).items(), "children did not begin at the records asked for"

    shop.wait_until_quiet()
    # beside the workers: a document may be written once more, for an edge that is gone; then it is only looked at
    beside = ("replay", "--beside", "--from-timestamp", point, "--state", str(tmp_path / "state.json"), "--json")
    shop.nearview(*beside)
    counts = json.loads(shop.nearview(*beside, "--restart"))
    assert counts["documents_unchanged"] > 0
    assert not {name for name in counts if "written" in name or name.startswith("write_units")}
    shop.assert_right(parked)


def work(live: Live, records: int) -> None:
    """Return when so many more were processed."""
    before = live.counted("nearview_records_total")
    wait_for("records processed", lambda: live.counted("nearview_records_total") >= before + records)


def newest(live: Live) -> tuple[str, dict[str, int]]:
    """When the newest record came in, by the stream's clock, and the newest of each shard."""
    kinesis = live.running.ministack.client("kinesis")
    stream = live.running.storage.stream
    arrivals, numbers = [], {}
    for shard in kinesis.list_shards(StreamName=stream)["Shards"]:
        iterator = kinesis.get_shard_iterator(
            StreamName=stream, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        *_, last = kinesis.get_records(ShardIterator=iterator)["Records"]
        arrivals.append(last["ApproximateArrivalTimestamp"].timestamp())
        numbers[shard["ShardId"]] = int(last["SequenceNumber"])
    return instant(round(max(arrivals) * 1000)), numbers


def initialized(live: Live) -> dict[str, str]:
    """Where the newest child of each shard began, by the worker's log."""
    lines = (live.stack.folder / "logs" / "worker.log").read_text().splitlines()
    events = [json.loads(line) for line in lines if re.search(r'"event": "shard_initialized"', line)]
    return {event["shard"]: event["position"] for event in events}


@contextmanager
def documents_watched(live: Live) -> Iterator[list[str]]:
    """Looks at all documents again and again; the list gets the key of each whose revision has fallen."""
    stop, backward, newest = threading.Event(), list[str](), dict[str, int]()
    client = live.running.ministack.client("dynamodb")

    def watch() -> None:
        pages = client.get_paginator("scan")
        while not stop.wait(LOOK_SECONDS):
            for page in pages.paginate(TableName=live.running.storage.documents_table, ConsistentRead=True):
                for item in page["Items"]:
                    key, revision = item["pk"]["S"], int(item.get("_rev", {}).get("N", "0"))
                    if revision < newest.get(key, 0):
                        backward.append(key)
                    newest[key] = revision

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield backward
    finally:
        stop.set()
        thread.join()
        assert newest, "nothing was watched"
