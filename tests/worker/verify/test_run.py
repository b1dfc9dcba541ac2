"""The whole comparison on a real PostgreSQL and a documents table: what is right passes, planted defects are named."""

from copy import deepcopy
from decimal import Decimal
from typing import Any

import pytest

from contract.mapping import Aggregate, Mapping
from tests.worker.verify.business import EXPECTED, MAPPING, ORDER, PERSON, Change, Target, run_sql
from worker.verify.errors import VerifyError
from worker.verify.report import Finding, Kind
from worker.verify.target import Documents


def planted(target: Target, url: str, aggregate: Aggregate, key: str, change: Change) -> Finding:
    """The one finding after a change to one stored document."""
    target.put_all()
    body = deepcopy(EXPECTED[aggregate.name, key])
    change(body)
    target.put(aggregate, key, body)
    report = target.verify(url)
    assert report.differences == 1
    (finding,) = report.first
    assert (finding.kind, finding.aggregate, finding.key) == (Kind.DIFFERENT, aggregate.name, key)
    return finding


def test_right_documents_have_no_difference(business: str, target: Target) -> None:
    target.put_all()

    report = target.verify(business)

    assert report.summary() == "verified 7 documents: 0 differences"
    counts = report.aggregates["order"]
    assert (counts.expected, counts.stored, counts.equal) == (4, 4, 4)
    assert report.aggregates["person"].equal == 3


def test_an_empty_table_misses_every_document(business: str, target: Target) -> None:
    report = target.verify(business, limit=2)

    assert report.summary() == "verified 7 documents: 7 differences"
    assert [(f.kind, f.aggregate, f.key) for f in report.first] == [
        (Kind.MISSING, "order", "10"),
        (Kind.MISSING, "order", "7"),
    ]


def _set(body: dict[str, Any], path: list[Any], value: Any) -> None:
    for step in path[:-1]:
        body = body[step]
    body[path[-1]] = value


@pytest.mark.parametrize(
    ("aggregate", "key", "change", "path", "note"),
    [
        pytest.param(
            ORDER,
            "9",
            lambda body: _set(body, ["ship_to", "country", "name"], "Spain"),
            "ship_to.country.name",
            "another text",
            id="a wrong nested value",
        ),
        pytest.param(
            ORDER, "7", lambda body: body["tags"].reverse(), "tags[0].label", "null expected, text stored", id="order"
        ),
        pytest.param(
            ORDER,
            "7",
            lambda body: body["tags"].pop(),
            "tags",
            "3 elements expected, 2 stored",
            id="an element too few",
        ),
        pytest.param(
            ORDER, "9", lambda body: _set(body, ["id"], "9"), "id", "number expected, text stored", id="text for number"
        ),
        pytest.param(
            ORDER, "8", lambda body: _set(body, ["total"], False), "total", "number expected, boolean stored", id="bool"
        ),
        pytest.param(
            ORDER, "10", lambda body: body.pop("buyer"), "buyer", "attribute absent in the document", id="no null"
        ),
        pytest.param(
            PERSON, "1", lambda body: _set(body, ["boss"], {}), "boss", "null expected, object stored", id="no null one"
        ),
        pytest.param(
            PERSON,
            "2",
            lambda body: _set(body, ["extra"], None),
            "extra",
            "attribute the mapping does not make",
            id="an attribute too many",
        ),
        pytest.param(
            ORDER,
            "7",
            lambda body: _set(body, ["buyer", "rating"], Decimal("2.2000008")),
            "buyer.rating",
            "another number",
            id="the next float4",
        ),
        pytest.param(
            ORDER,
            "9",
            lambda body: _set(body, ["total"], Decimal("99999999.990000000000000000001")),
            "total",
            "another number",
            id="a number wrong in its last digit",
        ),
    ],
)
def test_a_wrong_document_is_named_with_its_first_difference(
    business: str, target: Target, aggregate: Aggregate, key: str, change: Change, path: str, note: str
) -> None:
    finding = planted(target, business, aggregate, key, change)

    assert (finding.path, finding.note) == (path, note)


def test_a_deleted_or_absent_document_with_a_source_row_is_missing(business: str, target: Target) -> None:
    target.put_all()
    target.put(ORDER, "8", None, _deleted=True)
    target.client.delete_item(TableName=target.table, Key={"pk": {"S": "person#2"}, "sk": {"S": "#"}})

    report = target.verify(business)

    assert [(f.kind, f.aggregate, f.key) for f in report.first] == [
        (Kind.MISSING, "order", "8"),
        (Kind.MISSING, "person", "2"),
    ]


def test_documents_without_a_source_row_are_surplus(business: str, target: Target) -> None:
    """Also those that a filter of the root leaves out, and those of an aggregate that nobody declares."""
    target.put_all()
    target.put(ORDER, "70", EXPECTED["order", "7"])
    target.put(PERSON, "4", EXPECTED["person", "3"])
    target.put(Aggregate("former", "formers", PERSON.root), "1", {"id": 1})

    report = target.verify(business)

    assert [(f.kind, f.aggregate, f.key) for f in report.first] == [
        (Kind.SURPLUS, "former", "1"),
        (Kind.SURPLUS, "order", "70"),
        (Kind.SURPLUS, "person", "4"),
    ]
    assert report.aggregates["former"].stored == 1


def test_a_document_that_left_the_filter_is_surplus_and_one_that_entered_is_missing(
    business: str, target: Target, new_database: Any
) -> None:
    """A filter is part of the expectation."""
    target.put_all()
    copy = new_database("verify_business")
    run_sql(copy, "UPDATE biz.people SET active = id <> 3, name = replace(name, 'gone', 'Al')")

    report = target.verify(copy)

    assert [(f.kind, f.aggregate, f.key, f.path) for f in report.first] == [
        (Kind.DIFFERENT, "person", "1", "staff[0].id"),
        (Kind.SURPLUS, "person", "3", ""),
        (Kind.MISSING, "person", "4", ""),
    ]


def test_parked_documents_are_reported_apart(business: str, target: Target) -> None:
    """They say themselves that they are behind; one with a body but without a source row is surplus all the same."""
    target.put_all()
    target.put(ORDER, "7", EXPECTED["order", "8"], _parked="too large")
    target.put(ORDER, "9", None, _parked="no number", _deleted=True)
    target.put(PERSON, "77", {"id": 77}, _parked="no number")
    target.put(PERSON, "78", None, _parked="no number", _deleted=True)

    report = target.verify(business)

    assert report.summary() == "verified 7 documents: 1 difference, 3 parked"
    assert [(f.kind, f.key, f.note) for f in report.first] == [(Kind.SURPLUS, "77", "parked")]
    assert report.aggregates["order"].parked == 2


def test_index_attributes_that_do_not_belong_to_the_document_are_a_difference(business: str, target: Target) -> None:
    """A right body under a wrong index key would be listed at the wrong place."""
    target.put_all()
    target.client.update_item(
        TableName=target.table,
        Key={"pk": {"S": "order#7"}, "sk": {"S": "#"}},
        UpdateExpression="SET #a = :v",
        ExpressionAttributeNames={"#a": "_i1p"},
        ExpressionAttributeValues={":v": {"S": "order#by_total#13"}},
    )

    (finding,) = target.verify(business).first

    assert (finding.kind, finding.key, finding.path) == (Kind.DIFFERENT, "7", "_i1p")


def test_an_item_under_another_sort_key_is_surplus(business: str, target: Target) -> None:
    target.put_all()
    target.client.put_item(TableName=target.table, Item={"pk": {"S": "order#7"}, "sk": {"S": "stray"}})

    (finding,) = target.verify(business).first

    assert (finding.kind, finding.aggregate, finding.key) == (Kind.SURPLUS, "order", "7 stray")


def test_up_to_when_documents_are_complete_is_no_document(business: str, target: Target) -> None:
    target.put_all()
    key = {"pk": {"S": "~complete#s.orders"}, "sk": {"S": "#"}}
    target.client.put_item(TableName=target.table, Item={**key, "commit_micros": {"N": "1"}})

    assert target.verify(business).first == []


def test_the_scan_reads_every_page(business: str, target: Target) -> None:
    """A page holds 1 MB: the documents here take more."""
    target.put_all()
    for key in range(6):
        target.put(PERSON, f"big{key}", {"text": "x" * 300_000})

    assert target.verify(business).aggregates["person"].surplus == 6


def test_a_mapping_that_does_not_fit_the_source_is_refused_with_every_problem(business: str, target: Target) -> None:
    text = MAPPING.to_json().replace('"biz.tags"', '"biz.tag"').replace('"town"', '"twon"').replace('"rank"', '"id"')

    with pytest.raises(VerifyError) as refused:
        target.verify(business, Mapping.from_json(text))

    assert str(refused.value).splitlines() == [
        'order.ship_to: table biz.addresses has no column "twon", did you mean "town"?',
        'order.tags: table biz.order_tags has no column "id"',
        'order.tags.far: the source has no table biz.tag, did you mean "biz.tags"?',
        'person.addresses: table biz.addresses has no column "twon", did you mean "town"?',
    ]


def test_a_documents_table_that_does_not_exist_is_one_line(target: Target) -> None:
    with pytest.raises(VerifyError, match="documents table nowhere does not exist there: check --documents-table"):
        Documents("nowhere", target.client).scan(None, 10)
