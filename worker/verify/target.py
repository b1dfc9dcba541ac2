"""The documents table, read strongly consistent. The only module here that talks to DynamoDB; it never writes."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from contract.keys import DOCUMENT_SK, SYSTEM_PREFIX
from contract.parts import PART_SK_PREFIX, PARTS, Names, PartsMissing, read_whole
from contract.values import Item, NotStorable, from_attribute, from_item
from worker.verify.errors import VerifyError

ATTEMPTS: Final = 8
STRAY: Final = "\x1f"  # in no pk of a document: key texts escape it
_KEYS_A_BATCH: Final = 100  # BatchGetItem takes no more
_PAUSE_SECONDS: Final = 0.05  # before parts of a document are looked for again


class State(Enum):
    """What readers get of a stored document."""

    LIVE = 0
    DELETED = 1
    PARKED = 2  # the last good state, or nothing if there never was one


@dataclass(frozen=True, slots=True)
class Stored:
    """One item of the documents table: the document's own attributes, and those that its indexes are made of.

    `version` differs between any two states that a worker wrote.
    """

    pk: str
    state: State
    has_body: bool
    body: dict[str, Any]
    index: dict[str, Any]
    version: str

    @property
    def aggregate(self) -> str:
        """Name of the aggregate in the key."""
        return self.pk.partition("#")[0]

    @property
    def key(self) -> str:
        """Key text of the document."""
        return key_of(self.pk)


def key_of(pk: str) -> str:
    """Key text of a document; of an item that is none, what can be shown of it."""
    return pk.partition("#")[2].replace(STRAY, " ")


class Documents:
    """One documents table. Every method raises VerifyError."""

    def __init__(self, table: str, client: Any | None = None) -> None:
        """Without a client: region from AWS_REGION or the profile, endpoint from AWS_ENDPOINT_URL."""
        self._table = table
        with self._translated():
            self._client = client or boto3.client(
                "dynamodb",
                region_name=os.environ.get("AWS_REGION"),
                config=Config(retries={"mode": "standard", "total_max_attempts": ATTEMPTS}, connect_timeout=10),
            )

    @property
    def table(self) -> str:
        """Its name."""
        return self._table

    def scan(self, after: Item | None, limit: int) -> tuple[list[Stored], Item | None]:
        """A page (1 MB, at most `limit` items) behind a position, and where the next one begins, None at the end.

        Documents in parts are whole; the parts themselves are none.
        """
        more = {} if after is None else {"ExclusiveStartKey": after}
        with self._translated():
            page = self._client.scan(TableName=self._table, ConsistentRead=True, Limit=limit, **more)
            items = [item for item in page["Items"] if _is_document(item)]
            return list(self._documents(items)), page.get("LastEvaluatedKey")

    def get(self, pks: Iterable[str]) -> dict[str, Stored]:
        """The items that exist of some partitions, by pk."""
        with self._translated():
            return {item.pk: item for item in self._documents(self._items([_item_key(pk) for pk in pks]))}

    def _items(self, wanted: list[Item]) -> Iterator[Item]:
        for start in range(0, len(wanted), _KEYS_A_BATCH):
            request = {self._table: {"Keys": wanted[start : start + _KEYS_A_BATCH], "ConsistentRead": True}}
            while request:  # an answer holds 16 MB at most and names what it left out
                answer = self._client.batch_get_item(RequestItems=request)
                yield from answer["Responses"].get(self._table, [])
                request = answer.get("UnprocessedKeys", {})

    def _documents(self, items: Iterable[Item]) -> Iterator[Stored]:
        wholes = (item if PARTS not in item else self._whole(item) for item in items)
        return (_stored(item) for item in wholes if item is not None)

    def _whole(self, item: Item) -> Item | None:
        """What readers cannot get either counts as it is stored: without its lists, so that it differs."""

        def fetch(sort_keys: Names, look: int) -> dict[str, Item]:
            time.sleep(_PAUSE_SECONDS * look)
            return {
                one["sk"]["S"]: one for one in self._items([{"pk": item["pk"], "sk": {"S": sk}} for sk in sort_keys])
            }

        try:
            return read_whole(item, fetch)
        except PartsMissing:
            return item

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code == "ResourceNotFoundException":
                raise VerifyError(
                    f"documents table {self._table} does not exist there: check --documents-table, AWS_REGION and"
                    " AWS_ENDPOINT_URL"
                ) from None
            raise VerifyError(f"documents table {self._table} cannot be read: {error}") from None
        except NotStorable as error:
            raise VerifyError(f"documents table {self._table} holds an item that is no document: {error}") from None
        except BotoCoreError as error:
            raise VerifyError(f"documents table {self._table} cannot be reached: {error}") from None


def _is_document(item: Item) -> bool:
    """Not a part of one, nor what says up to when documents are complete."""
    return not (item["sk"]["S"].startswith(PART_SK_PREFIX) or item["pk"]["S"].startswith(SYSTEM_PREFIX))


def _item_key(pk: str) -> Item:
    own, _, stray = pk.partition(STRAY)
    return {"pk": {"S": own}, "sk": {"S": stray or DOCUMENT_SK}}


def _stored(item: Item) -> Stored:
    pk, sk = item["pk"]["S"], item["sk"]["S"]
    body = from_item({n: value for n, value in item.items() if not n.startswith("_") and n not in ("pk", "sk")})
    index = {n: from_attribute(value) for n, value in item.items() if n.startswith("_i")}
    deleted = "_deleted" in item
    state = State.PARKED if "_parked" in item else State.DELETED if deleted else State.LIVE
    # an item under another sort key is no document: marked, its pk matches no source row, so that it is reported
    version = "/".join(str(item.get(name)) for name in ("_rev", "_v", "_fp", "_parked", "_deleted"))
    return Stored(pk if sk == DOCUMENT_SK else f"{pk}{STRAY}{sk}", state, not deleted, body, index, version)
