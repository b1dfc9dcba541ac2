"""The query Lambda: documents by key, by keys and by index, and the description of the API."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any
from urllib.parse import unquote

from api_lambdas.access.composed import composed_gate
from api_lambdas.access.rules import Gate
from api_lambdas.queries import catalog, cursors
from api_lambdas.queries.awaiting import Awaited, Awaiting
from api_lambdas.queries.catalog import Collection
from api_lambdas.queries.freshness import Freshness
from api_lambdas.queries.lists import MAX_KEYS, list_query
from api_lambdas.queries.pages import Pages
from api_lambdas.queries.repository import Document, Page, Position, Repository
from api_lambdas.queries.selection import Selection, selection
from api_lambdas.queries.settings import QuerySettings, query_settings
from api_lambdas.shared.dynamodb import DynamoDB
from api_lambdas.shared.entry import handled
from api_lambdas.shared.http import JSON, Kind, Problem, Request, Response, etag_matches, key_parts, parameter_key_parts
from api_lambdas.shared.json_text import dumps
from api_lambdas.shared.settings import CODE_FOLDER
from contract.keys import key_text


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001  the runtime's signature
    """What Lambda calls."""
    return handled(event, _composed, os.environ.get("AWS_REGION", "").strip())


@cache
def _composed() -> tuple[QuerySettings, QueryApi]:
    settings = query_settings(os.environ)
    collections = catalog.from_json(settings.mapping_file.read_text("utf-8"))
    repository = Repository(DynamoDB(settings.access), settings.documents_table)
    freshness = Freshness(repository, time.monotonic, time.time)
    waits = settings.consistency_wait_seconds
    awaiting = Awaiting(repository.marks, settings.cursor_secret, settings.region, waits, time.monotonic, time.sleep)
    pages = Pages(settings.openapi_file, CODE_FOLDER / "openapi.html")
    gate = composed_gate(settings)
    return settings, QueryApi(collections, repository, freshness, awaiting, settings.cursor_secret, gate, pages)


class QueryApi:
    """Answers queries; what is not declared in the mapping is refused before the table is asked."""

    def __init__(
        self,
        collections: Mapping[str, Collection],
        repository: Repository,
        freshness: Freshness,
        awaiting: Awaiting,
        cursor_secret: bytes,
        gate: Gate,
        pages: Pages,
    ) -> None:
        self._collections = collections
        self._repository = repository
        self._freshness = freshness
        self._awaiting = awaiting
        self._cursor_secret = cursor_secret
        self._gate = gate
        self._pages = pages

    def answer(self, request: Request) -> Response:
        """The answer to one request. Raises Problem or StoreError."""
        if self._pages.serves(request.path):
            self._gate.admit(request, f"GET {request.path}")
            _only_get(request)
            return self._pages.response(request)
        name, slash, key = request.path.removeprefix("/").partition("/")
        collection = self._collections.get(unquote(name))
        if collection is None:
            self._gate.admit(request)
            raise Problem(Kind.NOT_FOUND, "there is no such collection")
        of_key = "/{key}" if slash else ""
        self._gate.admit(request, f"GET /{collection.name}{of_key}", f"GET /{{collection}}{of_key}")
        _only_get(request)
        if slash:
            return self._document(collection, key, request)
        if request.all_of("key"):
            return self._documents(collection, request)
        return self._list(collection, request)

    def _document(self, collection: Collection, key: str, request: Request) -> Response:
        chosen = _chosen(collection, request.parameters(), "a document")
        parts = key_parts(key, collection.key_parts) if key else None
        if parts is None:
            raise Problem(Kind.NOT_FOUND, "there is no document with this key")
        awaited, freshness = self._known(collection, request)
        document = self._repository.get(collection.aggregate, key_text(parts), consistent=awaited is not None)
        if document is not None and document.item and not _is_known(request, document.entity_tag):
            (document,) = self._repository.whole([document], chosen)
        freshness |= _consistency(awaited, [] if document is None else [document])
        if document is None:
            raise Problem(Kind.NOT_FOUND, "there is no document with this key", headers=freshness)
        headers = {"etag": document.entity_tag, "cache-control": "no-cache", **freshness}
        if document.as_of is not None:
            headers["x-as-of"] = document.as_of
        return _unless_known(request, document.text(chosen), {**headers, **_parked([document])})

    def _documents(self, collection: Collection, request: Request) -> Response:
        """Several documents, in the order of their keys in the request; null stands for one that is not there."""
        given = request.all_of("key")
        if len(given) > MAX_KEYS:
            raise Problem(Kind.INVALID_REQUEST, f"at most {MAX_KEYS} keys can be asked for at once")
        others = {name: value for name, value in request.query if name != "key"}
        if len(others) + len(given) != len(request.query):
            raise Problem(Kind.INVALID_REQUEST, "a query parameter is given twice")
        chosen = _chosen(collection, others, "documents by keys")
        parts = [parameter_key_parts(value, collection.key_parts) for value in given]
        keys = [None if part is None else key_text(part) for part in parts]
        awaited, freshness = self._known(collection, request)
        wanted = [key for key in keys if key]
        consistent = awaited is not None
        found = self._repository.get_many(collection.aggregate, wanted, consistent=consistent) if wanted else {}
        wholes = self._repository.whole(list(found.values()), chosen)
        found = {key: document for key, document in zip(found, wholes, strict=True) if document is not None}
        freshness |= _consistency(awaited, found.values())
        documents = [found.get(key) if key else None for key in keys]
        texts = ["null" if document is None else document.text(chosen) for document in documents]
        tag = _tag(["" if document is None else document.entity_tag for document in documents])
        headers = {"etag": tag, "cache-control": "no-cache", **freshness, **_parked(found.values())}
        return _unless_known(request, f'{{"items":[{",".join(texts)}],"next":null}}', headers)

    def _list(self, collection: Collection, request: Request) -> Response:
        query = list_query(collection, request.parameters())
        signed = collection.aggregate, *query.signed
        after = None if query.cursor is None else self._position(signed, query.cursor)
        awaited, freshness = self._known(collection, request, listed=True)
        freshness |= _consistency(awaited, (), listed=True)
        if query.between is not None and query.between.low > query.between.high:
            page = Page((), None)
        else:
            page = self._repository.page(
                collection.aggregate,
                query.index,
                query.partition,
                limit=query.limit,
                descending=query.descending,
                after=after,
                between=query.between,
            )
        cursor = None if page.next is None else self._cursor(signed, page.next)
        wholes = self._repository.whole(page.documents, query.chosen)
        documents = [document for document in wholes if document is not None]
        texts = [document.text(query.chosen) for document in documents]
        tag = _tag([*(document.entity_tag for document in documents), cursor or ""])
        headers = {"etag": tag, "cache-control": "no-cache", **freshness, **_parked(documents)}
        return _unless_known(request, f'{{"items":[{",".join(texts)}],"next":{dumps(cursor)}}}', headers)

    def _known(
        self, collection: Collection, request: Request, *, listed: bool = False
    ) -> tuple[Awaited | None, dict[str, str]]:
        """What must be known before documents are read; waits where the request wants to see a command's effect."""
        wish = self._awaiting.wish(request)
        if wish is None:
            return None, self._freshness.headers(collection.tables)
        if wish.strict and listed:
            raise Problem(Kind.INVALID_REQUEST, "of a list nothing can be proven: ask without handling=strict")
        awaited = self._awaiting.wait(wish, collection.tables)
        return awaited, self._freshness.headers_of(awaited.marks, collection.tables)

    def _position(self, signed: tuple[str, ...], cursor: str) -> Position:
        try:
            return Position(*cursors.open_cursor(self._cursor_secret, signed, cursor))
        except cursors.InvalidCursor as error:
            raise Problem(Kind.INVALID_CURSOR, "use `next` of an earlier page of the same query") from error

    def _cursor(self, signed: tuple[str, ...], position: Position) -> str:
        return cursors.sign(self._cursor_secret, signed, (position.key, position.sort))


def _only_get(request: Request) -> None:
    if request.method != "GET":
        raise Problem(Kind.METHOD_NOT_ALLOWED, "documents are only read here", headers={"allow": "GET"})


def _chosen(collection: Collection, parameters: Mapping[str, str], what: str) -> Selection | None:
    """The attributes asked for; no other parameter is taken where this is called."""
    if set(parameters) - {"fields"}:
        raise Problem(Kind.INVALID_REQUEST, f"{what} can be asked for with the parameter fields and no other")
    return selection(parameters["fields"], collection.shown) if "fields" in parameters else None


def _parked(documents: Iterable[Document]) -> dict[str, str]:
    return {"x-parked": "true"} if any(document.parked for document in documents) else {}


def _consistency(awaited: Awaited | None, documents: Iterable[Document], *, listed: bool = False) -> dict[str, str]:
    """An index follows the documents in its own time, and a parked document stays as it was while marks go on."""
    if awaited is None:
        return {}
    return awaited.headers(provable=not listed and not any(document.parked for document in documents))


def _tag(parts: Sequence[str]) -> str:
    """Of an answer with several documents: another one when any of them has another."""
    return f'"{hashlib.sha256(dumps(list(parts)).encode()).hexdigest()[:24]}"'


def _is_known(request: Request, tag: str) -> bool:
    return etag_matches(request.headers.get("if-none-match"), tag)


def _unless_known(request: Request, text: str, headers: Mapping[str, str]) -> Response:
    """The answer, without its body if the caller has it already."""
    if _is_known(request, headers["etag"]):
        return Response(304, "", headers)
    return Response(200, text, {"content-type": JSON, **headers})
