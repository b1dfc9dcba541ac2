"""The command Lambda: `POST /commands/{name}`, checked, dispatched to the monolith once per Idempotency-Key."""

from __future__ import annotations

import hashlib
import math
import os
import re
import time
from collections.abc import Mapping
from functools import cache
from typing import Any, Final
from urllib.parse import unquote

from api_lambdas import declared
from api_lambdas.access import Gate
from api_lambdas.composed import composed_gate
from api_lambdas.declared import Command, Dispatch, InvalidBody
from api_lambdas.dynamodb import DynamoDB, StoreError
from api_lambdas.entry import respond, settings_problem
from api_lambdas.http import JSON, Kind, Problem, Request, Response
from api_lambdas.idempotency import Claimed, IdempotencyRecords, InProgress, OtherRequest
from api_lambdas.json_text import NotJson, dumps, loads
from api_lambdas.log import Event, Log
from api_lambdas.monolith import Monolith
from api_lambdas.settings import CommandSettings, SettingsError, command_settings
from api_lambdas.verdict import Answer, NoVerdict, verdict

MAX_BODY_BYTES: Final = 64 * 1024
# A holder may be slow before it dispatches and while it stores; only then may a repeat take its claim over.
CLAIM_MARGIN_SECONDS: Final = 5.0
_PREFIX: Final = "/commands/"
_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001  the runtime's signature
    """What Lambda calls."""
    try:
        settings, api = _composed()
    except SettingsError as error:
        return settings_problem(error, os.environ.get("AWS_REGION", ""))
    return respond(event, api.answer, settings.region, Log(settings.log_level))


@cache
def _composed() -> tuple[CommandSettings, CommandApi]:
    settings = command_settings(os.environ)
    commands = declared.from_json(settings.commands_file.read_text("utf-8"))
    records = IdempotencyRecords(DynamoDB(settings.access), settings.commands_table, time.time)
    log = Log(settings.log_level)
    monolith = Monolith(settings.monolith_url)
    gate = composed_gate(settings)
    return settings, CommandApi(commands, records, monolith, settings.dispatch_timeout_seconds, log, gate)


class CommandApi:
    """Answers commands. The order is: check all, claim the key, dispatch, store the answer, answer."""

    def __init__(
        self,
        commands: Mapping[str, Command],
        records: IdempotencyRecords,
        monolith: Monolith,
        timeout_seconds: float,
        log: Log,
        gate: Gate,
    ) -> None:
        self._commands = commands
        self._records = records
        self._monolith = monolith
        self._timeout_seconds = timeout_seconds
        self._log = log
        self._gate = gate

    def answer(self, request: Request) -> Response:
        """The answer to one request. Raises Problem, or StoreError before anything was dispatched."""
        command = self._command(request)
        key = _idempotency_key(request)
        dispatch, request_hash = _checked(command, request)
        timeout_seconds = command.timeout_seconds or self._timeout_seconds
        claim = self._records.claim(key, request_hash, timeout_seconds + CLAIM_MARGIN_SECONDS)
        if isinstance(claim, OtherRequest):
            raise Problem(Kind.IDEMPOTENCY_KEY_REUSED, "use a new key for a new request")
        if isinstance(claim, InProgress):
            wait = {"retry-after": str(max(1, math.ceil(claim.millis / 1000)))}
            raise Problem(Kind.IN_PROGRESS, "repeat the request with the same key later", headers=wait)
        if isinstance(claim, Answer):
            return _response(claim, replayed=True)
        return _response(self._execute(command, dispatch, claim, timeout_seconds), replayed=False)

    def _command(self, request: Request) -> Command:
        name = unquote(request.path.removeprefix(_PREFIX)) if request.path.startswith(_PREFIX) else ""
        command = self._commands.get(name)
        self._gate.admit(request, f"POST {_PREFIX}{name}", f"POST {_PREFIX}{{name}}")
        if command is None:
            raise Problem(Kind.NOT_FOUND, "there is no such command")
        if request.method != "POST":
            raise Problem(Kind.METHOD_NOT_ALLOWED, "commands are posted", headers={"allow": "POST"})
        return command

    def _execute(self, command: Command, dispatch: Dispatch, claimed: Claimed, timeout_seconds: float) -> Answer:
        try:
            answer = verdict(self._monolith.send(dispatch, claimed.key, timeout_seconds))
        except NoVerdict as none:
            self._log.write(Event.DISPATCH_FAILED, command=command.name, reason=none.reason)
            self._release(claimed)
            raise none.problem() from none
        return self._stored(claimed, answer)

    def _stored(self, claimed: Claimed, answer: Answer) -> Answer:
        try:
            return self._records.store(claimed, answer)
        except StoreError as error:
            # executed and answered: saying so is right, and a repeat gets the same answer from the monolith
            self._log.write(Event.ANSWER_NOT_STORED, operation=error.operation, code=error.code)
            return answer

    def _release(self, claimed: Claimed) -> None:
        try:
            self._records.release(claimed)
        except StoreError as error:  # then the claim ends by itself
            self._log.write(Event.ANSWER_NOT_STORED, operation=error.operation, code=error.code)


def _idempotency_key(request: Request) -> str:
    """The key without the quotes that the header's draft standard asks for and most clients leave out."""
    key = request.headers.get("idempotency-key", "").strip()
    if len(key) > 1 and key[0] == key[-1] == '"':
        key = key[1:-1]
    if not _KEY.fullmatch(key):
        raise Problem(
            Kind.IDEMPOTENCY_KEY_MISSING,
            "send a header Idempotency-Key: 1 to 255 visible ASCII characters, best a UUID",
        )
    return key


def _checked(command: Command, request: Request) -> tuple[Dispatch, str]:
    """The monolith's request, and a hash that only the same command with an equal body has."""
    if len(request.body) > MAX_BODY_BYTES:
        raise Problem(Kind.BODY_TOO_LARGE, f"a command has at most {MAX_BODY_BYTES} bytes")
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != JSON:
        raise Problem(Kind.UNSUPPORTED_MEDIA_TYPE, f"send the header Content-Type: {JSON}")
    try:
        body = loads(request.body)
        dispatch = command.dispatch(body)
    except (NotJson, InvalidBody) as error:
        raise Problem(Kind.INVALID_BODY, str(error)) from error
    return dispatch, hashlib.sha256(dumps([command.name, body], sort_keys=True).encode()).hexdigest()


def _response(answer: Answer, *, replayed: bool) -> Response:
    headers = {"content-type": answer.content_type, "cache-control": "no-store"}
    return Response(answer.status, answer.body, {**headers, "idempotent-replayed": "true"} if replayed else headers)
