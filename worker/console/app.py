"""The console's answers: pages, and JSON for them, whatever server sends them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from importlib.resources import files
from typing import Any, Final, Protocol
from urllib.parse import parse_qs

import orjson

from contract.parts import PartsMissing
from worker.console.guard import HEADERS, Door
from worker.console.tree import Found, Node
from worker.errors import NearviewError
from worker.projection.plan import Plan
from worker.records.rows import raw_number

JSON: Final = "application/json"
TEXT: Final = "text/plain; charset=utf-8"
PAGES: Final = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/console.css": ("console.css", "text/css; charset=utf-8"),
    "/console.js": ("console.js", "text/javascript; charset=utf-8"),
    "/charts.js": ("charts.js", "text/javascript; charset=utf-8"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
MOST_KEY_CHARACTERS: Final = 4_000


class Tables(Protocol):
    """What is read of the tables (worker.console.reader.Reader)."""

    plan: Plan

    def document(self, aggregate: str, key: tuple[str, ...]) -> Found | None:
        """A document with its rows; None if there is no such aggregate."""

    def complete(self) -> dict[str, int | None]:
        """Watermarks by source table."""

    def parked(self) -> dict[str, Any]:
        """What is parked, without payloads."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What is sent."""

    status: HTTPStatus
    headers: list[tuple[str, str]]
    body: bytes


class Answer(Exception):
    """A request that ends here, with a line for the person."""

    def __init__(self, status: HTTPStatus, line: str) -> None:
        super().__init__(line)
        self.status = status


class App:
    """Answers what the door lets in."""

    def __init__(self, door: Door, tables: Tables, samples: Callable[[], dict[str, Any]]) -> None:
        self._door = door
        self._tables = tables
        self._samples = samples
        folder = files("worker.console") / "static"
        self._pages = {path: (kind, (folder / name).read_bytes()) for path, (name, kind) in PAGES.items()}

    def reply(self, method: str, target: str, headers: Mapping[str, str]) -> Reply:
        """What a request gets; header names are in lower case, the target is path and query."""
        path, _, query = target.partition("?")
        more: list[tuple[str, str]] = []
        refused = self._door.refuses(method, headers, query)
        if refused is not None:
            status, kind, body = refused[0], TEXT, f"{refused[1]}\n".encode()
            if status is HTTPStatus.METHOD_NOT_ALLOWED:
                more.append(("Allow", "GET, HEAD"))
        elif self._door.brings_key(query):
            status, kind, body = HTTPStatus.SEE_OTHER, TEXT, b""
            more += [("Location", "/"), ("Set-Cookie", self._door.set_cookie())]
        else:
            status, kind, body = self._answer(path, query)
        sent = [("Content-Type", kind), ("Content-Length", str(len(body))), *HEADERS.items(), *more]
        return Reply(status, sent, b"" if method == "HEAD" else body)

    def _answer(self, path: str, query: str) -> tuple[HTTPStatus, str, bytes]:
        if path in self._pages:
            return HTTPStatus.OK, *self._pages[path]
        try:
            return HTTPStatus.OK, JSON, _json(self._read(path, parse_qs(query, keep_blank_values=True)))
        except Answer as answer:
            return answer.status, JSON, _json({"problem": str(answer)})
        except PartsMissing:
            return HTTPStatus.SERVICE_UNAVAILABLE, JSON, _json({"problem": "the document is being written; look again"})
        except NearviewError as error:  # one line, without any value
            return HTTPStatus.SERVICE_UNAVAILABLE, JSON, _json({"problem": str(error)})

    def _read(self, path: str, query: dict[str, list[str]]) -> dict[str, Any]:
        match path:
            case "/api/now":
                return self._samples()
            case "/api/tables":
                return {"complete": self._tables.complete(), "parked": self._tables.parked()}
            case "/api/mapping":
                aggregates = self._tables.plan.mapping.aggregates
                return {"aggregates": [{"name": a.name, "key": a.root.key, "table": a.root.table} for a in aggregates]}
            case "/api/document":
                return self._document(query.get("aggregate", [""])[0], tuple(query.get("key", ())))
        raise Answer(HTTPStatus.NOT_FOUND, "there is no such page")

    def _document(self, name: str, key: tuple[str, ...]) -> dict[str, Any]:
        aggregate = next((found for found in self._tables.plan.mapping.aggregates if found.name == name), None)
        if aggregate is None:
            raise Answer(HTTPStatus.NOT_FOUND, "there is no such aggregate in the mappings")
        columns = aggregate.root.key
        if len(key) != len(columns) or not all(key) or sum(map(len, key)) > MOST_KEY_CHARACTERS:
            raise Answer(HTTPStatus.BAD_REQUEST, f"the key has a value for each of {', '.join(columns)}")
        found = self._tables.document(name, key)
        if found is None:
            raise Answer(HTTPStatus.NOT_FOUND, "there is no such aggregate in the mappings")
        return {
            "system": found.system,
            "body": None if found.body is None else _shown(found.body, indent=True),
            "rows": _node(found.rows),
            "left_out": found.left_out,
            "misfits": found.misfits,
            "differs": found.differs,
        }


def _node(node: Node) -> dict[str, Any]:
    plain = {name: getattr(node, name) for name in ("place", "table", "key", "state", "version")}
    columns = [[name, _shown(value)] for name, value in node.columns.items()]
    return {**plain, "columns": columns, "children": [_node(child) for child in node.children]}


def _shown(value: Any, *, indent: bool = False) -> str:
    """JSON as text: a browser's numbers have fewer digits than a database's."""
    return orjson.dumps(value, default=_plain, option=orjson.OPT_INDENT_2 if indent else None).decode()


def _plain(value: Any) -> Any:
    return value.hex() if isinstance(value, (bytes, bytearray)) else raw_number(value)


def _json(value: dict[str, Any]) -> bytes:
    return orjson.dumps(value, default=_plain)
