"""What a local stack is to run, and what runs: options, addresses, the error that users see."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

from local.deploy import Storage
from local.ministack import REGION, MiniStack
from local.processes import REPOSITORY


class StackError(Exception):
    """Something could not be started or found; str() is for users."""


@dataclass(frozen=True, slots=True)
class Options:
    """What to run. Without a source of one's own: the demo's shop, its seed data and the service over it.

    `task` is the stand-in's task file, `stand_in` its switches as `NAME=VALUE`.
    """

    mappings: Path = REPOSITORY / "mappings"
    schema: Path | None = None
    source_url: str | None = None
    task: Path | None = None
    stand_in: tuple[str, ...] = ()
    orders: int = 2_000
    seed: int = 1
    shards: int = 2
    ministack_port: int | None = None
    postgres_port: int | None = None
    http_port: int | None = None
    heartbeats: bool = True
    regions: tuple[str, ...] = (REGION,)

    @property
    def has_heartbeat(self) -> bool:
        """Whether a heartbeat table is made and written: never in a database of the user's own."""
        return self.heartbeats and self.source_url is None

    @property
    def is_shop(self) -> bool:
        """Whether the demo's monolith is the source."""
        return self.schema is None and self.source_url is None


@dataclass(frozen=True, slots=True)
class Running:
    """Where everything is; kept in the state folder (readable by its owner only: the URL holds a password)."""

    source_url: str
    ministack_port: int
    storage: Storage
    mappings: str
    tables: tuple[str, ...]
    worker_url: str
    environment: dict[str, str] = field(default_factory=dict)
    postgres_port: int | None = None
    monolith_url: str | None = None
    collection: str = ""
    api_url: str | None = None
    api_direct_url: str | None = None
    region: str = REGION
    captured_url: str | None = None
    """The source as this region's DMS task reaches it, if that differs from `source_url`."""

    public_url: str | None = None
    """The API as the rest of the world reaches it: over a line that can be cut."""

    other_region: str | None = None
    """The second region's name; it has a folder of its own in `regions/`."""

    @property
    def ministack(self) -> MiniStack:
        """The AWS stand-in."""
        return MiniStack(self.ministack_port, self.region)

    @property
    def settings(self) -> dict[str, str]:
        """What the operators' commands need in their environment."""
        return {
            **self.ministack.environment(),
            "NEARVIEW_SOURCE_URL": self.source_url,
            "NEARVIEW_APPLICATION": self.storage.application,
            "NEARVIEW_STREAM": self.storage.stream,
            "NEARVIEW_ROWS_TABLE": self.storage.rows_table,
            "NEARVIEW_DOCUMENTS_TABLE": self.storage.documents_table,
            "NEARVIEW_PARKED_TABLE": self.storage.parked_table,
            "NEARVIEW_PARKED_KMS_KEY": self.storage.parked_key,
            "NEARVIEW_MAPPINGS": self.mappings,
            "NEARVIEW_REGIONS_TABLE": self.storage.regions_table,
            "NEARVIEW_COMMANDS_TABLE": self.storage.commands_table,
            "NEARVIEW_HEARTBEAT_TABLE": self.environment.get("NEARVIEW_HEARTBEAT_TABLE", ""),
        }

    def verify_command(self, *more: str) -> tuple[list[str], dict[str, str]]:
        """`nearview verify` of this stack: command and environment."""
        command = [sys.executable, "-m", "worker.cli", "verify", "--mappings", self.mappings]
        return [*command, *more], {**os.environ, **self.settings}
