"""Sensitive columns: nothing of them is left, joins still work, and a parked payload is protected once."""

from __future__ import annotations

import base64
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.mapping import Policy, Reference, Table
from tests.worker.dms_records import change
from worker.records.envelope import BeforeColumns, ChangeEvent, decode
from worker.records.errors import PoisonRecord, Reason
from worker.records.protect import Protection, TokenKey, needs_key, read_secret
from worker.records.rows import row_changes

SECRET = b"0123456789abcdef0123456789abcdef"
KEY = TokenKey("k1", SECRET)
POLICIES = {
    "shop.customers": {"email": Policy.TOKEN, "birth_date": Policy.DROP, "id": Policy.TOKEN},
    "shop.orders": {"customer_id": Policy.TOKEN},
}
PROTECTION = Protection(POLICIES, KEY, BeforeColumns(prefix="BI_"))
CANARY = "canary-7F3A"


def _event(payload: dict[str, Any] | bytes) -> ChangeEvent:
    data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    found = decode(data, "before-image", PROTECTION.before_columns)
    assert isinstance(found, ChangeEvent)
    return found


def test_a_token_names_its_key_and_nothing_of_the_value() -> None:
    token = KEY.token("me@example.org")

    assert token == "tok:k1:PeEQUHjm_fgKPxTID2zVcysVhEzy3IxV", "a changed token would part rows from their parents"
    assert token != TokenKey("k1", SECRET[::-1]).token("me@example.org")
    assert SECRET.decode() not in repr(KEY)


def test_the_same_value_gives_the_same_token_however_it_came() -> None:
    """So a foreign key in one table meets the primary key of another."""
    assert KEY.token(7) == KEY.token("7") == KEY.token(Decimal("7.0"))
    assert KEY.token(True) == KEY.token("true")
    assert KEY.token("7") != KEY.token("07")
    assert KEY.token({"a": Decimal("1.50")}) != KEY.token({"a": Decimal("1.5")})
    assert KEY.token("\ud800")


def test_columns_are_dropped_or_become_tokens_in_both_images() -> None:
    payload = change(
        "update",
        "shop.customers",
        {"id": 7, "email": None, "birth_date": CANARY, "name": "x", "BI_email": CANARY, "BI_birth_date": CANARY},
        {"id": 8},
    )

    found = PROTECTION.event(_event(payload))

    assert found.data == {"id": KEY.token(7), "email": None, "name": "x"}
    assert found.before == {"id": KEY.token(8), "email": KEY.token(CANARY)}
    assert PROTECTION.event(found) is found


def test_other_tables_are_left_alone() -> None:
    event = _event(change("insert", "shop.lines", {"id": 7, "email": CANARY}))

    assert PROTECTION.event(event) is event
    assert PROTECTION.payload(b"{}") == b"{}"


def test_keys_and_foreign_keys_meet_as_tokens() -> None:
    customer = Table("shop.customers", ("id",), ("email", "id"), ())
    order = Table("shop.orders", ("id",), ("customer_id", "id"), (Reference(("customer_id",), "shop.customers"),))
    (row,) = row_changes(
        PROTECTION.event(_event(change("insert", "shop.customers", {"id": 7, "email": "a"}))), customer, 1
    )
    (other,) = row_changes(
        PROTECTION.event(_event(change("insert", "shop.orders", {"id": 1, "customer_id": 7}))), order, 1
    )

    assert other.row is not None
    assert row.key == other.row["customer_id"] == KEY.token(7)


def test_a_rounded_key_is_seen_through_its_token_and_after_parking() -> None:
    text = json.dumps(change("insert", "shop.customers", {"id": "@", "email": "a"})).replace('"@"', "1.2e+18").encode()
    table = Table("shop.customers", ("id",), ("id",), ())

    for data in (text, PROTECTION.payload(text)):
        with pytest.raises(PoisonRecord) as poison:
            row_changes(PROTECTION.event(_event(data)), table, 1)
        assert poison.value.reason is Reason.ROUNDED_KEY


def test_a_parked_payload_is_protected_and_protecting_it_again_changes_nothing() -> None:
    payload = change(
        "update",
        "shop.customers",
        {"id": 7, "email": CANARY, "birth_date": CANARY, "name": "Я\ud800", "BI_email": CANARY, "big": {"deep": [1]}},
        {"email": CANARY},
        partition_key_value=f"shop.customers.{CANARY}",
    )
    payload["image-under-another-name"] = {"email": CANARY, "_doc": {"email": CANARY}}
    data = json.dumps(payload).encode()

    stored = PROTECTION.payload(data)

    assert CANARY.encode() not in stored
    assert PROTECTION.payload(stored) == stored
    assert PROTECTION.event(_event(stored)) == PROTECTION.event(_event(data))


def test_a_parked_payload_keeps_the_digits_of_numbers() -> None:
    text = json.dumps(change("insert", "shop.orders", {"id": 1, "customer_id": 2, "n": "@"}))
    stored = PROTECTION.payload(text.replace('"@"', "1.00000000000000000000000000001").encode())

    assert b'"n": 1.00000000000000000000000000001' in stored


@pytest.mark.parametrize("data", [b"no JSON", b"[1]", b'{"metadata": 1}', b'{"metadata": {"table-name": ["x"]}}'])
def test_what_names_no_table_is_parked_as_it_is(data: bytes) -> None:
    assert PROTECTION.payload(data) is data


def test_a_record_nested_too_deeply_to_be_written_again_is_parked_without_its_body() -> None:
    deep = "[" * 700 + f'"{CANARY}"' + "]" * 700
    text = json.dumps(change("insert", "shop.orders", {"customer_id": "@"})).replace('"@"', deep).encode()

    assert CANARY.encode() not in PROTECTION.payload(text)
    with pytest.raises(PoisonRecord, match="nested more than 64 levels deep"):
        PROTECTION.event(_event(text))


def test_tokens_need_a_key() -> None:
    assert needs_key(POLICIES)
    assert not needs_key({"s.t": {"a": Policy.DROP}})
    assert Protection({"s.t": {"a": Policy.DROP}})
    with pytest.raises(ValueError, match="tokens need a key"):
        Protection(POLICIES)


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (SECRET.decode(), SECRET),
        (base64.b64encode(b"\xff" * 32).decode(), b"\xff" * 32),
        (f" {base64.b64encode(bytes(40)).decode()}\n", bytes(40)),
        ("x" * 31, None),
        ("", None),
        ("ü" * 16, "ü".encode() * 16),
    ],
)
def test_a_secret_is_base64_or_text_of_at_least_32_bytes(text: str, secret: bytes | None) -> None:
    assert read_secret(text) == secret


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["_doc", "id", "email"]), inner),
    max_leaves=6,
)


@given(
    st.dictionaries(st.sampled_from(["id", "email", "birth_date", "BI_email", "_doc", "name"]), values, max_size=5),
    st.none() | st.dictionaries(st.sampled_from(["id", "email", "_doc"]), values, max_size=3),
)
@settings(max_examples=200)
def test_a_stored_payload_decodes_to_the_protected_event(data: dict[str, Any], before: dict[str, Any] | None) -> None:
    raw = json.dumps(change("update", "shop.customers", data, before)).encode()

    event = PROTECTION.event(_event(raw))

    assert PROTECTION.event(_event(PROTECTION.payload(raw))) == event
    assert "birth_date" not in event.data
    assert all(value is None or str(value).startswith("tok:k1:") for value in [event.data.get("email")])
