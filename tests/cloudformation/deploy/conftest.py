"""A world for each test."""

import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from local.ministack import MiniStack
from tests.cloudformation.deploy.world import World, make


@pytest.fixture
def new_world(ministack: MiniStack, tmp_path: Path) -> Callable[[], World]:
    """Call it for a world that no other test meets."""

    def new() -> World:
        project = f"d{uuid.uuid4().hex[:10]}"
        return make(ministack, tmp_path / project, project)

    return new


@pytest.fixture
def world(new_world: Callable[[], World]) -> World:
    """One of them."""
    return new_world()
