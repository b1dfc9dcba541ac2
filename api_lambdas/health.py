"""The health Lambda: what Route 53's checkers ask a region, `GET /healthz`: whether documents can be read here.

It says nothing of the monolith or of the primary: a region that reads is worth traffic, whatever becomes of commands.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from api_lambdas.shared.dynamodb import DynamoDB
from api_lambdas.shared.entry import handled
from api_lambdas.shared.http import JSON, Kind, Problem, Request, Response
from api_lambdas.shared.settings import Access, Reader, SettingsError, access_of, level_of_log

NOTHING: Final = {"pk": {"S": "~health"}, "sk": {"S": "#"}}
"""An item that nobody writes: that it is not there is as good an answer as any."""


@dataclass(frozen=True, slots=True)
class HealthSettings:
    """What the health Lambda needs."""

    documents_table: str
    access: Access
    log_level: str


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001  the runtime's signature
    """What Lambda calls."""
    return handled(event, _composed, os.environ.get("AWS_REGION", "").strip())


def health_settings(environment: Mapping[str, str]) -> HealthSettings:
    """Settings of the health Lambda. Raises SettingsError with every problem at once."""
    read = Reader(environment)
    table = read.text("DOCUMENTS_TABLE")
    access = access_of(read, read.text("AWS_REGION"))
    log_level = read.value("LOG_LEVEL", "info", level_of_log)
    if read.problems or log_level is None:
        raise SettingsError(tuple(read.problems))
    return HealthSettings(table, access, log_level)


@cache
def _composed() -> tuple[HealthSettings, Health]:
    settings = health_settings(os.environ)
    return settings, Health(DynamoDB(settings.access), settings.documents_table)


class Health:
    """Answers 200 when the documents of this region can be read, else the problem that reads have."""

    def __init__(self, dynamodb: DynamoDB, documents_table: str) -> None:
        self._dynamodb = dynamodb
        self._table = documents_table

    def answer(self, request: Request) -> Response:
        """The answer to one request. Raises Problem or StoreError."""
        if request.path != "/healthz" or request.method not in ("GET", "HEAD"):
            raise Problem(Kind.NOT_FOUND, "only /healthz is here")
        self._dynamodb.call("GetItem", {"TableName": self._table, "Key": NOTHING, "ProjectionExpression": "pk"})
        return Response(200, '{"reads":"ok"}', {"content-type": JSON, "cache-control": "no-store"})
