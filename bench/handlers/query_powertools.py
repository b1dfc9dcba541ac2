"""A read API as most tutorials write it: Powertools' router, boto3's resource, the standard library's JSON."""

from __future__ import annotations

import json
import os
from decimal import Decimal
from typing import Any

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from boto3.dynamodb.conditions import Key


def _number(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)


def _text(answer: dict[str, Any]) -> str:
    return json.dumps(answer, separators=(",", ":"), ensure_ascii=False, default=_number)


logger = Logger(service="query")
app = APIGatewayHttpResolver(serializer=_text)
table = boto3.resource("dynamodb").Table(os.environ["DOCUMENTS_TABLE"])


@app.get("/orders")
def orders() -> dict[str, Any]:
    """The first documents of one customer, newest first."""
    found = table.query(
        IndexName="idx1",
        KeyConditionExpression=Key("_i1p").eq(
            f"order#by_customer#{app.current_event.query_string_parameters['customer_id']}"
        ),
        ScanIndexForward=False,
        Limit=int(app.current_event.query_string_parameters["limit"]) + 1,
    )
    return {"items": [_shown(item) for item in found["Items"][:-1]], "next": None}


@app.get("/orders/<key>")
def order(key: str) -> dict[str, Any]:
    """The document without the attributes that are not the reader's."""
    item = table.get_item(Key={"pk": f"order#{key}", "sk": "#"}).get("Item")
    if item is None:
        raise NotFoundError("there is no such order")
    return _shown(item)


def _shown(item: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in item.items() if not name.startswith("_") and name not in ("pk", "sk")}


def handler(event: dict[str, Any], context: Any) -> Any:
    """What Lambda calls."""
    answer = app.resolve(event, context)
    logger.info("answered", status=answer["statusCode"])
    return answer
