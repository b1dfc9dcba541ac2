"""What nobody sees is not compiled; what a computed attribute reads stays, however deep."""

from __future__ import annotations

from contract.mapping import Node
from worker.mapping.loader import read_mappings

TEXT = """
aggregate: order
source: shop.orders
key: id
fields:
  - id
  - dearest: {max: lines.product.price}
  - buyer: {template: "{customer.name}"}
one:
  customer: {source: shop.customers, key: id, join: customer_id, hidden: true, fields: [name]}
  unread: {source: shop.clerks, key: id, join: clerk_id, hidden: true, fields: [name]}
many:
  lines:
    source: shop.lines
    key: id
    join: order_id
    hidden: true
    fields: [id, bad: {column: text, type: json}]
    one:
      product: {source: shop.products, key: sku, join: sku, to: code, hidden: true, fields: [price, size]}
      unread: {source: shop.units, key: id, join: unit_id, hidden: true, fields: [name]}
  tags:
    source: shop.order_tags
    key: [order_id, tag_id]
    join: order_id
    order_by: place
    unwrap: tag
    fields: [since: {type: date}]
    one:
      tag: {source: shop.tags, key: id, join: tag_id, fields: [name]}
      by: {source: shop.clerks, key: id, join: by_id, fields: [name]}
"""


def _names(node: Node) -> list[str]:
    return [f"{node.name}.{child.name}" for child in node.children] + [
        name for child in node.children for name in _names(child)
    ]


def test_only_what_is_shown_or_read_is_compiled() -> None:
    mapping, problems = read_mappings({"order.yaml": TEXT})
    assert mapping is not None, problems
    (aggregate,) = mapping.aggregates

    assert _names(aggregate.root) == [
        *("order.customer", "order.lines", "order.tags"),
        *("lines.product", "product.product", "tags.tag"),
    ]
    assert "shop.clerks" not in mapping.tables
    assert mapping.tables["shop.order_tags"].columns == ("order_id", "place", "tag_id")
    (lines,) = (child for child in aggregate.root.children if child.name == "lines")
    assert lines.fields == ()
    (product,) = lines.children[0].children
    assert [field.name for field in product.fields] == ["price"]
