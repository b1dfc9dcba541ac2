"""The commands table: which Idempotency-Key stands for whose request, what may have been sent, what was answered.

A record is written before the first byte of its command is sent. `claimed_until`: somebody works on it. `doubt_until`:
a dispatch may have begun whose outcome nobody knows; by then its sender has stopped. Without it nothing was executed.
A record ends with an answer, or as unknown; both stay as they are. One without an end is kept until it has one, unless
the monolith recognises the key itself.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from api_lambdas.commands.verdict import Answer
from api_lambdas.shared.dynamodb import ConditionFailed, DynamoDB, StoreError
from contract.values import Item, from_item, to_item

RECORD_SECONDS: Final = 7 * 24 * 3600
_OPEN: Final = "attribute_not_exists(answer) AND attribute_not_exists(outcome_unknown)"


@dataclass(frozen=True, slots=True)
class Asked:
    """Whose request a key stands for. `forgets`: a record without an end may expire."""

    key: str
    command: str
    caller: str
    request_hash: str
    forgets: bool = True


@dataclass(frozen=True, slots=True)
class Claimed:
    """The caller holds the claim. `begun`: the record says that a dispatch may have begun, so one may.

    `doubt_until` is of an earlier dispatch that may have been executed.
    """

    key: str
    owner: str
    until_millis: int
    begun: bool
    doubt_until: int | None = None


@dataclass(frozen=True, slots=True)
class InProgress:
    """Somebody else holds the claim, or a request that was given up may still be executed: at most so much longer."""

    millis: int


@dataclass(frozen=True, slots=True)
class OtherRequest:
    """The key belongs to another command, body or caller."""


@dataclass(frozen=True, slots=True)
class OutcomeUnknown:
    """The command may have been executed, and nobody can tell."""


Ended = Answer | OutcomeUnknown
Claim = Claimed | InProgress | OtherRequest | Ended


@dataclass(frozen=True, slots=True)
class Record:
    """What stands of a key: how it ended, or how long it is worked on and in doubt."""

    ended: Ended | None
    claimed_until: int
    doubt_until: int | None


class IdempotencyRecords:
    """The records, by key. `clock` gives epoch seconds. Raises StoreError."""

    def __init__(self, client: DynamoDB, table: str, clock: Callable[[], float]) -> None:
        self._client = client
        self._table = table
        self._clock = clock

    def now_millis(self) -> int:
        """The time that claims are compared with."""
        return round(self._clock() * 1000)

    def claim(self, asked: Asked, seconds: float) -> Claim:
        """Claim a key for `seconds`, or learn why not. A record past its expiry counts as absent.

        A first claim says at once that a dispatch may have begun: one write before the first byte, not two.
        """
        now = self.now_millis()
        claimed = Claimed(asked.key, secrets.token_hex(16), now + round(seconds * 1000), begun=True)
        record = {
            "pk": asked.key,
            "command": asked.command,
            "caller": asked.caller,
            "request_hash": asked.request_hash,
            "owner": claimed.owner,
            "claimed_until": claimed.until_millis,
            "doubt_until": claimed.until_millis,
            **({"expires_at": now // 1000 + RECORD_SECONDS} if asked.forgets else {}),
        }
        try:
            self._put(record, now // 1000)
        except ConditionFailed as stands:
            return self._standing(stands.item, asked, claimed, now)
        except StoreError as error:
            if not asked.forgets and not error.throttled:  # it may have been written, and would stay in doubt for ever
                self._take_back(claimed)
            raise
        return claimed

    def begin(self, claimed: Claimed, seconds: float) -> Claim:
        """Note that a dispatch may begin now, and hold the claim for it; or learn that it is lost."""
        until = self.now_millis() + round(seconds * 1000)
        try:
            self._update(
                claimed.key,
                "SET claimed_until = :until, doubt_until = :until",
                f"#owner = :owner AND {_OPEN}",
                {":until": until, ":owner": claimed.owner},
                names={"#owner": "owner"},
            )
        except ConditionFailed as stands:
            record = _record(stands.item)
            return record.ended or InProgress(max(0, record.claimed_until - self.now_millis()))
        return replace(claimed, until_millis=until, begun=True)

    def store(self, key: str, answer: Answer) -> Ended:
        """Store the answer, for ever the same: an end that was first is kept and returned."""
        return self._end(
            key,
            answer,
            "SET answer = :answer, #status = :status, content_type = :type, #token = :token, expires_at = :expires",
            {
                ":answer": answer.body,
                ":status": answer.status,
                ":type": answer.content_type,
                ":token": answer.token,
                ":expires": self.now_millis() // 1000 + RECORD_SECONDS,
            },
            names={"#status": "status", "#token": "token"},
        )

    def store_unknown(self, key: str) -> Ended:
        """Store that nobody can tell; never forgotten. An end that was first is kept and returned."""
        return self._end(key, OutcomeUnknown(), "SET outcome_unknown = :yes", {":yes": True})

    def release(self, claimed: Claimed, *, sent: bool) -> None:
        """Give the claim up, so that a repeat may go on at once; nothing if somebody else has it now.

        `sent`: the dispatch may have been executed; else the doubt is again that of before.
        """
        update, values = "SET claimed_until = :zero", {":zero": 0, ":owner": claimed.owner}
        if not sent and claimed.doubt_until is None:
            update += ", expires_at = :expires REMOVE doubt_until"
            values[":expires"] = self.now_millis() // 1000 + RECORD_SECONDS
        elif not sent:
            update += ", doubt_until = :doubt"
            values[":doubt"] = claimed.doubt_until
        try:
            self._update(claimed.key, update, f"#owner = :owner AND {_OPEN}", values, names={"#owner": "owner"})
        except ConditionFailed:
            return

    def read(self, asked: Asked) -> Record | None:
        """What stands of a key of this caller's and command's; None if nothing does, as far as they may know."""
        reply = self._client.call(
            "GetItem", {"TableName": self._table, "Key": {"pk": {"S": asked.key}}, "ConsistentRead": True}
        )
        item = from_item(reply.get("Item") or {})
        if (item.get("command"), item.get("caller")) != (asked.command, asked.caller):
            return None
        if "expires_at" in item and item["expires_at"] < self.now_millis() // 1000:
            return None
        return _record(reply["Item"])

    def _standing(self, item: Item | None, asked: Asked, claimed: Claimed, now: int, *, first: bool = True) -> Claim:
        stored = from_item(item or {})
        record = _record(item)
        if stored.get("owner") == claimed.owner:  # our own write, sent again because its reply was lost
            return claimed if first else replace(claimed, begun=False, doubt_until=record.doubt_until)
        if any(stored.get(name) != getattr(asked, name) for name in ("command", "caller", "request_hash")):
            return OtherRequest()
        if record.ended is not None:
            return record.ended
        if record.claimed_until >= now or not first:
            return InProgress(max(0, record.claimed_until - now))
        try:
            self._update(
                asked.key,
                f"SET #owner = :owner, claimed_until = :until{'' if asked.forgets else ' REMOVE expires_at'}",
                f"#owner = :old AND claimed_until = :over AND {_OPEN}",
                {
                    ":owner": claimed.owner,
                    ":until": claimed.until_millis,
                    ":old": stored["owner"],
                    ":over": record.claimed_until,
                },
                names={"#owner": "owner"},
            )
        except ConditionFailed as stands:
            return self._standing(stands.item, asked, claimed, now, first=False)
        return replace(claimed, begun=False, doubt_until=record.doubt_until)

    def _take_back(self, claimed: Claimed) -> None:
        try:
            self.release(claimed, sent=False)
        except StoreError:
            return

    def _end(
        self, key: str, end: Ended, update: str, values: dict[str, Any], names: dict[str, str] | None = None
    ) -> Ended:
        # any holder's answer will do, and a reader's that asked the monolith: it answers all that ask for a key alike
        condition = f"attribute_exists(pk) AND {_OPEN}"
        try:
            self._update(key, f"{update} REMOVE claimed_until, doubt_until", condition, values, names)
        except ConditionFailed as stands:
            return _record(stands.item).ended or end
        return end

    def _put(self, record: dict[str, Any], now_seconds: int) -> None:
        self._client.call(
            "PutItem",
            {
                "TableName": self._table,
                "Item": to_item(record),
                "ConditionExpression": "attribute_not_exists(pk) OR expires_at < :seconds",
                "ExpressionAttributeValues": to_item({":seconds": now_seconds}),
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            },
        )

    def _update(
        self, key: str, update: str, condition: str, values: dict[str, Any], names: dict[str, str] | None = None
    ) -> None:
        self._client.call(
            "UpdateItem",
            {
                "TableName": self._table,
                "Key": {"pk": {"S": key}},
                "UpdateExpression": update,
                "ConditionExpression": condition,
                **({"ExpressionAttributeNames": names} if names else {}),
                "ExpressionAttributeValues": to_item(values),
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            },
        )


def _record(item: Item | None) -> Record:
    stored = from_item(item or {})
    ended: Ended | None = None
    if "answer" in stored:
        ended = Answer(stored["status"], stored["content_type"], stored["answer"], stored.get("token", ""))
    elif "outcome_unknown" in stored:
        ended = OutcomeUnknown()
    return Record(ended, stored.get("claimed_until", 0), stored.get("doubt_until"))
