"""A documents table and a commands table in MiniStack."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local.ministack import MiniStack
from tests.api_lambdas.running import running
from tests.api_lambdas.support import Tables, created_tables

__all__ = ["running"]


@pytest.fixture(scope="session")
def _created(ministack: MiniStack) -> Iterator[Tables]:
    with created_tables(ministack) as tables:
        yield tables


@pytest.fixture
def tables(_created: Tables) -> Iterator[Tables]:
    """Shared tables; a test uses keys of its own."""
    _created.operations.clear()
    yield _created
    _created.close()


@pytest.fixture
def fresh() -> Callable[[str], str]:
    """Values no other test uses."""
    return lambda prefix: f"{prefix}-{uuid.uuid4().hex}"


@pytest.fixture
def existing(tmp_path: Path) -> str:
    """The path of a file, for settings that name one."""
    path = tmp_path / "file.json"
    path.write_text("[]")
    return str(path)


@pytest.fixture
def usual_stack() -> Iterator[None]:
    """As many calls within each other as Python allows by default: libraries of other tests raise the limit."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(1000)
    yield
    sys.setrecursionlimit(before)
