"""The query Lambda: `GET /{collection}/{key}` and `GET /{collection}?<index attribute>=<value>`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final
from urllib.parse import unquote

from api_lambdas import catalog, cursors
from api_lambdas.catalog import Collection, Index
from api_lambdas.dynamodb import DynamoDB
from api_lambdas.entry import respond, settings_problem
from api_lambdas.http import JSON, Kind, Problem, Request, Response, etag_matches, key_parts
from api_lambdas.json_text import dumps
from api_lambdas.log import Log
from api_lambdas.repository import Document, Page, Position, Repository
from api_lambdas.settings import QuerySettings, SettingsError, query_settings
from contract.keys import index_partition, key_text

DEFAULT_LIMIT: Final = 20
MAX_LIMIT: Final = 100
ORDERS: Final = ("asc", "desc")
CONTROLS: Final = ("limit", "cursor", "order", "index")


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001  the runtime's signature
    """What Lambda calls."""
    try:
        settings, api = _composed()
    except SettingsError as error:
        return settings_problem(error, os.environ.get("AWS_REGION", ""))
    return respond(event, api.answer, settings.region, Log(settings.log_level))


@cache
def _composed() -> tuple[QuerySettings, QueryApi]:
    settings = query_settings(os.environ)
    collections = catalog.from_json(settings.mapping_file.read_text("utf-8"))
    repository = Repository(DynamoDB(settings.access), settings.documents_table)
    return settings, QueryApi(collections, repository, settings.cursor_secret)


@dataclass(frozen=True, slots=True)
class ListQuery:
    """A checked request for some documents of an index."""

    index: Index
    partition: str
    limit: int
    descending: bool
    cursor: str | None


class QueryApi:
    """Answers queries; what is not declared in the mapping is refused before the table is asked."""

    def __init__(self, collections: Mapping[str, Collection], repository: Repository, cursor_secret: bytes) -> None:
        self._collections = collections
        self._repository = repository
        self._cursor_secret = cursor_secret

    def answer(self, request: Request) -> Response:
        """The answer to one request. Raises Problem or StoreError."""
        name, slash, key = request.path.removeprefix("/").partition("/")
        collection = self._collections.get(unquote(name))
        if collection is None:
            raise Problem(Kind.NOT_FOUND, "there is no such collection")
        if request.method != "GET":
            raise Problem(Kind.METHOD_NOT_ALLOWED, "documents are only read here", headers={"allow": "GET"})
        return self._document(collection, key, request) if slash else self._list(collection, request)

    def _document(self, collection: Collection, key: str, request: Request) -> Response:
        if request.query:
            raise Problem(Kind.INVALID_REQUEST, "a document is asked for without query parameters")
        parts = key_parts(key, collection.key_parts) if key else None
        document = None if parts is None else self._repository.get(collection.aggregate, key_text(parts))
        if document is None:
            raise Problem(Kind.NOT_FOUND, "there is no document with this key")
        headers = {"etag": document.entity_tag, "cache-control": "no-cache", **_age_headers(document)}
        if etag_matches(request.headers.get("if-none-match"), document.entity_tag):
            return Response(304, "", headers)
        return Response(200, document.text(), {"content-type": JSON, **headers})

    def _list(self, collection: Collection, request: Request) -> Response:
        query = _list_query(collection, request.parameters())
        signed = (
            collection.aggregate,
            query.index.name,
            ",".join(query.index.sort),
            query.partition,
            str(query.descending),
        )
        page = self._repository.page(
            collection.aggregate,
            query.index,
            query.partition,
            limit=query.limit,
            descending=query.descending,
            after=None if query.cursor is None else self._position(signed, query.cursor),
        )
        return _list_response(page, None if page.next is None else self._cursor(signed, page.next))

    def _position(self, signed: tuple[str, ...], cursor: str) -> Position:
        try:
            return Position(*cursors.open_cursor(self._cursor_secret, signed, cursor))
        except cursors.InvalidCursor as error:
            raise Problem(Kind.INVALID_CURSOR, "use `next` of an earlier page of the same query") from error

    def _cursor(self, signed: tuple[str, ...], position: Position) -> str:
        return cursors.sign(self._cursor_secret, signed, (position.key, position.sort))


def _age_headers(document: Document) -> dict[str, str]:
    headers = {} if document.as_of is None else {"x-as-of": document.as_of}
    return {**headers, "x-parked": "true"} if document.parked else headers


def _list_response(page: Page, cursor: str | None) -> Response:
    headers = {"content-type": JSON, "cache-control": "no-cache"}
    if any(document.parked for document in page.documents):
        headers["x-parked"] = "true"
    items = ",".join([document.text() for document in page.documents])
    return Response(200, f'{{"items":[{items}],"next":{dumps(cursor)}}}', headers)


def _list_query(collection: Collection, parameters: dict[str, str]) -> ListQuery:
    index = _index(collection, parameters)
    return ListQuery(
        index=index,
        partition=index_partition(collection.aggregate, index.name, parameters[index.partition]),
        limit=_limit(parameters.get("limit", str(DEFAULT_LIMIT))),
        descending=_descending(parameters.get("order", ORDERS[0])),
        cursor=parameters.get("cursor"),
    )


def _index(collection: Collection, parameters: dict[str, str]) -> Index:
    """The index whose partition attribute is named; `index` chooses if several indexes have the same one."""
    attributes = [name for name in parameters if name not in CONTROLS]
    wanted = parameters.get("index")
    usable = [index for index in collection.indexes if wanted in (None, index.name)]
    found = next((index for index in usable if [index.partition] == attributes), None)
    if found is None:
        allowed = ", ".join(sorted({index.partition for index in usable})) or "none: this collection has no such index"
        raise Problem(Kind.INVALID_REQUEST, f"a list needs one attribute and its value; attributes: {allowed}")
    return found


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 3 and 1 <= int(text) <= MAX_LIMIT):
        raise Problem(Kind.INVALID_REQUEST, f"limit must be a whole number from 1 to {MAX_LIMIT}")
    return int(text)


def _descending(text: str) -> bool:
    if text not in ORDERS:
        raise Problem(Kind.INVALID_REQUEST, f"order must be one of {', '.join(ORDERS)}")
    return text == "desc"
