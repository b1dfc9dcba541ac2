"""Lists read in pages while documents come, go, are deleted and move; on a real table."""

from __future__ import annotations

import inspect
import json
import random
import textwrap
from collections.abc import Callable
from typing import Any, Final

import pytest

from api_lambdas.queries import repository
from api_lambdas.queries.repository import Page, Position, Repository
from tests.api_lambdas.support import Tables
from tests.api_lambdas.test_reading import ORDER, Fresh, Get, get

__all__ = ["get"]

SEEDS: Final = 6
TOTALS: Final = 8
"""Values of the sort attribute: fewer than documents, so that some are equal."""


class History:
    """One list of one status, page by page; between two pages others write."""

    def __init__(self, get: Get, tables: Tables, status: str, seed: int) -> None:
        self.choose = random.Random(seed)
        self.get, self.tables, self.status = get, tables, status
        self.staying = {f"stays{n}": self.choose.randrange(TOTALS) for n in range(14)}
        self.others = {f"other{n}": self.choose.randrange(TOTALS) for n in range(8)}

    def run(self) -> list[str]:
        """What is wrong; nothing if all whose index key stayed were seen once, and in order."""
        for name, total in {**self.staying, **self.others}.items():
            self._put(name, total)
        descending = self.choose.random() < 0.5
        low, high = sorted((self.choose.randrange(TOTALS), self.choose.randrange(TOTALS)))
        wanted = {name for name, total in self.staying.items() if low <= total <= high}
        seen: list[str] = []
        cursor: str | None = ""
        while cursor is not None and len(seen) < 100:
            rest = f"&from={low}&to={high}" + (f"&cursor={cursor}" if cursor else "")
            limit, order = self.choose.randrange(1, 5), "desc" if descending else "asc"
            answer = self.get(f"/orders?status={self.status}&limit={limit}&order={order}{rest}")
            page = json.loads(answer["body"])
            seen += [item["order_id"] for item in page["items"]]
            cursor = page["next"]
            self._others_write()
        stayed = [name for name in seen if name in self.staying]
        found = [f"seen {stayed.count(name)} times" for name in sorted(wanted) if stayed.count(name) != 1]
        places = [self.staying[name] for name in stayed]
        in_order = places == sorted(places, reverse=descending) and set(stayed) <= wanted
        return found if in_order else [*found, "out of order or bounds"]

    def _others_write(self) -> None:
        for _ in range(self.choose.randrange(4)):
            name = self.choose.choice([*self.others, f"new{self.choose.randrange(10**6)}"])
            gone = {"_deleted": True} if self.choose.random() < 0.5 else {}
            self._put(name, self.choose.randrange(TOTALS), **gone)
        name = self.choose.choice(list(self.staying))  # its other attributes change, its place does not
        self._put(name, self.staying[name], _rev=self.choose.randrange(2, 99))

    def _put(self, name: str, total: int, **system: Any) -> None:
        body = {
            "order_id": name,
            "status": self.status,
            "total": total,
            "placed_at": "2026-01-01T00:00:00Z",
            "note": self.choose.random() < 0.5,
        }
        self.tables.put_document(ORDER, (self.status + name,), {} if system.get("_deleted") else body, **system)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_pages_are_complete_and_without_repeats_while_others_change(
    get: Get, tables: Tables, fresh: Fresh, seed: int
) -> None:
    assert History(get, tables, fresh("s"), seed).run() == []


def _rewritten(before: str, after: str) -> Callable[[Any], None]:
    """With another text in the method that reads a page."""

    def plant(patch: Any) -> None:
        text = textwrap.dedent(inspect.getsource(Repository.page))
        assert text.count(before) == 1
        made: dict[str, Any] = {}
        exec(f"from __future__ import annotations\n{text.replace(before, after)}", vars(repository), made)  # noqa: S102
        patch(Repository, "page", made["page"])

    return plant


def _without_a_tie_breaker(patch: Any) -> None:
    """What stands behind the value in the index, the document's key, is left out."""
    right = repository._position
    patch(
        repository,
        "_position",
        lambda *given: Position(right(*given).key, right(*given).sort.removesuffix(right(*given).key)),
    )


def _counted(patch: Any) -> None:
    """The place of a cursor is the number of documents before it."""
    right = Repository.page

    def page(self: Repository, *given: Any, limit: int, after: Position | None, **rest: Any) -> Page:
        start = 0 if after is None else int(after.key)
        all_of_them = right(self, *given, limit=100, after=None, **rest).documents
        end = start + limit
        return Page(all_of_them[start:end], Position(str(end), "") if len(all_of_them) > end else None)

    patch(Repository, "page", page)


VARIANTS: Final = {
    "a cursor skips one": _rewritten("items[length - 1] if", "items[length] if"),
    "a cursor repeats one": _rewritten("items[length - 1] if", "items[max(0, length - 2)] if"),
    "equal values have no order": _without_a_tie_breaker,
    "a cursor counts what was before it": _counted,
    "a cursor forgets the order": _rewritten("not descending,", "not descending or after is not None,"),
    "a cursor forgets the bounds": _rewritten("if between is not None:", "if between is not None and after is None:"),
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_broken_variant_is_caught(
    get: Get, tables: Tables, fresh: Fresh, variant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    VARIANTS[variant](monkeypatch.setattr)

    assert any(History(get, tables, fresh("s"), seed).run() for seed in range(SEEDS))
