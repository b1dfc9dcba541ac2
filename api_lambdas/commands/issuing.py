"""Tokens for commands' answers: a read that sends one back is to show the command's effect."""

from __future__ import annotations

from api_lambdas.commands.declared import Command
from api_lambdas.commands.verdict import Answer
from api_lambdas.queries.consistency import signed, token_of
from api_lambdas.queries.marks import MICROS
from api_lambdas.shared.log import Event, Log


class Issuer:
    """Gives tokens, none without a secret to sign them with."""

    def __init__(self, secret: bytes | None, log: Log) -> None:
        self._secret = secret
        self._log = log

    def token(self, command: Command, answer: Answer, sent_millis: int) -> str:
        """The token for an answer; "" for a refusal, and where the command declares no position or it is not there.

        `sent_millis`: the command was executed after that, or is so old that it does not matter.
        """
        if self._secret is None or command.position is None or not 200 <= answer.status < 300:
            return ""
        position = command.position_in(answer.body)
        token = None if position is None else token_of(str(position), sent_millis * (MICROS // 1000))
        if token is None:
            self._log.write(Event.POSITION_UNKNOWN, command=command.name)
            return ""
        return signed(self._secret, token)
