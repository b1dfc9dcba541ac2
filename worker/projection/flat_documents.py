"""Flat documents in the store: written without a read where nothing is in the way, left to images where one is needed.

A write sets everything and holds only over an older version with the same `_fp`. So it needs neither a lock nor what is
stored. What flat documents cannot hold (a record without all columns, a value that does not fit) first *claims* the
document: without `_v` every flat write to it is refused, at this worker and at all others. Then the state it held goes
into a row image together with the change, and the row goes the ordinary way from then on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

import orjson

from contract.keys import DOCUMENT_SK, ROW_SK, document_pk, row_pk
from contract.mapping import Aggregate, Kind, Node
from contract.values import AttributeValue, Item
from worker.projection.flat import CLAIMED, DELETED, FORM, VERSION, Flat, NotFlat, Recipe, digest_of, read_recipe
from worker.projection.generations import refuse_newer
from worker.projection.habit import Habit, is_worth_a_look
from worker.projection.image import read_image
from worker.projection.images import Counts
from worker.projection.operations import (
    APPLIED,
    Condition,
    Encoded,
    Get,
    Insert,
    Operation,
    Query,
    Refused,
    Replace,
    Steps,
    TableName,
    Update,
    number,
    text,
)
from worker.projection.plan import CACHED, NO_RELATIONS, Plan
from worker.records.errors import TableLacks
from worker.records.rows import Row, RowChange, RowId
from worker.records.version import NEVER
from worker.value import Value

RECIPES_PK: Final = "#flat"
"""Partition of the recipes in the rows table: `<aggregate>#<digest>` says how those documents become rows again."""

_NEWEST: Final = 10**18
_HEAD: Final = (VERSION, FORM, "_gen", "_rev", "_as_of")
_SK: Final = text(DOCUMENT_SK)
_FIRST_REVISION: Final = number(1)

Root = tuple[Aggregate, str]


class Wanted(Value, frozen=True):
    """What a flat document is to become. `body`: what every write sets, None for a deleted row."""

    flat: Flat
    key: str
    version: str
    pk: str
    body: Encoded | None
    form: Condition
    new: bool


def write_flat(
    plan: Plan, changes: Iterable[RowChange], as_of: str, habit: Habit, counts: Counts
) -> Steps[tuple[list[RowChange], list[RowChange]]]:
    """Write the newest change of every row whose document can hold it.

    Returns the changes of other tables; and those that need row images, what their documents held among them. Raises
    NewerGeneration.
    """
    if not plan.flats:
        return list(changes), []
    changes = list(changes)
    others, newest, odd, free = _newest(plan.flats, changes)
    counts.folded += len(changes) - len(others) - len(newest)
    seen: Seen | None = None
    if habit.looks:
        seen = yield from _look(plan.flats, newest, odd, counts)
        newest = {row_id: change for row_id, change in newest.items() if row_id not in seen.done}
    wanted = _wanted(plan.flats, newest, odd, free, as_of)
    if wanted:
        for table in {table for table, _ in newest}:
            yield from _file_recipe(plan.flats[table], habit)
        yield from _write(wanted, seen, as_of, habit, odd, counts)
    if not odd:
        return others, []
    for_images = [change for change in changes if (change.table, change.key) in odd]
    held = yield from claim(plan, [(plan.flats[table].aggregate, key) for table, key in odd])
    return others, [*for_images, *held]


def _newest(
    flats: dict[str, Flat], changes: list[RowChange]
) -> tuple[list[RowChange], dict[RowId, RowChange], dict[RowId, None], set[RowId]]:
    """Changes of other tables, the newest of each flat row, rows with incomplete changes, rows whose key was free."""
    others: list[RowChange] = []
    newest: dict[RowId, RowChange] = {}
    odd: dict[RowId, None] = {}
    free: set[RowId] = set()
    for change in changes:
        if change.table not in flats:
            others.append(change)
            continue
        row_id = (change.table, change.key)
        known = newest.get(row_id)
        if known is None or known.version < change.version:
            newest[row_id] = change
        if change.missing:
            odd[row_id] = None
        if change.new:
            free.add(row_id)
    return others, newest, odd, free


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look has found: the documents, and the rows whose documents are as new as their changes already."""

    items: dict[RowId, Item | None]
    done: set[RowId]


def _look(
    flats: dict[str, Flat], newest: dict[RowId, RowChange], odd: dict[RowId, None], counts: Counts
) -> Steps[Seen]:
    """Before anything is made of a change: in a replay nothing has to be. Raises NewerGeneration."""
    rows = [row_id for row_id in newest if row_id not in odd]
    if not rows:
        return Seen({}, set())
    items = yield [Get(TableName.DOCUMENTS, flats[table].pk(key), DOCUMENT_SK, _HEAD) for table, key in rows]
    seen = Seen(dict(zip(rows, items, strict=True)), set())
    for row_id, item in seen.items.items():
        if item is not None and VERSION in item and _is_done(flats[row_id[0]], newest[row_id].version, item, counts):
            seen.done.add(row_id)
    return seen


def _wanted(
    flats: dict[str, Flat], newest: dict[RowId, RowChange], odd: dict[RowId, None], free: set[RowId], as_of: str
) -> list[Wanted]:
    wanted: list[Wanted] = []
    time = text(as_of)
    for row_id, change in newest.items():
        if row_id in odd:
            continue
        flat = flats[row_id[0]]
        try:
            wanted.append(_made_of(flat, change.key, change.version, change.row, time, new=row_id in free))
        except NotFlat:
            odd[row_id] = None
    return wanted


def _made_of(flat: Flat, key: str, version: str, row: Row | None, as_of: AttributeValue, *, new: bool) -> Wanted:
    """What the document of a row is to become. Raises NotFlat."""
    if row is None:
        return Wanted(flat, key, version, flat.pk(key), None, flat.tombstone, new)
    return Wanted(flat, key, version, flat.pk(key), *flat.body(key, row, version, as_of), new)


def _write(
    wanted: list[Wanted], seen: Seen | None, as_of: str, habit: Habit, odd: dict[RowId, None], counts: Counts
) -> Steps[None]:
    """All of them, whoever else writes meanwhile; `odd` gets the rows that are not flat in the store."""
    rows = sum(one.body is not None for one in wanted)
    looking = wanted
    items: list[Item | None] | None = None
    if seen is not None:
        items = [seen.items[one.flat.table, one.key] for one in wanted]
        expected = sum(_as_expected(one, item) for one, item in zip(wanted, items, strict=True))
        surprises, rows = rows + len(seen.done) - expected, rows + len(seen.done)
    else:
        tried = [one for one in wanted if one.body is not None]
        replies = yield [_insert(one, as_of) if one.new else _update(one) for one in tried]
        refused = [one for one, reply in zip(tried, replies, strict=True) if isinstance(reply, Refused)]
        counts.documents_written += len(tried) - len(refused)
        surprises = len(refused)
        looking = [*refused, *(one for one in wanted if one.body is None)]
    while looking:
        items = items or (yield [Get(TableName.DOCUMENTS, one.pk, DOCUMENT_SK, _HEAD) for one in looking])
        writes: list[Operation] = []
        writing: list[Wanted] = []
        for one, item in zip(looking, items, strict=True):
            if item is not None and VERSION not in item:
                odd[one.flat.table, one.key] = None
            elif item is None or not _is_done(one.flat, one.version, item, counts):
                writes.append(_over(one, item, as_of))
                writing.append(one)
        items = None
        if not writes:
            break
        replies = yield writes
        looking = [one for one, reply in zip(writing, replies, strict=True) if isinstance(reply, Refused)]
        counts.documents_written += len(writing) - len(looking)
    if rows:
        habit.looks = is_worth_a_look(surprises, rows)


def _as_expected(one: Wanted, item: Item | None) -> bool:
    """Whether the write that is tried without a look would have held."""
    if one.body is None:
        return False
    if one.new or item is None:
        return one.new and item is None
    return VERSION in item and item[FORM] == one.form.value and item[VERSION]["S"] < one.version


def _is_done(flat: Flat, version: str, item: Item, counts: Counts) -> bool:
    """Whether the stored document is of this version or a newer one, which is counted. Raises NewerGeneration.

    One that an older mapping wrote from this very change is written again: it is our mapping's turn. If it is newer,
    its own record comes, or the rebuild.
    """
    refuse_newer(flat.aggregate, int(item["_gen"]["N"]))
    stored = item[VERSION]["S"]
    if stored < version or (stored == version and digest_of(item) != flat.aggregate.digest):
        return False
    counts.stale += stored > version
    counts.documents_skipped += 1
    return True


_NEW_NAMES: Final = ("pk", "sk", FORM, "_gen", "_rev")


def _insert(one: Wanted, as_of: str) -> Insert:
    if one.body is None:
        return Insert(TableName.DOCUMENTS, one.pk, DOCUMENT_SK, _completed(one, as_of, _FIRST_REVISION))
    more = _values_of_new(one.form.value["S"], one.flat.generation["N"])
    values = b"".join((one.body.values_json, b',{"S":', orjson.dumps(one.pk), b"},", more))
    return Insert(TableName.DOCUMENTS, one.pk, DOCUMENT_SK, Encoded(one.body.names + _NEW_NAMES, values))


@lru_cache(maxsize=CACHED)
def _values_of_new(form: str, generation: str) -> bytes:
    """Those of `_NEW_NAMES` but for the first."""
    return orjson.dumps([_SK, text(form), {"N": generation}, _FIRST_REVISION])[1:-1]


def _completed(one: Wanted, as_of: str, revision: AttributeValue) -> Item:
    """The body with keys and all system attributes."""
    if one.body is None:
        body: Item = {DELETED: {"BOOL": True}, VERSION: text(one.version), "_as_of": text(as_of)}
    else:
        body = one.body.decoded()
    values = (text(one.pk), _SK, one.form.value, one.flat.generation, revision)
    return {**body, **dict(zip(_NEW_NAMES, values, strict=True))}


def _update(one: Wanted) -> Update:
    assert one.body is not None  # noqa: S101  for the type checker: a deleted row replaces its document
    older = Condition(VERSION, "<", {"S": one.version})
    return Update(TableName.DOCUMENTS, one.pk, DOCUMENT_SK, one.body, (older, one.form))


def _over(one: Wanted, item: Item | None, as_of: str) -> Operation:
    """The write over what was looked at; what has other attributes is replaced as a whole."""
    if item is None:
        return _insert(one, as_of)
    if one.body is not None and item[FORM] == one.form.value:
        return _update(one)
    whole = _completed(one, as_of, number(int(item["_rev"]["N"]) + 1))
    whole["_as_of"] = text(max(as_of, item["_as_of"]["S"]))
    return Replace(TableName.DOCUMENTS, one.pk, DOCUMENT_SK, whole, _is_still(item))


def _is_still(item: Item) -> tuple[Condition, ...]:
    return (Condition(VERSION, "=", item[VERSION]), Condition(FORM, "=", item[FORM]))


def _file_recipe(flat: Flat, habit: Habit) -> Steps[None]:
    """Before the first document of a mapping its recipe is there: mappings that come after it make rows of them."""
    digest = flat.aggregate.digest
    if digest in habit.filed:
        return
    name = f"{flat.aggregate.name}#{digest}"
    (stored,) = yield [Get(TableName.ROWS, RECIPES_PK, name)]
    if stored is None:
        item: Item = {"pk": text(RECIPES_PK), "sk": text(name), "recipe": text(flat.recipe.written())}
        yield [Insert(TableName.ROWS, RECIPES_PK, name, item)]
    habit.filed.add(digest)


def claim(plan: Plan, roots: Sequence[Root]) -> Steps[list[RowChange]]:
    """Take documents out of the reach of flat writes; return the states they hold that no image is known to have.

    Of a document that is not there a mark is left, which readers take for a deleted one. Raises NewerGeneration.
    """
    held: list[tuple[Root, Item]] = []
    pending = list(roots)
    while pending:
        items = yield [Get(TableName.DOCUMENTS, document_pk(a.name, key), DOCUMENT_SK) for a, key in pending]
        claims: list[tuple[Root, Item | None, Operation]] = []
        for root, item in zip(pending, items, strict=True):
            if item is not None:
                refuse_newer(root[0], int(item["_gen"]["N"]))
            if item is None or VERSION in item:
                claims.append((root, item, _claim(root, item)))
            elif item.get(CLAIMED, _EMPTY) != _EMPTY:
                held.append((root, item))
        if not claims:
            break
        replies = yield [operation for _, _, operation in claims]
        done = [reply == APPLIED for reply in replies]
        held += [(root, item) for (root, item, _), ok in zip(claims, done, strict=True) if ok and item is not None]
        pending = [root for (root, _, _), ok in zip(claims, done, strict=True) if not ok]
    return (yield from _states(plan, held))


_EMPTY: Final = text(NEVER)


def _claim(root: Root, item: Item | None) -> Operation:
    aggregate, key = root
    pk = document_pk(aggregate.name, key)
    if item is None:
        mark: Item = {
            "pk": text(pk),
            "sk": _SK,
            DELETED: {"BOOL": True},
            CLAIMED: _EMPTY,
            FORM: text(""),
            "_gen": number(aggregate.generation),
            "_rev": _FIRST_REVISION,
            "_refs": text(NO_RELATIONS),
            "_as_of": text(""),
        }
        return Insert(TableName.DOCUMENTS, pk, DOCUMENT_SK, mark)
    kept = {name: value for name, value in item.items() if name != VERSION}
    revision = number(int(item["_rev"]["N"]) + 1)
    claimed: Item = {**kept, CLAIMED: item[VERSION], "_rev": revision, "_refs": text(NO_RELATIONS)}
    return Replace(TableName.DOCUMENTS, pk, DOCUMENT_SK, claimed, _is_still(item))


def _states(plan: Plan, held: list[tuple[Root, Item]]) -> Steps[list[RowChange]]:
    """What documents hold, as changes of the rows they are of."""
    found: list[RowChange] = []
    recipes: dict[tuple[str, str], Recipe] = {}
    for (aggregate, key), item in held:
        name = (aggregate.name, digest_of(item))
        if name not in recipes:
            recipes[name] = yield from _recipe(plan, aggregate, name[1])
        if recipes[name].table == aggregate.root.table:  # else the aggregate is made of another table now
            found.append(RowChange(recipes[name].table, key, held_version(item), recipes[name].row(item), held=True))
    return found


def _recipe(plan: Plan, aggregate: Aggregate, digest: str) -> Steps[Recipe]:
    own = plan.flats.get(aggregate.root.table)
    if own is not None and own.aggregate.digest == digest:
        return own.recipe
    name = f"{aggregate.name}#{digest}"
    (item,) = yield [Get(TableName.ROWS, RECIPES_PK, name)]
    if item is None:
        raise TableLacks(
            aggregate.root.table,
            f"the rows table lacks the item {RECIPES_PK} {name}, so rows cannot be read from documents: restore it, or"
            f" delete the documents of {aggregate.name} and load the table again",
        )
    return read_recipe(item["recipe"]["S"])


def stored_rows(plan: Plan, row_ids: Sequence[RowId]) -> Steps[dict[RowId, tuple[str, Row | None]]]:
    """The newest version that is stored of rows, and their columns (None: deleted), wherever they are stored."""
    images = yield [Get(TableName.ROWS, row_pk(*row_id), ROW_SK) for row_id in row_ids]
    found: dict[RowId, tuple[str, Row | None]] = {}
    for row_id, item in zip(row_ids, images, strict=True):
        image = read_image(item)
        if image is not None:
            found[row_id] = (image.version, image.row)
    roots = [(a, key) for table, key in row_ids for a in plan.mapping.aggregates if a.root.table == table]
    if not roots:
        return found
    items = yield [Get(TableName.DOCUMENTS, document_pk(a.name, key), DOCUMENT_SK) for a, key in roots]
    held = [(root, item) for root, item in zip(roots, items, strict=True) if item is not None and holds_row(item)]
    for change in (yield from _states(plan, held)):
        row_id = (change.table, change.key)
        if row_id not in found or found[row_id][0] < change.version:
            found[row_id] = (change.version, change.row)
    return found


def holds_row(item: Item) -> bool:
    """Whether a document holds a row's state that its image may lack."""
    return VERSION in item or item.get(CLAIMED, _EMPTY) != _EMPTY


def held_version(item: Item) -> str:
    """The version of the row's state that a document holds."""
    version: str = (item.get(VERSION) or item[CLAIMED])["S"]
    return version


def filed_holders(tables: Collection[str]) -> Steps[dict[str, str]]:
    """The aggregates, of whatever mapping, whose documents have held rows of these tables, and the table of each."""
    (names,) = yield [Query(TableName.ROWS, RECIPES_PK, "")]
    found: dict[str, str] = {}
    if names:
        items = yield [Get(TableName.ROWS, RECIPES_PK, name) for name in names]
        for name, item in zip(names, items, strict=True):
            table = read_recipe(item["recipe"]["S"]).table if item is not None else ""
            if table in tables:
                found[name.partition("#")[0]] = table
    return found


def gone(name: str, table: str) -> Aggregate:
    """An aggregate that is in no mapping any more, as far as its documents must be found and claimed."""
    return Aggregate(name, "", Node(name, Kind.ROOT, table, ()), generation=_NEWEST)


@dataclass(slots=True)
class Renewed:
    """Documents that stay as they are: of the columns that no mapping kept, and those whose values do not fit now."""

    lacking: Counter[str] = field(default_factory=Counter)
    misfits: list[str] = field(default_factory=list)


def renew(plan: Plan, flat: Flat, keys: Sequence[str], counts: Counts) -> Steps[Renewed]:
    """Make flat documents of older mappings those of this one, from what they hold. Raises NewerGeneration."""
    aggregate = flat.aggregate
    columns = plan.columns[flat.table]
    yield from _file_recipe(flat, Habit())
    left = Renewed()
    pending = list(keys)
    while pending:
        items = yield [Get(TableName.DOCUMENTS, flat.pk(key), DOCUMENT_SK) for key in pending]
        there = [(key, item) for key, item in zip(pending, items, strict=True) if item is not None and VERSION in item]
        old = [(key, item) for key, item in there if digest_of(item) != aggregate.digest]
        for _, item in there:
            refuse_newer(aggregate, int(item["_gen"]["N"]))
        counts.documents_skipped += len(there) - len(old)
        states = yield from _states(plan, [((aggregate, key), item) for key, item in old])
        rows = {change.key: change.row for change in states}
        writes: list[Operation] = []
        writing: list[str] = []
        for key, item in old:
            row = rows.get(key, {})
            if row is not None and not columns <= row.keys():
                left.lacking.update(columns - row.keys())
                continue
            try:
                one = _made_of(flat, key, item[VERSION]["S"], row, item["_as_of"], new=False)
            except NotFlat:
                left.misfits.append(key)
                continue
            writes.append(_over(one, item, item["_as_of"]["S"]))
            writing.append(key)
        if not writes:
            break
        replies = yield writes
        pending = [key for key, reply in zip(writing, replies, strict=True) if reply != APPLIED]
        counts.documents_written += len(writing) - len(pending)
    return left
