"""The command Lambda: `POST /commands/{name}`, executed once per Idempotency-Key, and `GET` of how a key stands."""

from __future__ import annotations

import hashlib
import math
import os
import re
import time
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, unquote

from api_lambdas.access.composed import composed_gate
from api_lambdas.access.rules import Gate
from api_lambdas.commands import declared
from api_lambdas.commands.composed import composed_dispatching
from api_lambdas.commands.declared import Command, Dispatch, Idempotency
from api_lambdas.commands.execution import (
    CLAIM_MARGIN_SECONDS,
    Accepted,
    Executions,
    NotExecuted,
    Outcome,
    State,
    nobody_before,
)
from api_lambdas.commands.idempotency import (
    Asked,
    Claimed,
    IdempotencyRecords,
    InProgress,
    OtherRequest,
    OutcomeUnknown,
)
from api_lambdas.commands.issuing import Issuer
from api_lambdas.commands.monolith import Monolith
from api_lambdas.commands.settings import CommandSettings, command_settings
from api_lambdas.commands.verdict import ACCEPTED, Answer
from api_lambdas.queries.consistency import TOKEN_HEADER
from api_lambdas.regions.sent import Sent
from api_lambdas.shared.bodies import checked_body
from api_lambdas.shared.dynamodb import DynamoDB
from api_lambdas.shared.entry import handled
from api_lambdas.shared.http import JSON, Kind, Problem, Request, Response
from api_lambdas.shared.json_text import dumps
from api_lambdas.shared.log import Log

if TYPE_CHECKING:
    from api_lambdas.commands.dispatching import Dispatching

MAX_WAIT_SECONDS: Final = 5  # a caller that waits is told to look again at least so often
_PREFIX: Final = "/commands/"
_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")
_NO_STORE: Final = {"content-type": JSON, "cache-control": "no-store"}


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001  the runtime's signature
    """What Lambda calls."""
    return handled(event, _composed, os.environ.get("AWS_REGION", "").strip())


@cache
def _composed() -> tuple[CommandSettings, CommandApi]:
    settings = command_settings(os.environ)
    commands = declared.from_json(settings.commands_file.read_text("utf-8"))
    records = IdempotencyRecords(DynamoDB(settings.access), settings.commands_table, time.time)
    log = Log(settings.log_level)
    seconds = max([settings.dispatch_timeout_seconds, *(one.timeout_seconds or 0 for one in commands.values())])
    dispatching = composed_dispatching(os.environ, settings, seconds + CLAIM_MARGIN_SECONDS)
    monolith = Monolith(settings.monolith_url) if dispatching is None else dispatching.monolith
    issuer = Issuer(settings.cursor_secret, log)
    taken_over = nobody_before if dispatching is None else dispatching.taken_over_millis
    executions = Executions(records, monolith, settings.dispatch_timeout_seconds, log, issuer, taken_over)
    return settings, CommandApi(commands, records, executions, composed_gate(settings), dispatching)


class CommandApi:
    """Answers commands and questions after them."""

    def __init__(
        self,
        commands: Mapping[str, Command],
        records: IdempotencyRecords,
        executions: Executions,
        gate: Gate,
        dispatching: Dispatching | None = None,
    ) -> None:
        """`dispatching` says in which region commands are executed; without it, all are executed here."""
        self._dispatching = dispatching
        self._commands = commands
        self._records = records
        self._executions = executions
        self._gate = gate

    def answer(self, request: Request) -> Response:
        """The answer to one request. Raises Problem, StoreError."""
        name, slash, key = request.path.removeprefix(_PREFIX).partition("/")
        if not request.path.startswith(_PREFIX):
            name = ""
        return self._status(request, unquote(name), key) if slash else self._command(request, unquote(name))

    def _command(self, request: Request, name: str) -> Response:
        """The order is: check all, see which region, claim the key, send the command and store its answer, answer."""
        command, caller = self._admitted(request, name, "POST")
        key = _idempotency_key(request)
        dispatch, request_hash = _checked(command, request)
        forgets = command.idempotency is Idempotency.HEADER
        asked = Asked(key, command.name, caller, request_hash, forgets)

        def here() -> Response:
            claim = self._records.claim(asked, self._executions.claim_seconds(command))
            if isinstance(claim, Claimed):
                return _response(command, key, self._executions.run(command, dispatch, claim), replayed=False)
            return _response(command, key, claim, replayed=True)

        return self._dispatched(request, command, asked, f"{_PREFIX}{command.name}", here)

    def _status(self, request: Request, name: str, path: str) -> Response:
        """Who may send a command may ask after those that they sent; of others' keys nobody learns anything."""
        command, caller = self._admitted(request, name, "GET")
        try:
            key = unquote(unquote(path, errors="strict"), errors="strict")  # encoded twice, as a document's key is
        except UnicodeDecodeError:
            key = ""
        unknown = Problem(Kind.NOT_FOUND, "no such command was sent with this key, or it is forgotten")
        if not is_key(key):
            raise unknown
        asked = Asked(key, command.name, caller, "")

        def here() -> Response:
            state = self._executions.state(command, asked)
            if state is None:
                raise unknown
            return _state_response(state)

        return self._dispatched(request, command, asked, f"{_PREFIX}{_place(command, key)}", here)

    def _dispatched(
        self, request: Request, command: Command, asked: Asked, path: str, here: Callable[[], Response]
    ) -> Response:
        """What the region answers that executes commands: the records of keys are written there alone."""
        if self._dispatching is None:
            return here()
        way = Sent(path, asked.key, asked.caller, self._executions.claim_seconds(command))
        return self._dispatching.answer(request, way, here)

    def _admitted(self, request: Request, name: str, method: str) -> tuple[Command, str]:
        """The command, and who asks, as the records know them. The rules are those of `POST`, whatever is asked."""
        caller = self._gate.admit(request, f"POST {_PREFIX}{name}", f"POST {_PREFIX}{{name}}")
        command = self._commands.get(name)
        if command is None:
            raise Problem(Kind.NOT_FOUND, "there is no such command")
        if request.method != method:
            about = "commands are posted" if method == "POST" else "the status of a command is read"
            raise Problem(Kind.METHOD_NOT_ALLOWED, about, headers={"allow": method})
        if not caller:
            raise Problem(Kind.FORBIDDEN, "commands need a caller with a name: a token with sub, a signature of a user")
        hashed = hashlib.sha256(caller.encode()).hexdigest()
        return command, hashed if self._dispatching is None else self._dispatching.caller(request, hashed)


def is_key(text: str) -> bool:
    """Whether it can be an Idempotency-Key; dot segments cannot stand in the path of a status."""
    return bool(_KEY.fullmatch(text)) and text not in (".", "..")


def _idempotency_key(request: Request) -> str:
    """The key without the quotes that the header's draft standard asks for and most clients leave out."""
    key = request.headers.get("idempotency-key", "").strip()
    if len(key) > 1 and key[0] == key[-1] == '"':
        key = key[1:-1]
    if not is_key(key):
        raise Problem(
            Kind.IDEMPOTENCY_KEY_MISSING,
            "send a header Idempotency-Key: 1 to 255 visible ASCII characters, best a UUID",
        )
    return key


def _checked(command: Command, request: Request) -> tuple[Dispatch, str]:
    """The monolith's request, and a hash that only the same command with an equal body has."""
    body, dispatch = checked_body(request, "a command", command.dispatch)
    return dispatch, hashlib.sha256(dumps([command.name, body], sort_keys=True).encode()).hexdigest()


def _response(command: Command, key: str, outcome: Outcome, *, replayed: bool) -> Response:
    """What a command is answered with. Raises Problem."""
    again = {"idempotent-replayed": "true"} if replayed else {}
    if isinstance(outcome, Answer):
        headers = {**_NO_STORE, "content-type": outcome.content_type, **_token(outcome), **again}
        return Response(outcome.status, outcome.body, headers)
    if isinstance(outcome, OutcomeUnknown):
        about = "the monolith cannot tell; do not send the command again before you have looked"
        raise Problem(Kind.OUTCOME_UNKNOWN, about, headers=again)
    if isinstance(outcome, OtherRequest):
        raise Problem(Kind.IDEMPOTENCY_KEY_REUSED, "use a new key for a new request")
    if isinstance(outcome, InProgress):
        raise Problem(Kind.IN_PROGRESS, "repeat the request with the same key later", headers=_wait(outcome.millis))
    # relative to the request's own path, which may stand below a stage or a base path that nobody told us
    headers = {**_NO_STORE, "location": _place(command, key), **_wait(1000)}
    return Response(ACCEPTED, dumps({"state": "in-progress"}), headers)


def _place(command: Command, key: str) -> str:
    return f"{command.name}/{quote(quote(key, safe=''), safe='')}"


def _state_response(state: State) -> Response:
    """How a command stands."""
    if isinstance(state, Answer):
        text = f'{{"state":"finished","status":{state.status},"answer":{state.body or "null"}}}'
        return Response(200, text, {**_NO_STORE, **_token(state)})
    if isinstance(state, InProgress | Accepted):
        wait = _wait(state.millis if isinstance(state, InProgress) else 1000)
        return Response(200, dumps({"state": "in-progress"}), {**_NO_STORE, **wait})
    name = "unknown" if isinstance(state, OutcomeUnknown) else "unsettled"
    return Response(200, dumps({"state": "not-executed" if isinstance(state, NotExecuted) else name}), _NO_STORE)


def _token(answer: Answer) -> dict[str, str]:
    return {TOKEN_HEADER: answer.token} if answer.token else {}


def _wait(millis: int) -> dict[str, str]:
    return {"retry-after": str(min(MAX_WAIT_SECONDS, max(1, math.ceil(millis / 1000))))}
