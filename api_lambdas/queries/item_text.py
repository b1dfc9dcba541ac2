"""Attribute values to JSON text at once: no value is built in between, and no digit of a number is touched. Pure."""

from __future__ import annotations

from json.encoder import encode_basestring

from contract.values import AttributeValue, Item, NotStorable


def item_text(item: Item) -> str:
    """The JSON object of an item's attributes."""
    members = [f"{encode_basestring(name)}:{attribute_text(value)}" for name, value in item.items()]
    return "{" + ",".join(members) + "}"


def attribute_text(attribute: AttributeValue) -> str:
    """The JSON of one value. Raises NotStorable for types that documents do not have."""
    ((kind, value),) = attribute.items()
    if kind == "S":
        return encode_basestring(value)
    if kind == "N":
        return str(value)  # DynamoDB's form of a number is JSON's
    if kind == "M":
        return item_text(value)
    if kind == "L":
        return "[" + ",".join([attribute_text(entry) for entry in value]) + "]"
    if kind == "BOOL":
        return "true" if value else "false"
    if kind == "NULL":
        return "null"
    raise NotStorable(f"attribute type {kind} is not used here")
