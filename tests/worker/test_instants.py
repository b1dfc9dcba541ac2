"""Times are cut, not rounded, and say that they are in UTC."""

from __future__ import annotations

import pytest

from worker.instants import instant


@pytest.mark.parametrize(
    ("timespec", "text"),
    [
        ("microseconds", "2026-11-21T22:00:00.999999Z"),
        ("milliseconds", "2026-11-21T22:00:00.999Z"),
        ("seconds", "2026-11-21T22:00:00Z"),
    ],
)
def test_a_time_is_cut_to_what_is_asked_for(timespec: str, text: str) -> None:
    assert instant(1_795_298_400_999_999, timespec) == text
