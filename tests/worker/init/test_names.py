"""Names out of names."""

from __future__ import annotations

import pytest

from worker.init.names import aggregate_name, below, free, plural, referring, singular, without_suffix


@pytest.mark.parametrize(
    ("one", "many"),
    [("order", "orders"), ("category", "categories"), ("address", "addresses"), ("box", "boxes"), ("day", "days")],
)
def test_singular_and_plural_undo_each_other(one: str, many: str) -> None:
    """By simple rules of English."""
    assert (singular(many), plural(one)) == (one, many)
    assert (singular(one), plural(many)) == (one, many)


@pytest.mark.parametrize(
    ("table", "name"),
    [
        ("shop.orders", "order"),
        ("public.Track", "track"),
        ("s.invoice_line", "invoice_line"),
        ("s.2020 Été", "t2020_t"),
    ],
)
def test_an_aggregate_gets_a_name_that_the_language_takes(table: str, name: str) -> None:
    """Lower case, a letter first."""
    assert aggregate_name(table) == name


@pytest.mark.parametrize(
    ("column", "name"),
    [("customer_id", "customer"), ("ArtistId", "Artist"), ("reports_to", "reports_to"), ("id", "id"), ("sku", "sku")],
)
def test_a_lookup_is_called_as_its_column_without_the_suffix(column: str, name: str) -> None:
    """What is left of it says who is meant: buyer, receiver."""
    assert without_suffix(column) == name


@pytest.mark.parametrize(
    ("column", "parent", "to_itself", "name"),
    [
        ("invited_by", "s.persons", False, "invited_by_person"),
        ("sequel_of", "s.films", True, "sequel_of_film"),
        ("ReportsTo", "s.Employee", True, "ReportsToEmployee"),
        ("parent", "s.playlists", True, "parent_playlist"),
        ("sku", "s.products", False, None),
    ],
)
def test_a_column_that_tells_a_relation_is_part_of_the_name(
    column: str, parent: str, to_itself: bool, name: str | None
) -> None:
    """Its own name is taken by the attribute that holds the key."""
    assert referring(column, parent, to_itself=to_itself) == name


@pytest.mark.parametrize(
    ("child", "parent", "name"),
    [
        ("s.order_lines", "s.orders", "lines"),
        ("s.invoice_line", "s.invoice", "lines"),
        ("s.payments", "s.orders", "payments"),
        ("s.InvoiceLine", "s.Invoice", "Lines"),
        ("s.orderings", "s.orders", "orderings"),
    ],
)
def test_parts_drop_the_name_of_what_they_belong_to(child: str, parent: str, name: str) -> None:
    """Only where a word ends."""
    assert below(child, parent) == name


def test_a_name_is_free_and_not_nearviews_own() -> None:
    """Attributes beginning with _ are reserved."""
    assert free("_hidden", []) == "hidden"
    assert free("a", ["a", "a_2"]) == "a_3"
    assert free("_", []) == "x"
