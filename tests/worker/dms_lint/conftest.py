"""What lint finds in clean settings after some changes."""

from __future__ import annotations

import pytest

from tests.worker.dms_lint.samples import Found, described
from worker.dms.documents import settings_of
from worker.dms.lint import lint


@pytest.fixture
def findings() -> Found:
    """Call it with changes to clean settings."""
    return lambda engine="postgres", **changes: lint(settings_of(described(engine, **changes)))
