"""Texts that stand in a statement's documents for what only the caller knows. Nobody's data says them. Pure."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

Tokens = Callable[[str], str]


@dataclass(frozen=True)
class Marks:
    """`unfit` stands for every value that parks its document, `beyond` for one that DMS cannot carry; a tokened value
    stands between two other marks."""

    unfit: str

    @staticmethod
    def new() -> Marks:
        """Marks for one run."""
        return Marks(f"unfit {secrets.token_hex(16)}")

    @cached_property
    def beyond(self) -> str:
        """For a value that may have been cut or rounded on its way."""
        return f"beyond {self.unfit[::-1]}"

    @cached_property
    def before(self) -> str:
        """Before a tokened value."""
        return f"{self.unfit[::-1]}<"

    @cached_property
    def after(self) -> str:
        """After a tokened value."""
        return f">{self.unfit[::-1]}"

    @cached_property
    def _tokened(self) -> re.Pattern[str]:
        return re.compile(f"{re.escape(self.before)}(.*?){re.escape(self.after)}", re.DOTALL)

    def with_tokens(self, text: str, token: Tokens) -> str:
        """The text with the token of every marked value in its place."""
        return self._tokened.sub(lambda found: token(found[1]), text) if self.before in text else text
