"""Bad input on a running system: it is kept with its reason and seen, and everything else goes on."""

import json
import time
from typing import Any

from local.progress import checkpoints, health
from tests.acceptance.live import Live, wait_for, workload
from tests.worker.dms_records import change
from worker.pipeline import REFRESH_SECONDS

CUSTOMER = {"name": "x", "email": None, "vip": False, "preferences": None, "country_code": None}
BAD_RECORDS: dict[str, bytes] = {
    "not_json": b"{'single': 'quotes'}",
    "bad_envelope": b"[1, 2, 3]",
    "unknown_operation": json.dumps(change("merge", "shop.customers", {"customer_id": 1})).encode(),
    "missing_key": json.dumps(change("insert", "shop.customers", CUSTOMER)).encode(),
    "unknown_table": json.dumps(change("insert", "shop.wishes", {"wish_id": 1})).encode(),
}
COPIES = 4
"""Of each record: two for each shard."""


def test_bad_records_are_parked_with_their_reasons_and_their_neighbours_are_not_disturbed(shop: Live) -> None:
    with workload(shop, rate=20, seed=1):
        numbers = put(shop, *[data for data in BAD_RECORDS.values() for _ in range(COPIES)])
        wait_for("checkpoints behind the bad records", lambda: passed(shop, numbers))
    shop.wait_until_quiet()
    report = shop.verify()
    assert report["differences"] == 0, report

    listed = parked(shop)
    for reason in BAD_RECORDS.keys() - {"unknown_table"}:
        found = [entry for entry in listed["records"] if entry["reason"] == reason]
        assert len(found) == COPIES, reason
        assert all(entry["detail"] and entry["sequence_number"] for entry in found)
        assert shop.counted("nearview_parked_total", reason=reason) >= COPIES
    assert [entry["table"] for entry in listed["unknown_tables"]] == ["shop.wishes"]
    assert health(shop.running)["status"] == "green"
    entry = next(entry for entry in listed["records"] if entry["reason"] == "not_json")
    assert "single" not in shop.nearview("parked", "show", entry["id"])
    assert BAD_RECORDS["not_json"].decode() in shop.nearview("parked", "show", entry["id"], "--show-payload")


def test_a_value_that_does_not_fit_parks_its_document_alone_until_it_fits_again(shop: Live) -> None:
    who = shop.one("SELECT min(customer_id) FROM shop.customers")
    shop.sql(
        "INSERT INTO shop.addresses SELECT min(customer_id), number, 'pickup', 'Misfit Lane', 'Oslo', code"
        " FROM shop.customers, (VALUES (901, '0150'), (902, '7')) a (number, code) GROUP BY number, code",
    )
    shop.wait_until_quiet()
    first, second = f"/pickups/{who}%7C901", f"/pickups/{who}%7C902"
    assert shop.request("GET", first).body["postal_code"] == 150

    shop.sql(
        "UPDATE shop.addresses SET postal_code = 'N1 9GU', city = 'London' WHERE address_no = 901",
        "UPDATE shop.addresses SET postal_code = '8' WHERE address_no = 902",
    )
    shop.wait_until_quiet()
    stale = shop.request("GET", first)
    assert (stale.headers["x-parked"], stale.body["postal_code"], stale.body["city"]) == ("true", 150, "Oslo")
    assert shop.request("GET", second).body["postal_code"] == 8
    assert "London" in [address["city"] for address in shop.request("GET", f"/customers/{who}").body["addresses"]]
    (hidden,), (shown,) = parked(shop)["documents"], parked(shop, "--show-payload")["documents"]
    assert (shown["aggregate"], shown["key"]) == ("pickup", f"{who}|901")
    assert "901" not in json.dumps({**hidden, "id": ""})
    assert "postal_code" in hidden["reason"]
    assert "N1" not in shown["reason"]
    report = shop.verify()
    assert (report["differences"], report["parked"]) == (0, 1)

    shop.sql("UPDATE shop.addresses SET postal_code = '151' WHERE address_no = 901")
    shop.wait_until_quiet()
    good = shop.request("GET", first)
    assert ("x-parked" in good.headers, good.body["postal_code"], good.body["city"]) == (False, 151, "London")
    assert parked(shop)["documents"] == []


def test_a_table_whose_records_lack_details_is_parked_by_name_and_the_others_go_on(shop: Live) -> None:
    lacking = json.dumps(change("update", "shop.payments", {"payment_id": 1}, {}, stream_position=None)).encode()
    numbers = put(shop, *[lacking] * COPIES)
    wait_for("checkpoints behind the records", lambda: passed(shop, numbers))
    wait_for("red health", lambda: health(shop.running)["status"] == "red")
    (problem,) = health(shop.running)["problems"]
    assert "shop.payments" in problem
    assert "IncludeTransactionDetails" in problem
    assert [entry["table"] for entry in parked(shop)["tables"]] == ["shop.payments"]

    customer = shop.one("SELECT min(customer_id) FROM shop.customers")
    shop.sql(
        "UPDATE shop.payments SET amount = amount + 1 WHERE payment_id % 3 = 0",
        "UPDATE shop.customers SET name = 'Corrected' "
        " WHERE customer_id = (SELECT min(customer_id) FROM shop.customers)",
    )
    shop.wait_until_quiet()
    assert shop.request("GET", f"/customers/{customer}").body["name"] == "Corrected"
    held = of_payments(shop)
    payments = shop.one("SELECT count(*) FROM shop.payments WHERE payment_id % 3 = 0")
    assert len(held) == payments + COPIES
    assert {entry["reason"] for entry in held} == {"table_parked"}
    report = shop.verify()
    assert 0 < report["differences"] == report["aggregates"]["order"]["different"]

    # the setting is mended: what came meanwhile is not lost
    shop.nearview("parked", "release", "shop.payments")
    time.sleep(REFRESH_SECONDS)  # as the command says: until then workers park what they read
    shop.nearview("parked", "retry", "--table", "shop.payments", exit_code=1)
    assert len(of_payments(shop)) == COPIES
    assert shop.verify()["differences"] == 0
    wait_for("green health", lambda: health(shop.running)["status"] == "green")


def of_payments(shop: Live) -> list[dict[str, Any]]:
    """The parked records of one table."""
    return [entry for entry in parked(shop)["records"] if entry["table"] == "shop.payments"]


def put(shop: Live, *records: bytes) -> dict[str, int]:
    """Put records straight into the stream, in turn into its first and its last shard; return the last numbers."""
    ends = ("0", str(2**128 - 1))
    entries = [
        {"Data": data, "PartitionKey": "none", "ExplicitHashKey": ends[number % 2]}
        for number, data in enumerate(records)
    ]
    kinesis = shop.running.ministack.client("kinesis")
    answer = kinesis.put_records(StreamName=shop.running.storage.stream, Records=entries)
    assert answer["FailedRecordCount"] == 0
    last = {record["ShardId"]: int(record["SequenceNumber"]) for record in answer["Records"]}
    assert len(last) == len(ends)
    return last


def passed(shop: Live, numbers: dict[str, int]) -> bool:
    """Whether the checkpoints are at or behind these sequence numbers."""
    done = checkpoints(shop.running)
    return all(done[shard] >= number for shard, number in numbers.items())


def parked(shop: Live, *options: str) -> dict[str, Any]:
    """What `nearview parked list --json` says."""
    listed: dict[str, Any] = json.loads(shop.nearview("parked", "list", "--json", *options))
    return listed
