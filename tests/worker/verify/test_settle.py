"""Against a source that moves: a difference counts only if it stays while nothing is written."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal

import psycopg2
import pytest

from tests.worker.verify.business import EXPECTED, MAPPING, ORDER, PERSON, Target, run_sql
from worker.verify.options import Options, Settle
from worker.verify.report import Kind, Report
from worker.verify.run import verify
from worker.verify.source import open_source
from worker.verify.target import Documents


@pytest.fixture
def copy(business: str, new_database: Callable[[str], str]) -> str:
    """A business that may change."""
    assert business
    return new_database("verify_business")


def run(url: str, target: Target, settle: Settle) -> Report:
    with open_source(url) as source:
        documents = Documents(target.table, target.client)
        progress = target.progress.append
        return verify(source, documents, MAPPING, limit=10, progress=progress, options=Options(settle))


def order(key: str, total: str) -> dict[str, object]:
    return {**EXPECTED["order", key], "total": Decimal(total)}


def steps(*between: Callable[[], None]) -> Callable[[float], None]:
    """What happens before each further look, the last again and again."""
    left = list(between)

    def sleep(_: float) -> None:
        (left.pop(0) if len(left) > 1 else left[0])()

    return sleep


def nothing() -> None:
    """Both sides stay."""


def test_a_document_that_arrives_meanwhile_is_no_difference(copy: str, target: Target) -> None:
    target.put_all()
    run_sql(copy, "UPDATE biz.orders SET total = 5 WHERE id = 7; INSERT INTO biz.orders VALUES (70)")
    empty: dict[str, object] = {"id": 70, "total": None, "placed": None, "buyer": None, "ship_to": None, "tags": []}

    def arrive() -> None:
        target.put(ORDER, "7", order("7", "5"), _rev=4)
        target.put(ORDER, "70", empty)

    report = run(copy, target, Settle(0, sleep=steps(arrive)))

    assert report.summary() == "verified 8 documents: 0 differences"
    assert report.aggregates["order"].equal == 5


def test_a_document_deleted_or_made_on_both_sides_meanwhile_is_counted_right(copy: str, target: Target) -> None:
    target.put_all()
    target.put(PERSON, "4", None, _deleted=True)
    run_sql(copy, "INSERT INTO biz.orders VALUES (70)")
    target.put(PERSON, "90", EXPECTED["person", "3"])

    def settle() -> None:
        run_sql(copy, "DELETE FROM biz.orders WHERE id = 70; INSERT INTO biz.people VALUES (90, 'Cy', 90, NULL, true)")
        target.put(
            PERSON, "90", {**EXPECTED["person", "3"], "id": 90, "boss": {"id": 90, "boss": 90}, "staff": [{"id": 90}]}
        )

    report = run(copy, target, Settle(0, sleep=steps(settle)))

    assert report.summary() == "verified 8 documents: 0 differences"
    assert report.aggregates["order"].expected == 4


def test_a_difference_that_stays_is_one_however_much_others_move(copy: str, target: Target) -> None:
    target.put_all()
    target.put(ORDER, "8", order("8", "1"))
    target.put(ORDER, "9", order("9", "1"))
    rev = iter(range(10, 100))

    report = run(copy, target, Settle(0, 4, steps(lambda: target.put(ORDER, "9", order("9", "1"), _rev=next(rev)))))

    assert report.summary() == "verified 7 documents: 1 difference, 1 still moving"
    assert [(finding.kind, finding.key) for finding in report.first] == [(Kind.DIFFERENT, "8")]


def test_a_source_that_moves_makes_a_document_move(copy: str, target: Target) -> None:
    target.put_all()
    run_sql(copy, "UPDATE biz.orders SET total = 1 WHERE id = 7")
    raise_total = steps(lambda: run_sql(copy, "UPDATE biz.orders SET total = total + 1 WHERE id = 7"))

    assert (
        run(copy, target, Settle(0, 3, raise_total)).summary() == "verified 7 documents: 0 differences, 1 still moving"
    )


def test_what_moved_once_and_then_stays_wrong_is_a_difference(copy: str, target: Target) -> None:
    target.put_all()
    target.put(ORDER, "8", order("8", "1"))
    once = steps(lambda: target.put(ORDER, "8", order("8", "2"), _rev=9), nothing)

    report = run(copy, target, Settle(0, 3, once))

    assert report.summary() == "verified 7 documents: 1 difference"
    assert target.progress[-1] == "looking again at what differed, in 0 s (round 2 of 3)"


@contextmanager
def workload(url: str, target: Target) -> Iterator[list[int]]:
    """Orders change in the source, and a moment later in the documents, until the end; yields the changes made."""
    stop, done = threading.Event(), [0]
    rng = random.Random(7)

    def work() -> None:
        connection = psycopg2.connect(url)
        connection.autocommit = True
        with connection.cursor() as cursor:
            while not stop.is_set():
                key, total = rng.choice(("7", "8", "9")), f"{rng.randrange(1, 99_999)}"
                cursor.execute("UPDATE biz.orders SET total = %s WHERE id = %s", (total, key))
                time.sleep(rng.random() * 0.01)
                target.put(ORDER, key, order(key, total), _rev=done[0] + 10)
                done[0] += 1
        connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield done
    finally:
        stop.set()
        thread.join()


def test_beside_a_workload_only_planted_defects_are_found(copy: str, target: Target) -> None:
    target.put_all()
    target.put(ORDER, "10", {**EXPECTED["order", "10"], "id": 11})

    with workload(copy, target) as changes:
        reports = [run(copy, target, Settle(0.05, 50)) for _ in range(10)]
        assert changes[0] > 0

    for report in reports:
        assert (report.differences, report.moving) == (1, 0)
        assert [(finding.kind, finding.key) for finding in report.first] == [(Kind.DIFFERENT, "10")]
